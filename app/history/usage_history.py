"""Folds query results on CPU and memory usage, throttling and OOM kills into the stored history."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.domain.dns_names import has_possible_name, is_dns_label
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import PRESSURE_OF, PRESSURES_OF, Resource
from app.domain.run_names import new_groups
from app.domain.workloads import NAMED_KINDS, Workload
from app.history.open_steps import SampleRows, Settlement, all_settled, container_ids
from app.history.samples import ContainerSamples, PressureSamples, StepRange
from app.history.seen_together import pod_sets
from app.history.usage import UsageState

FindWorkload = Callable[[str, str], Workload | None]
_RESOURCE_UNDER = {reason: resource for resource, reasons in PRESSURES_OF.items() for reason in reasons}
_COUNTED_RUNS = 2  # of a Job; only whether there were two is used


@dataclass(frozen=True, slots=True)
class FoldResult:
    """The number of new samples of a query result, and its Pods without a known workload."""

    samples: int
    unattributed_pods: frozenset[tuple[str, str]]


class UsageHistory:
    """Usage histograms and pressure of both resources over one set of series."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self.state = UsageState(timeslots=timeslots, retained_days=retained_days)
        self._series, self._runs = self.state.series, self.state.runs
        self._histograms, self._pressure = self.state.histograms, self.state.pressure
        self._grouped_workloads: frozenset[Workload] = frozenset()

    @property
    def workloads(self) -> AbstractSet[Workload]:
        """The workloads with usage on a retained day."""
        return self._series.workloads

    def missing(
        self, resource: Resource, wanted: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> list[StepRange]:
        """The steps of *wanted* not yet read for *namespaces*, in ranges of at most a day, newest first."""
        return self._histograms[resource].missing(wanted, namespaces)

    def fold(
        self, samples: ContainerSamples, attribute: FindWorkload, settlement: Settlement | None = None
    ) -> FoldResult:
        """Fold one whole query result; *attribute* maps (namespace, Pod) to its workload.

        Without a *settlement*, all of its steps have settled.
        """
        series = np.full(len(samples.containers), -1, dtype=np.int64)
        unattributed = set()
        for row, container in enumerate(samples.containers):
            workload = attribute(container.namespace, container.pod)
            if workload is None:
                unattributed.add((container.namespace, container.pod))
            else:
                series[row] = self._number(workload, container.container)
                if series[row] >= 0 and not workload.is_long_running:
                    self._record_run(workload, container.pod)
        # Of an open step, a Pod may have some of its containers only.
        if settled := (settlement or all_settled(samples.steps)).settled_part(samples.steps):
            self._record_pods(samples.within(settled), series)
        is_owned = series >= 0
        histograms = self._histograms[samples.resource]
        owned = series[is_owned]
        rows = SampleRows(container_ids(samples.containers)[is_owned], owned, self._series.keys_of(owned))
        folded = histograms.fold(samples.steps, rows, samples.values[is_owned], samples.answered, settlement)
        if histograms.forget_old_days(samples.steps.last):
            self.state.forget_silent()
        self._group_runs()
        return FoldResult(folded, frozenset(unattributed))

    def missing_pressure(
        self, resource: Resource, newest_step: int, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> list[StepRange]:
        """The steps to query for pressure on *resource* in *namespaces*: with usage and not read yet."""
        usage = self._histograms[resource]
        measured = partial(
            usage.coverage.covered_for,
            namespaces=namespaces,
            beside=usage.open_coverage.as_of(newest_step),
        )
        return self._pressure[PRESSURE_OF[resource]].missing(measured, newest_step, namespaces)

    def fold_pressure(
        self, samples: PressureSamples, attribute: FindWorkload, newest_step: int | None = None
    ) -> None:
        """Fold one whole query result on pressure; *attribute* maps (namespace, Pod) to its workload.

        Pressure without usage makes no series. Steps have settled if usage has, as of the *newest_step*;
        without one, all have.
        """
        settlement = None
        if newest_step is not None:
            usage = self._histograms[_RESOURCE_UNDER[samples.reason]]
            settlement = Settlement(newest_step, usage.coverage.newest_step)
        workloads = [attribute(container.namespace, container.pod) for container in samples.containers]
        series = [
            self._series.index.get((workload, container.container), -1) if workload else -1
            for workload, container in zip(workloads, samples.containers, strict=True)
        ]
        numbers = np.array(series, dtype=np.int64)
        rows = SampleRows(container_ids(samples.containers), numbers, self._series.keys_of(numbers))
        self._pressure[samples.reason].fold(samples, rows, settlement)

    def _number(self, workload: Workload, container: str) -> int:
        """The number of a series; -1 if no such container can exist."""
        if (number := self._series.index.get((workload, container))) is not None:
            return number
        # A group of runs has usage before anything is attributed to it; its name is no object's.
        is_possible = workload in self._series.workloads or has_possible_name(workload)
        if not (is_possible and is_dns_label(container)):
            return -1
        return self._series.get_or_add(workload, container)

    def _record_pods(self, samples: ContainerSamples, series: NDArray[np.int64]) -> None:
        """Record which containers the Pods of a result had."""
        sets, names = pod_sets(samples, series, self._series.keys_of(series)), list(self._series.index)
        for start, end, seen in zip(sets.starts.tolist(), sets.ends.tolist(), sets.seen, strict=True):
            members = [names[number] for number in sets.series[start:end].tolist()]
            self.state.together.add(members[0][0], (container for _, container in members), seen)

    def _group_runs(self) -> None:
        """Add runs to the group of their name's shape, from three of them on."""
        runs = frozenset(workload for workload in self.workloads if workload.kind not in NAMED_KINDS)
        if runs != self._grouped_workloads:
            self.state.merge(new_groups(sorted(runs), runs))
            self._grouped_workloads = runs

    def _record_run(self, workload: Workload, pod: str) -> None:
        pods = self._runs.setdefault(workload, set())
        if len(pods) < _COUNTED_RUNS:
            pods.add(pod)
