"""Which containers were seen in one Pod: for each workload the sets of containers that ran together.

Pods of one owner may differ, such as the head and the workers of a Ray cluster. Only containers of one Pod
are added up, so their series alone are not enough. A set is kept while it says something about the Pods that
count: for an hour, and for a day for runs, whose Pods may follow one another. Each set has the last step in
which it was seen and the number of Pods that had it then, so results may be folded in any order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload
from app.history.key_ranges import Keys
from app.history.samples import STEPS_PER_DAY, ContainerSamples

ContainerSet = tuple[str, ...]  # sorted names
_REACH_STEPS, _REACH_STEPS_OF_RUNS = 12, STEPS_PER_DAY
# Any Pod's owner chooses the names of its containers: more sets than a workload has roles are of no use, nor
# are larger ones than Pods have.
_MAX_SETS, _MAX_NAMES = 32, 128
# In one result, of a workload: its sets, and its Pods whose containers have no step in common.
_MAX_NEW_SETS, _MAX_SPLIT_PODS = 128, 256


class Seen(NamedTuple):
    """The last step in which Pods had a set, and how many had it."""

    last_step: int
    pods: int


class SeenTogether:
    """The sets of containers by workload."""

    def __init__(self) -> None:
        self._sets: dict[Workload, dict[ContainerSet, Seen]] = {}

    def of(self, workload: Workload) -> Mapping[ContainerSet, Seen]:
        """The sets of a workload, and when each was seen; empty if none is known."""
        return self._sets.get(workload, {})

    def differing(self) -> Iterator[Workload]:
        """The workloads with containers that were not all seen in one Pod."""
        for workload, sets in self._sets.items():
            if len(sets) > 1 and len(set().union(*sets)) > max(map(len, sets)):
                yield workload

    def pod_share(self, workload: Workload, container: str) -> float:
        """The share of the Pods of the newest step that had *container* in the last hour; 1 if none is known.

        A step may lack the samples of a container, so one step alone does not show that it has ended.
        """
        sets = self.of(workload)
        newest = max((seen.last_step for seen in sets.values()), default=0)
        pods = sum(seen.pods for seen in sets.values() if seen.last_step == newest)
        recent = {names: seen.pods for names, seen in sets.items() if newest - seen.last_step < _REACH_STEPS}
        having = sum(count for names, count in recent.items() if container in names)
        return min(having / pods, 1.0) if pods else 1.0

    def add(self, workload: Workload, containers: Iterable[str], seen: Seen) -> None:
        """Record that the Pods of a step had these containers."""
        names = tuple(sorted(containers))
        if len(names) > _MAX_NAMES:
            return
        sets = self._sets.setdefault(workload, {})
        before = sets.get(names)
        sets[names] = seen if before is None else max(before, seen)
        if len(sets) > 1:
            self._forget(workload, sets)

    def keep(self, workloads: Iterable[Workload]) -> None:
        """Drop all other workloads."""
        self._sets = {workload: self._sets[workload] for workload in workloads if workload in self._sets}

    def forget_from(self, day: int) -> None:
        """Drop the sets that were last seen on *day* or later."""
        last = day * STEPS_PER_DAY
        for workload, sets in list(self._sets.items()):
            self._sets[workload] = {names: seen for names, seen in sets.items() if seen.last_step <= last}

    def merge(self, groups: Mapping[Workload, Workload]) -> None:
        """Add the sets of each workload to those of its group."""
        for workload, group in groups.items():
            for names, seen in self._sets.pop(workload, {}).items():
                self.add(group, names, seen)

    def within(self, workloads: Iterable[Workload]) -> "SeenTogether":
        """The sets of *workloads* only."""
        part = SeenTogether()
        part._sets = {
            workload: dict(self._sets[workload]) for workload in workloads if workload in self._sets
        }
        return part

    def replace_with(self, parts: Iterable["SeenTogether"]) -> None:
        """Replace all sets by those of *parts*."""
        self._sets = {}
        for part in parts:
            for workload, names, seen in part.rows():
                self.add(workload, names, seen)

    def rows(self) -> Iterator[tuple[Workload, ContainerSet, Seen]]:
        """All sets, in an order that depends on nothing else."""
        for workload in sorted(self._sets):
            for names, seen in sorted(self._sets[workload].items()):
                yield workload, names, seen

    def _forget(self, workload: Workload, sets: dict[ContainerSet, Seen]) -> None:
        reach = _REACH_STEPS if workload.is_long_running else _REACH_STEPS_OF_RUNS
        oldest = max(seen.last_step for seen in sets.values()) - reach
        kept = [item for item in sets.items() if item[1].last_step > oldest]
        if len(kept) > _MAX_SETS:
            kept = sorted(kept, key=lambda item: (item[1], item[0]))[-_MAX_SETS:]
        if len(kept) < len(sets):
            self._sets[workload] = dict(kept)


class PodSets(NamedTuple):
    """The distinct sets of series that Pods had: `series[starts[k]:ends[k]]`, and when each was seen."""

    series: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    seen: Sequence[Seen]


class _Pods(NamedTuple):
    """The series of each Pod, as in `PodSets`, and the last column with a sample of any of them."""

    series: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    last: NDArray[np.int64]

    def extended_by(self, others: Sequence[tuple[NDArray[np.int64], int]]) -> "_Pods":
        """The same and *others*: sets of series, and the last column of each."""
        if not others:
            return self
        sizes = np.array([len(numbers) for numbers, _ in others])
        starts = len(self.series) + sizes.cumsum() - sizes
        return _Pods(
            np.concatenate((self.series, *(numbers for numbers, _ in others))),
            np.append(self.starts, starts),
            np.append(self.ends, starts + sizes),
            np.append(self.last, [column for _, column in others]),
        )


def pod_sets(samples: ContainerSamples, series: NDArray[np.int64], keys: Keys) -> PodSets:
    """The sets of series that the Pods of a result had; *series* is that of each row, -1 for none.

    *keys* are those of the rows' workloads. Of a workload with too many sets, the newest count.

    Containers of a Pod without a step in common, such as an init container and the application, ran one after
    the other: each step of such a Pod counts by itself.
    """
    present = ~np.isnan(samples.values)
    rows = np.flatnonzero((series >= 0) & present.any(axis=1))
    # Equal names have equal hashes within one process; nothing else is used of them.
    hashes = (hash((container.namespace, container.pod)) for container in samples.containers)
    pods = np.fromiter(hashes, dtype=np.int64, count=len(samples.containers))[rows]
    order = np.lexsort((series[rows], pods))
    rows, pods = rows[order], pods[order]
    if not len(rows):
        return PodSets(rows, rows, rows, ())
    starts = np.flatnonzero(np.append(True, np.diff(pods) != 0))
    ends = np.append(starts[1:], len(rows))
    owned, present = series[rows], present[rows]
    last = np.maximum.reduceat(present.shape[1] - 1 - np.argmax(present[:, ::-1], axis=1), starts)
    overlaps = np.logical_and.reduceat(present, starts, axis=0).any(axis=1)
    keys = keys[rows]
    split = np.flatnonzero(~overlaps)
    split = split[_newest(keys[starts[split]], last[split], _MAX_SPLIT_PODS)]
    others = _split_by_step(owned, present, starts[split], ends[split])
    whole = _Pods(owned, starts[overlaps], ends[overlaps], last[overlaps])
    all_pods = whole.extended_by(others)
    key_of_series = np.zeros(int(owned.max()) + 1, dtype=np.int64)
    key_of_series[owned] = keys
    return _distinct(all_pods, key_of_series[all_pods.series[all_pods.starts]], samples.steps.first)


def _newest(keys: Keys, last: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The places of at most so many with the same key: those with the largest *last*, in order."""
    order = np.lexsort((-last, keys))
    firsts = np.flatnonzero(np.append(True, np.diff(keys[order]) != 0)) if len(order) else order
    ranks = np.arange(len(order)) - np.repeat(firsts, np.diff(np.append(firsts, len(order))))
    return np.sort(order[ranks < most])


def _split_by_step(
    series: NDArray[np.int64], present: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], int]]:
    """For each Pod its sets of series, and the last column of each."""
    sets: list[tuple[NDArray[np.int64], int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        patterns, columns = np.unique(present[start:end, ::-1], axis=1, return_index=True)
        sets += [
            (series[start:end][pattern], present.shape[1] - 1 - int(column))
            for pattern, column in zip(patterns.T, columns, strict=True)
            if pattern.any()
        ]
    return sets


def _distinct(pods: _Pods, keys: Keys, first_step: int) -> PodSets:
    """The sets without duplicates, with the last step of each and its number of Pods then.

    *keys* are those of the Pods' workloads.
    """
    sums = np.append(np.uint64(0), _mixed(pods.series).cumsum(dtype=np.uint64))
    identities = sums[pods.ends] - sums[pods.starts]
    _, firsts, numbers = np.unique(identities, return_index=True, return_inverse=True)
    newest = np.zeros(len(firsts), dtype=np.int64)
    np.maximum.at(newest, numbers, pods.last)
    counts = np.bincount(numbers[pods.last == newest[numbers]], minlength=len(firsts))
    kept = _newest(keys[firsts], newest, _MAX_NEW_SETS)
    seen = [
        Seen(first_step + step, count)
        for step, count in zip(newest[kept].tolist(), counts[kept].tolist(), strict=True)
    ]
    return PodSets(pods.series, pods.starts[firsts[kept]], pods.ends[firsts[kept]], seen)


def _mixed(series: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A pseudo-random number for each series (splitmix64): the sum of its numbers identifies a set."""
    mixed = (series.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
