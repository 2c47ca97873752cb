"""All that was learned of CPU and memory: every series of every workload, and the needs derived from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import (
    SIGN_OF_NEED,
    Basis,
    ContainerNeed,
    NeedReason,
    NeedSignal,
    Resource,
    ResourceProfile,
    SlotNeed,
)
from app.domain.quantities import format_need
from app.domain.workloads import Workload
from app.estimation.amounts import Amounts, amounts
from app.estimation.day_rows import DayRows
from app.estimation.grid import GRIDS
from app.estimation.need_rows import NeedRows
from app.estimation.policy import EstimationPolicy, confidence
from app.estimation.samples import STEP_SECONDS, ContainerSamples, NeedSamples, StepRange, day_of, step_time

Attribute = Callable[[str, str], Workload | None]
# Tells whether a container of a workload ends before the application begins, as its template has it.
Ends = Callable[[Workload, str], bool]
_RUNS_THAT_COUNT = 2  # of a Job and its like; more are not told apart
_RECENT_STEPS = 12  # the hour in which a container must run beside its workload to count as long-running


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of one answer: samples that were new, and Pods that belong to no workload we know."""

    samples: int
    unattributed_pods: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Needs:
    """The profiles of one resource, and the workloads that have too few samples for one."""

    profiles: list[ResourceProfile]
    too_few: set[Workload]


@dataclass(slots=True)
class _Series:
    """Which container of which workload each series is."""

    index: dict[tuple[Workload, str], int] = field(default_factory=dict)
    by_workload: dict[Workload, list[int]] = field(default_factory=dict)
    containers: list[str] = field(default_factory=list)

    def of(self, workload: Workload, container: str) -> int:
        number = self.index.setdefault((workload, container), len(self.index))
        if number == len(self.containers):
            self.containers.append(container)
            self.by_workload.setdefault(workload, []).append(number)
        return number


@dataclass(frozen=True, slots=True)
class _Raises:
    """The share by which each series is raised, and the step in which it was last seen why."""

    reason: NeedReason
    by: NDArray[np.float64]
    last_seen: NDArray[np.int64]


class UsageHistory:
    """Day rows of both resources over one set of series."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self._timeslots = timeslots
        self._series = _Series()
        self._runs: dict[Workload, set[str]] = {}
        self._rows = {resource: DayRows(grid, timeslots, retained_days) for resource, grid in GRIDS.items()}
        self._signs = {reason: NeedRows() for reason in NeedReason}

    def missing(self, resource: Resource, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that were not answered yet, in ranges of at most a day, newest first."""
        return self._rows[resource].missing(wanted)

    def fold(self, samples: ContainerSamples, attribute: Attribute) -> Folded:
        """Take one whole answer; *attribute* maps (namespace, Pod) to its workload."""
        series = np.full(len(samples.containers), -1, dtype=np.int64)
        unattributed = set()
        for row, container in enumerate(samples.containers):
            workload = attribute(container.namespace, container.pod)
            if workload is None:
                unattributed.add((container.namespace, container.pod))
            else:
                series[row] = self._series.of(workload, container.container)
                if not workload.is_lasting:
                    self._note_run(workload, container.pod)
        known = series >= 0
        rows = self._rows[samples.resource]
        folded = rows.fold(samples.steps, series[known], samples.values[known])
        rows.forget_before(samples.steps.last)
        return Folded(folded, frozenset(unattributed))

    def missing_signs(self, resource: Resource, newest_step: int) -> StepRange | None:
        """The steps in which signs of need of *resource* are to be asked for: those whose usage is known."""
        return self._signs[SIGN_OF_NEED[resource]].missing(self._rows[resource].covered, newest_step)

    def fold_signs(self, samples: NeedSamples, attribute: Attribute) -> None:
        """Take one whole answer on a sign of need."""
        workloads = [attribute(each.namespace, each.pod) for each in samples.containers]
        series = [
            self._series.of(workload, each.container) if workload else -1
            for workload, each in zip(workloads, samples.containers, strict=True)
        ]
        self._signs[samples.reason].fold(samples, np.array(series, dtype=np.int64))

    def _note_run(self, workload: Workload, pod: str) -> None:
        pods = self._runs.setdefault(workload, set())
        if len(pods) < _RUNS_THAT_COUNT:
            pods.add(pod)

    def needs(
        self,
        resource: Resource,
        policy: EstimationPolicy,
        *,
        newest_step: int,
        ends: Ends = lambda _workload, _container: False,
    ) -> Needs:
        """What every workload needs as of *newest_step*; what *ends* is left out of value and containers."""
        today, rows = day_of(newest_step), self._rows[resource]
        raises = self._raises(resource, policy, newest_step)
        needed = amounts(
            rows, len(raises.by), policy.resources[resource], window_days=policy.window_days, today=today
        ).raised(raises.by)
        first, last, seen = rows.spans(today=today, window_days=policy.window_days)
        profiles, too_few = [], set()
        for workload, all_series in self._series.by_workload.items():
            seen_here = [number for number in all_series if number < len(seen) and seen[number]]
            if not seen_here:
                continue
            here = [number for number in seen_here if not ends(workload, self._series.containers[number])]
            if not here:
                too_few.add(workload)
                continue
            running = self._running(rows, np.array(here, dtype=np.int64), last)
            enough = needed.day_counts[running].max() >= policy.min_samples
            if not enough and not self._has_run_again(workload):
                too_few.add(workload)
                continue
            total = int(needed.day_counts[running].sum())
            basis = _basis(first[running], last[running], seen[running], total)
            profile = self._profile(workload, resource, running, needed, basis)
            signals = tuple(self._signals(raises, running))
            profiles.append(replace(profile, signals=signals, rule=policy.resources[resource]))
        return Needs(profiles, too_few)

    def _has_run_again(self, workload: Workload) -> bool:
        """True where two runs were seen of what is run again and again: runs may be too short for samples."""
        return len(self._runs.get(workload, ())) > 1

    @staticmethod
    def _running(rows: DayRows, series: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
        """The long-running ones of a workload's containers: those that ran in half of its last hour.

        This leaves out init containers that have ended and containers that a newer template dropped.
        """
        recent = rows.recently_seen(series, int(last[series].max()), _RECENT_STEPS)
        running: NDArray[np.int64] = series[recent * 2 >= recent.max()]
        return running

    def _raises(self, resource: Resource, policy: EstimationPolicy, newest_step: int) -> _Raises:
        reason, size = SIGN_OF_NEED[resource], len(self._series.containers)
        signs, raising = self._signs[reason], policy.raises[reason]
        if reason is NeedReason.CPU_THROTTLING:
            by = signs.raises_by_share(raising, self._rows[resource].samples, size, newest_step)
        else:
            by = signs.raises_by_event(raising, size, newest_step)
        return _Raises(reason, by, signs.last_seen(size))

    def _signals(self, raises: _Raises, running: NDArray[np.int64]) -> Iterator[NeedSignal]:
        """What raises the running containers, in the order of their names."""
        raised = [number for number in running.tolist() if raises.by[number] > 0]
        for number in sorted(raised, key=self._series.containers.__getitem__):
            last_seen = step_time(int(raises.last_seen[number]))
            yield NeedSignal(
                self._series.containers[number], raises.reason, last_seen, float(raises.by[number])
            )

    def _profile(
        self,
        workload: Workload,
        resource: Resource,
        running: NDArray[np.int64],
        needed: Amounts,
        basis: Basis,
    ) -> ResourceProfile:
        containers = (
            ContainerNeed(
                self._series.containers[number],
                format_need(resource, needed.day[number]),
                int(needed.day_counts[number]),
            )
            for number in running
        )
        return ResourceProfile(
            workload,
            resource,
            format_need(resource, float(needed.day[running].sum())),
            basis,
            tuple(self._slots(resource, running, needed)),
            tuple(sorted(containers, key=lambda container: container.name)),
        )

    def _slots(self, resource: Resource, running: NDArray[np.int64], needed: Amounts) -> Iterator[SlotNeed]:
        """The slots in which every running container was seen; the others are not guessed."""
        hours = 24 // self._timeslots
        for slot in range(self._timeslots):
            counts = needed.slot_counts[running, slot]
            if counts.all():
                yield SlotNeed(
                    f"{slot * hours:02d}:00",
                    f"{(slot + 1) * hours:02d}:00",
                    format_need(resource, float(needed.slots[running, slot].sum())),
                    int(counts.sum()),
                )


def _basis(first: NDArray[np.int64], last: NDArray[np.int64], seen: NDArray[np.int64], samples: int) -> Basis:
    begin, end, steps = int(first.min()), int(last.max()), int(seen.max())
    return Basis(
        window_start=step_time(begin - 1),
        window_end=step_time(end),
        samples=samples,
        coverage=steps / (end - begin + 1),
        confidence=confidence(steps * STEP_SECONDS / 3600),
    )
