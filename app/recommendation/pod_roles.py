"""Roles: the sets of containers of Pods that differ, of which the largest is a workload's value.

A role whose containers are all in another one is part of that one: a Ray worker that has the head's container
without its autoscaler, or a Pod of which one container had no sample. Most workloads have one role.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.history.seen_together import SeenTogether
from app.history.usage_histograms import UsageHistograms
from app.recommendation.array_types import BoolArray, Float64Array, Int64Array
from app.recommendation.series_table import SeriesTable

# For series, the number of steps with samples among the last ones up to a step; at most the newest sample's.
CountSteps = Callable[[Int64Array, int], Int64Array]


@dataclass(frozen=True, slots=True)
class PodRoles:
    """The roles of the groups of series that have several.

    Member k is the series at `position[k]` among the series of all groups, in role `role[k]`; `group` is the
    group of each role. A series may be in several roles.
    """

    position: Int64Array
    role: Int64Array
    group: Int64Array

    @classmethod
    def of(cls, series: Int64Array, roles: Mapping[int, Sequence[Int64Array]]) -> "PodRoles":
        """The roles by group, as positions in *series*."""
        parts = [(group, members) for group, all_members in roles.items() for members in all_members]
        if not parts:
            return NO_ROLES
        order = np.argsort(series)
        members = np.concatenate([members for _, members in parts])
        sizes = [len(members) for _, members in parts]
        return cls(
            order[np.searchsorted(series, members, sorter=order)],
            np.repeat(np.arange(len(parts)), sizes),
            np.array([group for group, _ in parts], dtype=np.int64),
        )

    def largest(self, totals: Float64Array, amounts: Float64Array) -> Float64Array:
        """*totals* [groups], where the sum of *amounts* [series] over the largest role replaces it."""
        if not len(self.group):
            return totals
        largest = totals.copy()
        largest[self.group] = 0
        np.maximum.at(largest, self.group, self.sums(amounts))
        return largest

    def sums(self, amounts: Float64Array) -> Float64Array:
        """The sum of *amounts* over each role."""
        return np.bincount(self.role, amounts[self.position], len(self.group)).astype(np.float64)

    def select(self, groups: BoolArray, series: BoolArray) -> "PodRoles":
        """The roles of the flagged *groups*, whose *series* are flagged; all are renumbered from 0."""
        if not len(self.group):
            return self
        kept, members = groups[self.group], groups[self.group][self.role]
        return PodRoles(
            (series.cumsum() - 1)[self.position[members]],
            (kept.cumsum() - 1)[self.role[members]],
            (groups.cumsum() - 1)[self.group[kept]],
        )

    def of_group(self, group: int) -> list[Int64Array]:
        """The positions of the series of each role of a group; empty if it has one role."""
        return [self.position[self.role == role] for role in np.flatnonzero(self.group == group).tolist()]


_EMPTY: Int64Array = np.empty(0, dtype=np.int64)
NO_ROLES = PodRoles(_EMPTY, _EMPTY, _EMPTY)


def running_steps(histograms: UsageHistograms, steps: int) -> CountSteps:
    """A function that counts the last *steps* steps with samples of series of one role."""

    def count(series: Int64Array, last_step: int) -> Int64Array:
        until = min(last_step, int(histograms.last_seen[series].max()))
        ahead = np.maximum(histograms.last_seen[series] - until, 0).astype(np.uint64)
        recent = histograms.recent[series] >> np.minimum(ahead, np.uint64(63))
        lag = np.clip(until - histograms.last_seen[series], 0, 63).astype(np.uint64)
        window = (recent << lag) & np.uint64((1 << steps) - 1)
        return np.asarray(np.bitwise_count(window).astype(np.int64))

    return count


def find_roles(
    table: SeriesTable, candidates: Int64Array, together: SeenTogether, count_steps: CountSteps
) -> dict[int, list[Int64Array]]:
    """The running series of each role, for the workloads (by number) whose Pods had different containers.

    Only *candidates* can be in a role.
    """
    differing = set(together.differing())
    if not differing:
        return {}
    numbers = [number for number, workload in enumerate(table.workloads) if workload in differing]
    names: dict[int, dict[str, int]] = {number: {} for number in numbers}
    for series in candidates[np.isin(table.owner[candidates], numbers)].tolist():
        names[int(table.owner[series])][table.containers[series]] = series
    roles = {}
    for number, series_by_name in names.items():
        last_steps: dict[frozenset[int], int] = {}
        for containers, seen in together.of(table.workloads[number]).items():
            members = frozenset(series_by_name[name] for name in containers if name in series_by_name)
            last_steps[members] = max(seen.last_step, last_steps.get(members, seen.last_step))
        running = [_running(members, last_steps[members], count_steps) for members in _largest(last_steps)]
        roles[number] = [np.array(sorted(members), dtype=np.int64) for members in _largest(running)]
    return {number: parts for number, parts in roles.items() if parts}


def _running(members: frozenset[int], last_step: int, count_steps: CountSteps) -> frozenset[int]:
    """The series with samples in at least half as many of the role's last steps as the busiest of them."""
    series = np.array(sorted(members), dtype=np.int64)
    counts = count_steps(series, last_step)
    return frozenset(series[counts * 2 >= counts.max()].tolist())


def _largest(sets: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """The distinct sets that are not part of another one, in a fixed order."""
    distinct = sorted(set(sets) - {frozenset()}, key=lambda members: (-len(members), sorted(members)))
    largest: list[frozenset[int]] = []
    for members in distinct:
        if not any(members < other for other in largest):
            largest.append(members)
    return largest
