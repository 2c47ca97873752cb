"""Which steps were answered: a step is folded once, however often and in whatever order it is answered.

Ranges of keys are told apart, since one may lack what all others have: its check-point was lost or is older,
or its namespace came into scope. Usually there is one range, of everybody.
"""

import numpy as np
from numpy.typing import NDArray

from app.history.key_ranges import KeyRange, Keys
from app.history.samples import STEPS_PER_DAY, StepRange, day_of

StepFlags = NDArray[np.bool_]


class Coverage:
    """For each day and range of keys the steps that were answered; each range ends where the next begins."""

    def __init__(self) -> None:
        self.starts = np.zeros(1, dtype=np.int64)
        self.days: dict[int, StepFlags] = {}  # [ranges, steps of the day]

    def missing(self, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that somebody lacks, as ranges within a day, newest day first."""
        ranges: list[StepRange] = []
        for part in wanted.by_day():
            covered = self.of_everybody(day_of(part.first))[_columns(part)]
            edges = np.flatnonzero(np.diff(np.concatenate(([True], covered, [True])).astype(np.int8)))
            ranges += [
                StepRange(part.first + int(begin), part.first + int(end) - 1)
                for begin, end in zip(edges[::2], edges[1::2], strict=True)
            ]
        return sorted(ranges, reverse=True)

    def of_everybody(self, day: int) -> StepFlags:
        """The steps of *day* that nobody lacks; shape [288]."""
        here = self.days.get(day)
        covered: StepFlags = np.ones(STEPS_PER_DAY, dtype=np.bool_) & (
            False if here is None else here.all(axis=0)
        )
        return covered

    @property
    def newest(self) -> int:
        """The newest step that nobody lacks; 0 where there is none."""
        for day in sorted(self.days, reverse=True):
            if (steps := np.flatnonzero(self.of_everybody(day))).size:
                return day * STEPS_PER_DAY + 1 + int(steps[-1])
        return 0

    def lacks(self, keys: Keys, steps: StepRange) -> StepFlags:
        """Whether each key lacks each of *steps*; shape [keys, steps]."""
        parts = [self._lacks(keys, part) for part in steps.by_day()]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def lacks_each(self, keys: Keys, steps: NDArray[np.int64]) -> StepFlags:
        """Whether `keys[k]` lacks `steps[k]`."""
        found = np.ones(len(keys), dtype=np.bool_)
        owners, days = self.ranges_of(keys), (steps - 1) // STEPS_PER_DAY
        for number in set(days.tolist()) & set(self.days):
            here = days == number
            found[here] = ~self.days[number][owners[here], (steps[here] - 1) % STEPS_PER_DAY]
        return found

    def add(self, steps: StepRange) -> None:
        """Everybody has *steps* now."""
        for part in steps.by_day():
            self._day(day_of(part.first))[:, _columns(part)] = True
        self.unite()

    def forget_before(self, day: int) -> bool:
        """Drop what is older than *day*; True where there was something."""
        kept = {number: flags for number, flags in self.days.items() if number >= day}
        forgot, self.days = len(kept) < len(self.days), kept
        return forgot

    def remove(self, keys: KeyRange) -> None:
        """*keys* lack everything."""
        self.put(keys, Coverage())

    def within(self, keys: KeyRange) -> "Coverage":
        """What *keys* have; it tells nothing of others."""
        owners = np.unique(self.ranges_of(np.array([keys.first, *self.starts[keys.covers(self.starts)]])))
        part = Coverage()
        part.starts = np.maximum(self.starts[owners], keys.first)
        part.days = {number: flags[owners] for number, flags in self.days.items()}
        part.unite()
        return part

    def put(self, keys: KeyRange, other: "Coverage") -> None:
        """*keys* have what they have in *other*, and nothing else."""
        self._split(np.array([keys.first, keys.last + 1, *other.starts[keys.covers(other.starts)]]))
        here = np.flatnonzero(keys.covers(self.starts))
        there = other.ranges_of(self.starts[here])
        for number in {*self.days, *other.days}:
            flags = other.days.get(number)
            self._day(number)[here] = False if flags is None else flags[there]
        self.unite()

    def _lacks(self, keys: Keys, part: StepRange) -> StepFlags:
        day = self.days.get(day_of(part.first))
        if day is None:
            return np.ones((len(keys), len(part)), dtype=np.bool_)
        lacking = ~day[:, _columns(part)]
        if len(lacking) == 1:
            return np.broadcast_to(lacking, (len(keys), len(part)))
        found: StepFlags = lacking[self.ranges_of(keys)]
        return found

    def ranges_of(self, keys: Keys) -> NDArray[np.int64]:
        """The place in `starts` of the range in which each key lies."""
        places = np.searchsorted(self.starts, keys, side="right") - 1
        return np.maximum(places, 0)

    def _day(self, number: int) -> StepFlags:
        empty = np.zeros((len(self.starts), STEPS_PER_DAY), dtype=np.bool_)
        return self.days.setdefault(number, empty)

    def _split(self, at: Keys) -> None:
        """Let ranges begin at these keys too; what is beyond the last key is nobody's."""
        starts = np.union1d(self.starts, at[at <= KeyRange().last])
        before = self.ranges_of(starts)
        self.starts, self.days = starts, {number: flags[before] for number, flags in self.days.items()}

    def unite(self) -> None:
        """Make one of neighbours that lack the same, and forget days of which nobody has anything."""
        self.days = {number: flags for number, flags in self.days.items() if flags.any()}
        differs = np.zeros(len(self.starts), dtype=np.bool_)
        differs[0] = True
        for flags in self.days.values():
            differs[1:] |= (flags[1:] != flags[:-1]).any(axis=1)
        if not differs.all():
            self.starts = self.starts[differs]
            self.days = {number: flags[differs] for number, flags in self.days.items()}


def _columns(part: StepRange) -> slice:
    """Where the steps of *part*, all of one day, stand in that day's flags."""
    first = (part.first - 1) % STEPS_PER_DAY
    return slice(first, first + len(part))
