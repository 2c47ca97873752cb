"""All that was learned of CPU and memory: every series of every workload, and the needs derived from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Basis, ContainerNeed, Resource, ResourceProfile, SlotNeed
from app.domain.quantities import format_need
from app.domain.workloads import Workload
from app.estimation.day_rows import DayRows
from app.estimation.grid import GRIDS
from app.estimation.policy import EstimationPolicy, ResourcePolicy, confidence
from app.estimation.samples import STEP_SECONDS, ContainerSamples, StepRange, day_of, step_time

Attribute = Callable[[str, str], Workload | None]
_BLOCK = 1024  # series whose histograms are dense at the same time: about 25 MB
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
class _Amounts:
    """Raw needs and unweighted sample counts of every series: the whole day, and each slot."""

    day: NDArray[np.float64]
    day_counts: NDArray[np.int64]
    slots: NDArray[np.float64]
    slot_counts: NDArray[np.int64]


class UsageHistory:
    """Day rows of both resources over one set of series."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self._timeslots = timeslots
        self._series = _Series()
        self._runs: dict[Workload, set[str]] = {}
        self._rows = {resource: DayRows(grid, timeslots, retained_days) for resource, grid in GRIDS.items()}

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

    def _note_run(self, workload: Workload, pod: str) -> None:
        pods = self._runs.setdefault(workload, set())
        if len(pods) < _RUNS_THAT_COUNT:
            pods.add(pod)

    def needs(self, resource: Resource, policy: EstimationPolicy, *, newest_step: int) -> Needs:
        """What every workload needs as of *newest_step*."""
        today, rows = day_of(newest_step), self._rows[resource]
        amounts = self._amounts(resource, policy, today)
        first, last, seen = rows.spans(today=today, window_days=policy.window_days)
        profiles, too_few = [], set()
        for workload, all_series in self._series.by_workload.items():
            seen_here = [number for number in all_series if number < len(seen) and seen[number]]
            here = np.array(seen_here, dtype=np.int64)
            if not len(here):
                continue
            running = self._running(rows, here, last)
            enough = amounts.day_counts[running].max() >= policy.min_samples
            if not enough and not self._has_run_again(workload):
                too_few.add(workload)
                continue
            total = int(amounts.day_counts[running].sum())
            basis = _basis(first[running], last[running], seen[running], total)
            profiles.append(self._profile(workload, resource, running, amounts, basis))
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

    def _amounts(self, resource: Resource, policy: EstimationPolicy, today: int) -> _Amounts:
        total, rule = len(self._series.containers), policy.resources[resource]
        amounts = _Amounts(
            np.zeros(total),
            np.zeros(total, dtype=np.int64),
            np.zeros((total, self._timeslots)),
            np.zeros((total, self._timeslots), dtype=np.int64),
        )
        edges = GRIDS[resource].upper_edges()
        for block in _blocks(total):
            weighted, maxima, counts = self._rows[resource].histograms(
                block, today=today, window_days=policy.window_days, half_life_days=rule.half_life_days
            )
            amounts.day[block] = _amount(weighted.sum(axis=1), maxima.max(axis=1), edges, rule)
            amounts.slots[block] = _amount(weighted, maxima, edges, rule)
            amounts.slot_counts[block] = counts
            amounts.day_counts[block] = counts.sum(axis=1)
        return amounts

    def _profile(
        self,
        workload: Workload,
        resource: Resource,
        running: NDArray[np.int64],
        amounts: _Amounts,
        basis: Basis,
    ) -> ResourceProfile:
        containers = (
            ContainerNeed(
                self._series.containers[number],
                format_need(resource, amounts.day[number]),
                int(amounts.day_counts[number]),
            )
            for number in running
        )
        return ResourceProfile(
            workload,
            resource,
            format_need(resource, float(amounts.day[running].sum())),
            basis,
            tuple(self._slots(resource, running, amounts)),
            tuple(sorted(containers, key=lambda container: container.name)),
        )

    def _slots(self, resource: Resource, running: NDArray[np.int64], amounts: _Amounts) -> Iterator[SlotNeed]:
        """The slots in which every running container was seen; the others are not guessed."""
        hours = 24 // self._timeslots
        for slot in range(self._timeslots):
            counts = amounts.slot_counts[running, slot]
            if counts.all():
                yield SlotNeed(
                    f"{slot * hours:02d}:00",
                    f"{(slot + 1) * hours:02d}:00",
                    format_need(resource, float(amounts.slots[running, slot].sum())),
                    int(counts.sum()),
                )


def _amount(
    weighted: NDArray[np.float64],
    maxima: NDArray[np.float64],
    edges: NDArray[np.float64],
    rule: ResourcePolicy,
) -> NDArray[np.float64]:
    """Percentile, then margin, then floor, over the last axis of *weighted*.

    The percentile is the upper edge of its bucket, but never more than the largest sample: usage that does
    not vary gives itself.
    """
    cumulated = weighted.cumsum(axis=-1)
    # Rounding in the sum must not push the 100th percentile past the last bucket that holds something.
    threshold = cumulated[..., -1:] * (rule.percentile - 1e-9)
    percentile = np.minimum(edges[(cumulated >= threshold).argmax(axis=-1)], maxima)
    amount: NDArray[np.float64] = np.maximum(percentile * (1 + rule.margin), rule.floor)
    return amount


def _basis(first: NDArray[np.int64], last: NDArray[np.int64], seen: NDArray[np.int64], samples: int) -> Basis:
    begin, end, steps = int(first.min()), int(last.max()), int(seen.max())
    return Basis(
        window_start=step_time(begin - 1),
        window_end=step_time(end),
        samples=samples,
        coverage=steps / (end - begin + 1),
        confidence=confidence(steps * STEP_SECONDS / 3600),
    )


def _blocks(total: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK, total)) for begin in range(0, total, _BLOCK))
