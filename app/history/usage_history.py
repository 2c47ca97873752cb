"""Folds query results on CPU and memory usage, throttling and OOM kills into the stored history."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.domain.profiles import PRESSURE_OF, Resource
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples, PressureSamples, StepRange
from app.history.usage import UsageState

Attribute = Callable[[str, str], Workload | None]
_COUNTED_RUNS = 2  # of a Job; whether there were two is all that counts


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What became of one answer: samples that were new, and Pods that belong to no workload we know."""

    samples: int
    unattributed_pods: frozenset[tuple[str, str]]


class UsageHistory:
    """Usage histograms and pressure rows of both resources over one set of series."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self.state = UsageState(timeslots=timeslots, retained_days=retained_days)
        self._series, self._runs = self.state.series, self.state.runs
        self._rows, self._pressure = self.state.rows, self.state.pressure

    def missing(self, resource: Resource, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that were not answered yet, in ranges of at most a day, newest first."""
        return self._rows[resource].missing(wanted)

    def fold(self, samples: ContainerSamples, attribute: Attribute) -> FoldResult:
        """Take one whole answer; *attribute* maps (namespace, Pod) to its workload."""
        series = np.full(len(samples.containers), -1, dtype=np.int64)
        unattributed = set()
        for row, container in enumerate(samples.containers):
            workload = attribute(container.namespace, container.pod)
            if workload is None:
                unattributed.add((container.namespace, container.pod))
            else:
                series[row] = self._series.of(workload, container.container)
                if not workload.is_long_running:
                    self._note_run(workload, container.pod)
        known = series >= 0
        rows = self._rows[samples.resource]
        owned = series[known]
        folded = rows.fold(samples.steps, owned, samples.values[known], self._series.keys_of(owned))
        if rows.forget_before(samples.steps.last):
            self.state.forget_silent()
        return FoldResult(folded, frozenset(unattributed))

    def missing_pressure(self, resource: Resource, newest_step: int) -> list[StepRange]:
        """The steps in which signs of need of *resource* are to be asked for: those whose usage is known."""
        return self._pressure[PRESSURE_OF[resource]].missing(self._rows[resource].covered, newest_step)

    def fold_pressure(self, samples: PressureSamples, attribute: Attribute) -> None:
        """Take one whole answer on a sign of need."""
        workloads = [attribute(each.namespace, each.pod) for each in samples.containers]
        series = [
            self._series.of(workload, each.container) if workload else -1
            for workload, each in zip(workloads, samples.containers, strict=True)
        ]
        numbers = np.array(series, dtype=np.int64)
        self._pressure[samples.reason].fold(samples, numbers, self._series.keys_of(numbers))

    def _note_run(self, workload: Workload, pod: str) -> None:
        pods = self._runs.setdefault(workload, set())
        if len(pods) < _COUNTED_RUNS:
            pods.add(pod)
