"""Coverage: the steps that were already read, for each range of workload keys.

A covered step is not folded again, so query results may arrive in any order and more than once. Coverage is
kept for each range of keys, because a range may miss steps that all others have: its check-point was lost or
is older, or its namespace came into scope. Usually one range holds all keys.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.key_ranges import KeyRange, Keys, range_of
from app.history.samples import STEPS_PER_DAY, StepRange, day_of

StepFlags = NDArray[np.bool_]


class Coverage:
    """The covered steps by day and range of keys; each range ends where the next begins."""

    def __init__(self) -> None:
        self.starts = np.zeros(1, dtype=np.int64)
        self.days: dict[int, StepFlags] = {}  # [key ranges, steps of the day]

    def missing(
        self,
        wanted: StepRange,
        namespaces: NamespaceSelection = EVERY_NAMESPACE,
        beside: "Coverage | None" = None,
    ) -> list[StepRange]:
        """The steps of *wanted* that a key of *namespaces* misses, newest day first; ranges within a day.

        Steps that *beside* covers are not missing either.
        """
        missing: list[StepRange] = []
        for part in wanted.by_day():
            covered = self.covered_for(day_of(part.first), namespaces, beside)[_columns(part)]
            edges = np.flatnonzero(np.diff(np.concatenate(([True], covered, [True])).astype(np.int8)))
            missing += [
                StepRange(part.first + int(begin), part.first + int(end) - 1)
                for begin, end in zip(edges[::2], edges[1::2], strict=True)
            ]
        return sorted(missing, reverse=True)

    def covered_for(
        self,
        day: int,
        namespaces: NamespaceSelection = EVERY_NAMESPACE,
        beside: "Coverage | None" = None,
    ) -> StepFlags:
        """True for each step of *day* that all keys of *namespaces* have here, or all in *beside*; [288]."""
        selected = self._selected(namespaces)
        flags = self.days.get(day, np.zeros((len(self.starts), STEPS_PER_DAY), dtype=np.bool_))
        covered = np.asarray(flags[selected].all(axis=0))
        return covered | beside.covered_for(day, namespaces) if beside else covered

    @property
    def newest_step(self) -> int:
        """The newest step that any key has; 0 if there is none."""
        for day in sorted(self.days, reverse=True):
            if (steps := np.flatnonzero(self.days[day].any(axis=0))).size:
                return day * STEPS_PER_DAY + 1 + int(steps[-1])
        return 0

    def uncovered(self, keys: Keys, steps: StepRange) -> StepFlags:
        """True where a key misses a step; shape [keys, steps]."""
        parts = [self._uncovered_of_day(keys, part) for part in steps.by_day()]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def uncovered_pairs(self, keys: Keys, steps: NDArray[np.int64]) -> StepFlags:
        """True for each k where `keys[k]` misses `steps[k]`."""
        uncovered = np.ones(len(keys), dtype=np.bool_)
        key_ranges, days = self.range_indexes(keys), (steps - 1) // STEPS_PER_DAY
        for number in set(days.tolist()) & set(self.days):
            of_day = days == number
            uncovered[of_day] = ~self.days[number][key_ranges[of_day], (steps[of_day] - 1) % STEPS_PER_DAY]
        return uncovered

    def add(self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE) -> None:
        """Mark *steps* as covered for all keys of *namespaces*."""
        ranges = _ranges(namespaces.included or ()) + _ranges(namespaces.excluded)
        self._split(np.array([key for keys in ranges for key in (keys.first, keys.last + 1)], dtype=np.int64))
        selected = self._selected(namespaces)
        for part in steps.by_day():
            self._day(day_of(part.first))[selected, _columns(part)] = True
        self.merge_equal_ranges()

    def forget_before(self, day: int) -> bool:
        """Drop the days before *day*; True if there were any."""
        kept = {number: flags for number, flags in self.days.items() if number >= day}
        has_dropped, self.days = len(kept) < len(self.days), kept
        return has_dropped

    def forget_from(self, day: int) -> None:
        """Drop *day* and all days after it."""
        self.days = {number: flags for number, flags in self.days.items() if number < day}

    def forget(self, keys: KeyRange) -> None:
        """Mark all steps of *keys* as missing."""
        self.replace(keys, Coverage())

    def within(self, keys: KeyRange) -> "Coverage":
        """The coverage of *keys*; that of other keys is undefined in the result."""
        key_ranges = np.unique(
            self.range_indexes(np.array([keys.first, *self.starts[keys.covers(self.starts)]]))
        )
        part = Coverage()
        part.starts = np.maximum(self.starts[key_ranges], keys.first)
        part.days = {number: flags[key_ranges] for number, flags in self.days.items()}
        part.merge_equal_ranges()
        return part

    def replace(self, keys: KeyRange, other: "Coverage") -> None:
        """Replace the coverage of *keys* by that in *other*."""
        self._split(np.array([keys.first, keys.last + 1, *other.starts[keys.covers(other.starts)]]))
        key_ranges = np.flatnonzero(keys.covers(self.starts))
        other_key_ranges = other.range_indexes(self.starts[key_ranges])
        for number in {*self.days, *other.days}:
            flags = other.days.get(number)
            self._day(number)[key_ranges] = False if flags is None else flags[other_key_ranges]
        self.merge_equal_ranges()

    def _uncovered_of_day(self, keys: Keys, part: StepRange) -> StepFlags:
        day = self.days.get(day_of(part.first))
        if day is None:
            return np.ones((len(keys), len(part)), dtype=np.bool_)
        by_key_range = ~day[:, _columns(part)]
        if len(by_key_range) == 1:
            return np.broadcast_to(by_key_range, (len(keys), len(part)))
        uncovered: StepFlags = by_key_range[self.range_indexes(keys)]
        return uncovered

    def _selected(self, namespaces: NamespaceSelection) -> NDArray[np.bool_]:
        """True for each range with a key of *namespaces*."""
        firsts, lasts = self.starts, np.append(self.starts[1:] - 1, KeyRange().last)
        selected = np.full(len(firsts), namespaces.included is None)
        for keys in _ranges(namespaces.included or ()):
            selected |= (firsts <= keys.last) & (lasts >= keys.first)
        for keys in _ranges(namespaces.excluded):
            selected &= ~((firsts >= keys.first) & (lasts <= keys.last))
        return selected

    def range_indexes(self, keys: Keys) -> NDArray[np.int64]:
        """The index in `starts` of the range that contains each key."""
        indexes = np.searchsorted(self.starts, keys, side="right") - 1
        return np.maximum(indexes, 0)

    def _day(self, number: int) -> StepFlags:
        empty = np.zeros((len(self.starts), STEPS_PER_DAY), dtype=np.bool_)
        return self.days.setdefault(number, empty)

    def _split(self, at: Keys) -> None:
        """Split the ranges at these keys; values above the last key are ignored."""
        starts = np.union1d(self.starts, at[at <= KeyRange().last])
        old_key_ranges = self.range_indexes(starts)
        self.starts, self.days = (
            starts,
            {number: flags[old_key_ranges] for number, flags in self.days.items()},
        )

    def merge_equal_ranges(self) -> None:
        """Merge neighbouring ranges of equal coverage, and drop days without a covered step."""
        self.days = {number: flags for number, flags in self.days.items() if flags.any()}
        differs = np.zeros(len(self.starts), dtype=np.bool_)
        differs[0] = True
        for flags in self.days.values():
            differs[1:] |= (flags[1:] != flags[:-1]).any(axis=1)
        if not differs.all():
            self.starts = self.starts[differs]
            self.days = {number: flags[differs] for number, flags in self.days.items()}


def _ranges(namespaces: Collection[str]) -> list[KeyRange]:
    return [range_of(namespace) for namespace in namespaces]


def _columns(part: StepRange) -> slice:
    """The columns of *part*, which lies within one day, in that day's flags."""
    first = (part.first - 1) % STEPS_PER_DAY
    return slice(first, first + len(part))
