"""The day rows of one resource: for each UTC day, time slot and series a sparse histogram of its samples.

A series is one container of one workload; the samples of all replicas are pooled. A step is folded once,
so the order in which answers arrive, and answers that arrive twice, change nothing. Percentile, margin,
half-life and window are applied on reading.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.history.coverage import Coverage
from app.history.grid import ExponentialGrid
from app.history.key_ranges import Keys
from app.history.samples import STEPS_PER_DAY, StepRange, day_of

T = TypeVar("T", bound=np.generic)
_RECENT_BITS = 64
# Each of them takes about 100 bytes while it is folded.
_SAMPLES_AT_ONCE = 300_000
_ENTRY_BYTES, _MAXIMUM_BYTES = 0.8, 6.0


class DayHistograms:
    """One day's rows, sorted by key = (series * timeslots + slot) * grid size + bucket."""

    def __init__(self) -> None:
        self.keys = np.empty(0, dtype=np.uint64)
        self.counts = np.empty(0, dtype=np.uint32)
        self.maxima = np.empty(0, dtype=np.float64)  # [series * timeslots]
        self.steps_seen = np.empty(0, dtype=np.uint16)  # [series]

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Count each of *keys* once more."""
        fresh, times = np.unique(keys, return_counts=True)
        places = np.searchsorted(self.keys, fresh)
        known = np.zeros(len(fresh), dtype=np.bool_)
        inside = places < len(self.keys)
        known[inside] = self.keys[places[inside]] == fresh[inside]
        self.counts[places[known]] += times[known].astype(np.uint32)
        self.keys = np.insert(self.keys, places[~known], fresh[~known])
        self.counts = np.insert(self.counts, places[~known], times[~known].astype(np.uint32))

    def samples(self, timeslots: int, buckets: int) -> NDArray[np.int64]:
        """How many samples there are of each series that the day knows."""
        series = (self.keys // np.uint64(timeslots * buckets)).astype(np.int64)
        return np.bincount(series, self.counts, len(self.maxima) // timeslots).astype(np.int64)

    def of(self, series: NDArray[np.int64], timeslots: int, buckets: int) -> "DayHistograms":
        """The rows of just *series*, which are numbered from 0 in that order."""
        cells = timeslots * buckets
        begins, ends = np.searchsorted(self.keys, np.stack((series, series + 1)).astype(np.uint64) * cells)
        lengths = ends - begins
        moved = (series - np.arange(len(series))).astype(np.uint64) * np.uint64(cells)
        places = np.arange(lengths.sum()) + np.repeat(begins - (lengths.cumsum() - lengths), lengths)
        day = DayHistograms()
        day.keys = self.keys[places] - np.repeat(moved, lengths)
        day.counts = self.counts[places]
        maxima = _grown(self.maxima, (int(series.max(initial=-1)) + 1) * timeslots)
        day.maxima = maxima.reshape(-1, timeslots)[series].ravel()
        day.steps_seen = _grown(self.steps_seen, int(series.max(initial=-1)) + 1)[series]
        return day

    @staticmethod
    def joined(
        days: Sequence["DayHistograms"], sizes: Sequence[int], timeslots: int, buckets: int
    ) -> "DayHistograms":
        """The rows of all *days*, the series of each numbered after the *sizes* of those before it."""
        joined, firsts = DayHistograms(), np.cumsum([0, *sizes[:-1]]) * timeslots * buckets
        joined.keys = np.concatenate(
            [day.keys + np.uint64(first) for day, first in zip(days, firsts, strict=True)]
        )
        joined.counts = np.concatenate([day.counts for day in days])
        joined.maxima = np.concatenate(
            [_grown(day.maxima, size * timeslots) for day, size in zip(days, sizes, strict=True)]
        )
        joined.steps_seen = np.concatenate(
            [_grown(day.steps_seen, size) for day, size in zip(days, sizes, strict=True)]
        )
        return joined


class UsageHistograms:
    """All days of one resource, in a ring of *retained_days*."""

    def __init__(self, grid: ExponentialGrid, timeslots: int, retained_days: int) -> None:
        self.grid = grid
        self.timeslots = timeslots
        self.coverage = Coverage()
        self._retained_days = retained_days
        self.days: dict[int, DayHistograms] = {}
        self.first_seen = np.empty(0, dtype=np.int64)
        self.last_seen = np.empty(0, dtype=np.int64)
        self.recent = np.empty(0, dtype=np.uint64)

    def missing(self, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that no answer has covered yet, as ranges within a day, newest day first."""
        return self.coverage.missing(wanted)

    def covered(self, day: int) -> NDArray[np.bool_]:
        """Which steps of *day* were answered; shape [288]."""
        return self.coverage.of_everybody(day)

    def samples(self, day: int) -> NDArray[np.int64]:
        """How many samples *day* holds of each series that it knows."""
        return self.days.get(day, DayHistograms()).samples(self.timeslots, self.grid.size)

    def fold(
        self, steps: StepRange, series: NDArray[np.int64], values: NDArray[np.float64], keys: Keys
    ) -> int:
        """Fold one whole answer; *values* is [rows, steps], NaN for none.

        *series* and *keys* are the series of each row and the key of its workload. Returns the number of
        samples that were new.
        """
        self.grow(int(series.max(initial=-1)) + 1)
        folded, at_once = 0, max(_SAMPLES_AT_ONCE // max(len(series), 1), 1)
        for part in steps.by_day():
            day = self.days.setdefault(day_of(part.first), DayHistograms())
            lacking = self.coverage.lacks(keys, part)
            fresh = np.flatnonzero(lacking.any(axis=0))
            for begin in range(0, len(fresh), at_once):
                columns = fresh[begin : begin + at_once]
                block = values[:, part.first - steps.first + columns]
                block = np.where(lacking[:, columns], block, np.nan)
                folded += self._fold_block(day, part.first + columns, series, block)
        self.coverage.add(steps)
        return folded

    def forget_before(self, newest_step: int) -> bool:
        """Drop the days that left the ring; True where one did."""
        oldest = day_of(newest_step) - self._retained_days + 1
        self.days = {number: day for number, day in self.days.items() if number >= oldest}
        return self.coverage.forget_before(oldest)

    def stored_bytes(self) -> NDArray[np.float64]:
        """About what each series takes once it is compressed, up to the last one that has samples."""
        found = np.zeros(self.size)
        for day in self.days.values():
            series = (day.keys // np.uint64(self.timeslots * self.grid.size)).astype(np.int64)
            found += np.bincount(series, minlength=self.size) * _ENTRY_BYTES
            slots = np.count_nonzero(day.maxima.reshape(-1, self.timeslots), axis=1)
            found[: len(slots)] += slots * _MAXIMUM_BYTES
        return found

    def keep(self, series: NDArray[np.int64]) -> None:
        """Forget all other series; these are numbered from 0 in that order."""
        kept = self.of(series)
        self.days = kept.days
        self.first_seen, self.last_seen = kept.first_seen, kept.last_seen
        self.recent = kept.recent

    def of(self, series: NDArray[np.int64]) -> "UsageHistograms":
        """The rows of just *series*, which are numbered from 0 in that order; their coverage is not told."""
        self.grow(int(series.max(initial=-1)) + 1)
        part = UsageHistograms(self.grid, self.timeslots, self._retained_days)
        part.days = {
            number: day.of(series, self.timeslots, self.grid.size) for number, day in self.days.items()
        }
        part.first_seen, part.last_seen = self.first_seen[series], self.last_seen[series]
        part.recent = self.recent[series]
        return part

    def join(self, parts: Sequence["UsageHistograms"], sizes: Sequence[int]) -> None:
        """Become all *parts*, the series of each numbered after the *sizes* of those before it."""
        for part, size in zip(parts, sizes, strict=True):
            part.grow(size)
        self.first_seen = np.concatenate([part.first_seen for part in parts])
        self.last_seen = np.concatenate([part.last_seen for part in parts])
        self.recent = np.concatenate([part.recent for part in parts])
        self.days = {
            number: DayHistograms.joined(
                [part.days.get(number, DayHistograms()) for part in parts],
                sizes,
                self.timeslots,
                self.grid.size,
            )
            for number in sorted({number for part in parts for number in part.days})
        }

    @property
    def size(self) -> int:
        """Number of series."""
        return len(self.last_seen)

    def window(self, today: int, window_days: int) -> list[tuple[int, DayHistograms]]:
        """The days of the *window_days* that end with *today*, if anything is known of them, oldest first."""
        return [(n, day) for n, day in sorted(self.days.items()) if today - window_days < n <= today]

    def spans(
        self, *, today: int, window_days: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """For each series its first and last step in the window and the number of steps seen in it."""
        seen = np.zeros(len(self.last_seen), dtype=np.int64)
        for _, day in self.window(today, window_days):
            seen[: len(day.steps_seen)] += day.steps_seen
        window_start = (today - window_days + 1) * STEPS_PER_DAY + 1
        return np.maximum(self.first_seen, window_start), self.last_seen.copy(), seen

    def recently_seen(
        self, series: NDArray[np.int64], until_steps: NDArray[np.int64], steps: int
    ) -> NDArray[np.int64]:
        """How many of the last *steps* steps up to its own of *until_steps* each of *series* was seen in."""
        lag = np.minimum(until_steps - self.last_seen[series], _RECENT_BITS - 1).astype(np.uint64)
        window = (self.recent[series] << lag) & np.uint64((1 << steps) - 1)
        seen: NDArray[np.int64] = np.bitwise_count(window).astype(np.int64)
        return seen

    def _fold_block(
        self,
        day: DayHistograms,
        steps: NDArray[np.int64],
        series: NDArray[np.int64],
        block: NDArray[np.float64],
    ) -> int:
        rows, columns = np.nonzero(~np.isnan(block))
        if not len(rows):
            return 0
        owners, values = series[rows], block[rows, columns]
        slot = (steps[columns] - 1) % STEPS_PER_DAY * self.timeslots // STEPS_PER_DAY
        cells = owners * self.timeslots + slot
        day.add((cells * self.grid.size + self.grid.buckets(values)).astype(np.uint64))
        day.maxima = _grown(day.maxima, len(self.last_seen) * self.timeslots)
        np.maximum.at(day.maxima, cells, values)
        self._mark_seen(day, owners, steps[columns])
        return len(rows)

    def _mark_seen(self, day: DayHistograms, owners: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """Remember which steps each series was seen in, whatever the number of replicas."""
        begin, end = int(steps.min()), int(steps.max())
        seen = np.zeros((len(self.last_seen), end - begin + 1), dtype=np.bool_)
        seen[owners, steps - begin] = True
        series, column = np.nonzero(seen)
        step = column + begin
        day.steps_seen = _grown(day.steps_seen, len(self.last_seen))
        day.steps_seen += seen.sum(axis=1, dtype=np.uint16)
        np.minimum.at(self.first_seen, series, step)
        previous = self.last_seen.copy()
        np.maximum.at(self.last_seen, series, step)
        moved = np.minimum(self.last_seen - previous, _RECENT_BITS)
        kept = np.where(moved < _RECENT_BITS, self.recent << (moved % _RECENT_BITS).astype(np.uint64), 0)
        self.recent = kept.astype(np.uint64)
        age = self.last_seen[series] - step
        young = age < _RECENT_BITS
        np.bitwise_or.at(self.recent, series[young], np.uint64(1) << age[young].astype(np.uint64))

    def grow(self, size: int) -> None:
        """Make room for so many series."""
        self.first_seen = _grown(self.first_seen, size, np.iinfo(np.int64).max)
        self.last_seen = _grown(self.last_seen, size, -(1 << 40))
        self.recent = _grown(self.recent, size)


def _grown(array: NDArray[T], size: int, fill: float = 0) -> NDArray[T]:
    if size <= len(array):
        return array
    return np.concatenate((array, np.full(size - len(array), fill, dtype=array.dtype)))
