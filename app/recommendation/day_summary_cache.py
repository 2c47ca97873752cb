"""What is read of the day rows of one resource: quantiles and shares, kept until a day's samples change.

All of it follows from the histograms, so it is never stored: after a restart, or a late answer, it is read
again. A day is closed once a step of the next one is the newest. Quantiles are read for those series only
that are asked for: of today each time, of a closed day once, so that midnight is no step that takes longer.
"""

import numpy as np
from numpy.typing import NDArray

from app.history.day_histograms import DayHistograms, UsageHistograms
from app.history.grid import ExponentialGrid
from app.history.samples import STEPS_PER_DAY, day_of
from app.recommendation.day_quantiles import (
    Integers,
    day_maxima,
    series_quantiles,
    slot_quantiles,
)
from app.recommendation.day_summaries import DaySummaries, Floats
from app.recommendation.rules import LEVELS


class _ClosedDay:
    """One day's figures by series, as of when it held so many samples in all: they only grow."""

    def __init__(self, day: DayHistograms, total: int, grid: ExponentialGrid, timeslots: int) -> None:
        self.day, self.total = day, total
        self._grid, self._timeslots = grid, timeslots
        self.samples = day.samples(timeslots, grid.size)
        self.share = _share(day, len(self.samples))
        self._quantiles = np.zeros((len(self.samples), len(LEVELS)), dtype=np.float32)
        self._is_read = np.zeros(len(self.samples), dtype=np.bool_)

    def quantiles(self, series: Integers) -> Floats:
        """The quantiles [series, levels] of just *series*, which the day knows."""
        unread = series[~self._is_read[series]]
        if len(unread):
            self._quantiles[unread] = series_quantiles(self.day, unread, self._grid, self._timeslots)
            self._is_read[unread] = True
        return self._quantiles[series]


class DaySummaryCache:
    """The days of a window that ends with today, oldest first."""

    def __init__(self, rows: UsageHistograms) -> None:
        self._rows = rows
        self._closed: dict[int, _ClosedDay] = {}
        self._today_number = 0
        self._first = 0
        self.today = Today(DayHistograms(), rows.grid, rows.timeslots)
        self.elapsed = 0.0  # share of today that has passed
        self.size = 0  # series
        self.closed_version = 0  # changes whenever anything does that is known of closed days

    def read(self, newest_step: int, window_days: int) -> None:
        """Bring the figures up to the rows; days that did not change are not read again."""
        before, today = (self._today_number, self._first, self._figures()), day_of(newest_step)
        self.elapsed = (newest_step - today * STEPS_PER_DAY) / STEPS_PER_DAY
        self.size = self._rows.size
        days = dict(self._rows.window(today, window_days))
        self._today_number, self._first = today, min(days, default=today)
        self.today = Today(days.pop(today, DayHistograms()), self._rows.grid, self._rows.timeslots)
        self._closed = {number: self._read(number, day) for number, day in days.items()}
        if before != (self._today_number, self._first, self._figures()):
            self.closed_version += 1

    def days(self, series: Integers, with_today: NDArray[np.bool_]) -> DaySummaries:
        """The days of *series*; today is blank but for those *with_today*."""
        count = self._today_number - self._first + 1
        quantiles = np.zeros((len(series), count, len(LEVELS)), dtype=np.float32)
        share = np.zeros((len(series), count), dtype=np.float32)
        for number, day in self._closed.items():
            place, known = number - self._first, series < len(day.share)
            quantiles[known, place] = day.quantiles(series[known])
            share[known, place] = day.share[series[known]]
        if with_today.any():
            quantiles[with_today, -1] = self.today.quantiles(series[with_today])
            share[with_today, -1] = self.today.share(self.size)[series[with_today]]
        return DaySummaries(quantiles, share)

    def closed_length(self) -> Floats:
        """How many days' time of every series was seen before today."""
        length = np.zeros(self.size, dtype=np.float32)
        for day in self._closed.values():
            length[: len(day.share)] += day.share
        return length

    def samples(self) -> Integers:
        """How many samples of every series there are."""
        count = self.today.samples(self.size)
        for day in self._closed.values():
            count[: len(day.samples)] += day.samples
        return count

    def slots(self, series: Integers) -> tuple[list[DaySummaries], Integers]:
        """For each slot of the day the days of *series* within it; samples [series, slots]."""
        days = [*(each.day for each in self._closed.values()), self.today.day]
        read = [slot_quantiles(day, series, self._rows.grid, self._rows.timeslots) for day in days]
        quantiles = np.stack([each for each, _ in read], axis=1)
        counts = np.stack([count for _, count in read], axis=1)
        share = (counts > 0).astype(np.float32)
        slots = range(self._rows.timeslots)
        return [DaySummaries(quantiles[:, :, slot], share[:, :, slot]) for slot in slots], counts.sum(axis=1)

    def _figures(self) -> list[int]:
        """Identities of what is known of closed days: figures are replaced, never changed."""
        return [id(each) for each in self._closed.values()]

    def _read(self, number: int, day: DayHistograms) -> _ClosedDay:
        known, total = self._closed.get(number), int(day.counts.sum())
        if known and known.day is day and known.total == total:
            return known
        return _ClosedDay(day, total, self._rows.grid, self._rows.timeslots)


class Today:
    """The day that goes on."""

    def __init__(self, day: DayHistograms, grid: ExponentialGrid, timeslots: int) -> None:
        self.day, self._grid, self._timeslots = day, grid, timeslots
        cells, buckets = np.divmod(day.keys, np.uint64(grid.size))
        self._owner = (cells // np.uint64(timeslots)).astype(np.int64)
        self._bucket = buckets.astype(np.float32)

    def quantiles(self, series: Integers) -> Floats:
        """The quantiles [series, levels] of just *series*."""
        return series_quantiles(self.day, series, self._grid, self._timeslots)

    def share(self, size: int) -> Floats:
        """How much of the day each of *size* series was seen in."""
        return _share(self.day, size)

    def samples(self, size: int) -> Integers:
        """How many samples each of *size* series has."""
        return np.bincount(self._owner, self.day.counts, size).astype(np.int64)

    def maxima(self, size: int) -> Floats:
        """The largest sample of each of *size* series, 0 where there is none."""
        maxima = np.zeros(size, dtype=np.float32)
        known = day_maxima(self.day, self._timeslots)
        maxima[: len(known)] = known
        return maxima

    def time_above(self, values: Floats) -> Floats:
        """The share of the whole day that every series has spent above its own of *values* so far.

        Within a bucket, samples are taken to be spread evenly on its logarithmic scale.
        """
        size, grid = len(values), self._grid
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(values / np.float32(grid.first)) / np.float32(np.log(grid.ratio))
        above = np.clip(self._bucket - place[self._owner], 0, 1) * self.day.counts
        spent = np.bincount(self._owner, above, size) / np.maximum(self.samples(size), 1)
        exceeds = self.maxima(size) > values
        found: Floats = np.where(exceeds, spent * self.share(size), 0).astype(np.float32)
        return found


def _share(day: DayHistograms, size: int) -> Floats:
    share = np.zeros(size, dtype=np.float32)
    known = day.steps_seen[:size]
    share[: len(known)] = known / np.float32(STEPS_PER_DAY)
    return share
