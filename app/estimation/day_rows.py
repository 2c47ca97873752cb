"""The day rows of one resource: for each UTC day, time slot and series a sparse histogram of its samples.

A series is one container of one workload; the samples of all replicas are pooled. A step is folded once:
`Day.covered` remembers which steps of a day were answered, so the order in which answers arrive, and
answers that arrive twice, change nothing. Percentile, margin, half-life and window are applied on reading.
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.estimation.grid import ExponentialGrid
from app.estimation.samples import STEPS_PER_DAY, StepRange, day_of

Counts = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)
_RECENT_BITS = 64


class Day:
    """One day's rows, sorted by key = (series * timeslots + slot) * grid size + bucket."""

    def __init__(self) -> None:
        self.covered = np.zeros(STEPS_PER_DAY, dtype=np.bool_)
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


class DayRows:
    """All days of one resource, in a ring of *retained_days*."""

    def __init__(self, grid: ExponentialGrid, timeslots: int, retained_days: int) -> None:
        self.grid = grid
        self.timeslots = timeslots
        self._retained_days = retained_days
        self._days: dict[int, Day] = {}
        self._first_seen = np.empty(0, dtype=np.int64)
        self._last_seen = np.empty(0, dtype=np.int64)
        self._recent = np.empty(0, dtype=np.uint64)

    def missing(self, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that no answer has covered yet, as ranges within a day, newest day first."""
        ranges: list[StepRange] = []
        for part in wanted.by_day():
            day = self._days.get(day_of(part.first))
            covered = day.covered[_columns(part)] if day else np.zeros(len(part), dtype=np.bool_)
            edges = np.flatnonzero(np.diff(np.concatenate(([True], covered, [True])).astype(np.int8)))
            ranges += [
                StepRange(part.first + int(begin), part.first + int(end) - 1)
                for begin, end in zip(edges[::2], edges[1::2], strict=True)
            ]
        return sorted(ranges, reverse=True)

    def covered(self, day: int) -> NDArray[np.bool_]:
        """Which steps of *day* were answered; shape [288]."""
        return self._days[day].covered if day in self._days else np.zeros(STEPS_PER_DAY, dtype=np.bool_)

    def samples(self, day: int) -> NDArray[np.int64]:
        """How many samples *day* holds of each series, up to the last one that it knows."""
        if day not in self._days:
            return np.empty(0, dtype=np.int64)
        rows = self._days[day]
        series = (rows.keys // np.uint64(self.timeslots * self.grid.size)).astype(np.int64)
        return np.bincount(series, weights=rows.counts).astype(np.int64)

    def fold(self, steps: StepRange, series: NDArray[np.int64], values: NDArray[np.float64]) -> int:
        """Fold one whole answer; *values* is [rows, steps], NaN for none, *series* the series of each row.

        Returns the number of samples that were new.
        """
        self._grow(int(series.max(initial=-1)) + 1)
        folded = 0
        for part in steps.by_day():
            day = self._days.setdefault(day_of(part.first), Day())
            columns = _columns(part)
            fresh = ~day.covered[columns]
            offset = part.first - steps.first
            block = values[:, offset : offset + len(part)][:, fresh]
            folded += self._fold_block(day, np.arange(part.first, part.last + 1)[fresh], series, block)
            day.covered[columns] = True
        return folded

    def forget_before(self, newest_step: int) -> None:
        """Drop the days that left the ring."""
        oldest = day_of(newest_step) - self._retained_days + 1
        self._days = {number: day for number, day in self._days.items() if number >= oldest}

    def histograms(
        self, series: slice, *, today: int, window_days: int, half_life_days: float
    ) -> tuple[Counts, Counts, Counts]:
        """Weighted histograms [series, slots, buckets], maxima and unweighted counts [series, slots].

        A day weighs 2^(-age / half-life): at most 1, so nothing overflows however old the state is.
        """
        amount = series.stop - series.start
        shape = (amount, self.timeslots, self.grid.size)
        weighted, counts = np.zeros(shape), np.zeros(shape[:2])
        maxima = np.zeros(shape[:2])
        for number, day in self._in_window(today, window_days):
            keys, day_counts = _block_of(day, series, self.timeslots * self.grid.size)
            weight = 2.0 ** (-(today - number) / half_life_days)
            flat = np.bincount(keys, weights=day_counts, minlength=weighted.size).reshape(shape)
            weighted += weight * flat
            counts += flat.sum(axis=2)
            here = day.maxima[series.start * self.timeslots : series.stop * self.timeslots]
            known = here.reshape(-1, self.timeslots)
            maxima[: len(known)] = np.maximum(maxima[: len(known)], known)
        return weighted, maxima, counts

    def spans(
        self, *, today: int, window_days: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """For each series its first and last step in the window and the number of steps seen in it."""
        seen = np.zeros(len(self._last_seen), dtype=np.int64)
        for _, day in self._in_window(today, window_days):
            seen[: len(day.steps_seen)] += day.steps_seen
        window_start = (today - window_days + 1) * STEPS_PER_DAY + 1
        return np.maximum(self._first_seen, window_start), self._last_seen.copy(), seen

    def recently_seen(self, series: NDArray[np.int64], until_step: int, steps: int) -> NDArray[np.int64]:
        """How many of the last *steps* steps up to *until_step* each of *series* was seen in."""
        lag = np.minimum(until_step - self._last_seen[series], _RECENT_BITS - 1).astype(np.uint64)
        window = (self._recent[series] << lag) & np.uint64((1 << steps) - 1)
        seen: NDArray[np.int64] = np.bitwise_count(window).astype(np.int64)
        return seen

    def _in_window(self, today: int, window_days: int) -> Iterator[tuple[int, Day]]:
        return ((n, day) for n, day in sorted(self._days.items()) if today - window_days < n <= today)

    def _fold_block(
        self, day: Day, steps: NDArray[np.int64], series: NDArray[np.int64], block: NDArray[np.float64]
    ) -> int:
        rows, columns = np.nonzero(~np.isnan(block))
        if not len(rows):
            return 0
        owners, values = series[rows], block[rows, columns]
        slot = (steps[columns] - 1) % STEPS_PER_DAY * self.timeslots // STEPS_PER_DAY
        cells = owners * self.timeslots + slot
        day.add((cells * self.grid.size + self.grid.buckets(values)).astype(np.uint64))
        day.maxima = _grown(day.maxima, len(self._last_seen) * self.timeslots)
        np.maximum.at(day.maxima, cells, values)
        self._mark_seen(day, owners, steps[columns])
        return len(rows)

    def _mark_seen(self, day: Day, owners: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """Remember which steps each series was seen in, whatever the number of replicas."""
        begin, end = int(steps.min()), int(steps.max())
        seen = np.zeros((len(self._last_seen), end - begin + 1), dtype=np.bool_)
        seen[owners, steps - begin] = True
        series, column = np.nonzero(seen)
        step = column + begin
        day.steps_seen = _grown(day.steps_seen, len(self._last_seen))
        day.steps_seen += seen.sum(axis=1, dtype=np.uint16)
        np.minimum.at(self._first_seen, series, step)
        previous = self._last_seen.copy()
        np.maximum.at(self._last_seen, series, step)
        moved = np.minimum(self._last_seen - previous, _RECENT_BITS)
        kept = np.where(moved < _RECENT_BITS, self._recent << (moved % _RECENT_BITS).astype(np.uint64), 0)
        self._recent = kept.astype(np.uint64)
        age = self._last_seen[series] - step
        young = age < _RECENT_BITS
        np.bitwise_or.at(self._recent, series[young], np.uint64(1) << age[young].astype(np.uint64))

    def _grow(self, size: int) -> None:
        self._first_seen = _grown(self._first_seen, size, np.iinfo(np.int64).max)
        self._last_seen = _grown(self._last_seen, size, -(1 << 40))
        self._recent = _grown(self._recent, size)


def _columns(part: StepRange) -> slice:
    """Where the steps of *part*, all of one day, stand in that day's arrays."""
    first = (part.first - 1) % STEPS_PER_DAY
    return slice(first, first + len(part))


def _block_of(day: Day, series: slice, cells: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    bounds = np.array([series.start * cells, series.stop * cells], dtype=np.uint64)
    begin, end = np.searchsorted(day.keys, bounds)
    return (day.keys[begin:end] - bounds[0]).astype(np.int64), day.counts[begin:end].astype(np.float64)


def _grown(array: NDArray[T], size: int, fill: float = 0) -> NDArray[T]:
    if size <= len(array):
        return array
    return np.concatenate((array, np.full(size - len(array), fill, dtype=array.dtype)))
