"""Cache of the daily summaries of one resource, valid until a day's samples change.

Summaries are derived from the histograms and never stored: after a restart or a late query result they are
computed again. A day is closed once the newest step belongs to a later day. Quantiles are computed for the
requested series only: of today every time, of a closed day once, so that the first step after midnight does
not take longer than others. The last steps of a closed day may still be open: its summary stays valid when
they settle, unless late samples came.
"""

import numpy as np
from numpy.typing import NDArray

from app.history.day_histograms import DayHistograms
from app.history.grid import ExponentialGrid
from app.history.samples import STEPS_PER_DAY, day_of
from app.history.usage_histograms import UsageHistograms
from app.recommendation.array_types import Float32Array, Int64Array
from app.recommendation.bands import LEVELS
from app.recommendation.day_quantiles import day_maxima, series_quantiles, slot_quantiles
from app.recommendation.day_summaries import DaySummaries


class _ClosedDay:
    """The summary of a closed day by series; valid while the day has the same samples, *total* in number."""

    def __init__(self, day: DayHistograms, total: int, grid: ExponentialGrid, timeslots: int) -> None:
        self.day, self.total = day, total
        self._grid, self._timeslots = grid, timeslots
        self.sample_counts = day.sample_counts(timeslots, grid.size)
        self.share = _share(day, len(self.sample_counts))
        self._quantiles = np.zeros((len(self.sample_counts), len(LEVELS)), dtype=np.float32)
        self._is_read = np.zeros(len(self.sample_counts), dtype=np.bool_)

    def is_of(self, day: DayHistograms, total: int) -> bool:
        """True if *day*, with *total* samples, has the same samples; a day only ever gets more."""
        if total != self.total:
            return False
        if day is not self.day and day.equals(self.day):
            self.day = day  # the samples that were open have settled
        return day is self.day

    def quantiles(self, series: Int64Array) -> Float32Array:
        """The quantiles [series, levels] of *series*, which the day stores."""
        unread = series[~self._is_read[series]]
        if len(unread):
            self._quantiles[unread] = series_quantiles(self.day, unread, self._grid, self._timeslots)
            self._is_read[unread] = True
        return self._quantiles[series]


class DaySummaryCache:
    """The daily summaries of a window that ends with today, oldest day first."""

    def __init__(self, histograms: UsageHistograms) -> None:
        self._learned = histograms  # without the samples of open steps
        self._histograms = histograms  # as last read
        self._closed: dict[int, _ClosedDay] = {}
        self._today_number = 0
        self._first_day = 0
        self.today = Today(DayHistograms(), histograms.grid, histograms.timeslots)
        self.size = 0  # number of series
        self.closed_version = 0  # increases whenever a closed day or the window changes

    def read(self, histograms: UsageHistograms, newest_step: int, window_days: int) -> None:
        """Update the summaries from *histograms*; closed days that did not change are kept."""
        self._histograms = histograms
        before, today = (self._today_number, self._first_day, self._closed_day_ids()), day_of(newest_step)
        self.size = self._histograms.size
        days = dict(self._histograms.window(today, window_days))
        self._today_number, self._first_day = today, min(days, default=today)
        self.today = Today(
            days.pop(today, DayHistograms()), self._histograms.grid, self._histograms.timeslots
        )
        self._closed = {number: self._summarize(number, day) for number, day in days.items()}
        if before != (self._today_number, self._first_day, self._closed_day_ids()):
            self.closed_version += 1

    def drop_today(self) -> None:
        """Drop today until the next `read`: with the samples of open steps, what was read is a copy of it."""
        self._histograms = self._learned
        self.today = Today(DayHistograms(), self._learned.grid, self._learned.timeslots)

    def days(self, series: Int64Array, with_today: NDArray[np.bool_]) -> DaySummaries:
        """The days of *series*; today is blank except where *with_today* is set."""
        count = self._today_number - self._first_day + 1
        quantiles = np.zeros((len(series), count, len(LEVELS)), dtype=np.float32)
        share = np.zeros((len(series), count), dtype=np.float32)
        for number, day in self._closed.items():
            column, is_stored = number - self._first_day, series < len(day.share)
            quantiles[is_stored, column] = day.quantiles(series[is_stored])
            share[is_stored, column] = day.share[series[is_stored]]
        if with_today.any():
            quantiles[with_today, -1] = self.today.quantiles(series[with_today])
            share[with_today, -1] = self.today.share(self.size)[series[with_today]]
        return DaySummaries(quantiles, share)

    def closed_time_seen_days(self) -> Float32Array:
        """The time with samples before today of every series, in days."""
        time_seen = np.zeros(self.size, dtype=np.float32)
        for day in self._closed.values():
            time_seen[: len(day.share)] += day.share
        return time_seen

    def sample_counts(self) -> Int64Array:
        """The number of samples of every series in the window."""
        counts = self.today.sample_counts(self.size)
        for day in self._closed.values():
            counts[: len(day.sample_counts)] += day.sample_counts
        return counts

    def slots(self, series: Int64Array) -> tuple[list[DaySummaries], Int64Array]:
        """The days of *series* within each time slot, and the sample counts [series, slots]."""
        days = [*(closed.day for closed in self._closed.values()), self.today.day]
        grid, timeslots = self._histograms.grid, self._histograms.timeslots
        by_day = [slot_quantiles(day, series, grid, timeslots) for day in days]
        quantiles = np.stack([day_quantiles for day_quantiles, _ in by_day], axis=1)
        counts = np.stack([day_counts for _, day_counts in by_day], axis=1)
        share = (counts > 0).astype(np.float32)
        return [
            DaySummaries(quantiles[:, :, slot], share[:, :, slot]) for slot in range(timeslots)
        ], counts.sum(axis=1)

    def _closed_day_ids(self) -> list[int]:
        """The identities of the closed days' summaries, which are replaced on a change."""
        return [id(day) for day in self._closed.values()]

    def _summarize(self, number: int, day: DayHistograms) -> _ClosedDay:
        cached, total = self._closed.get(number), int(day.counts.sum())
        if cached and cached.is_of(day, total):
            return cached
        return _ClosedDay(day, total, self._histograms.grid, self._histograms.timeslots)


class Today:
    """The current day up to the newest step."""

    def __init__(self, day: DayHistograms, grid: ExponentialGrid, timeslots: int) -> None:
        self.day, self._grid, self._timeslots = day, grid, timeslots
        cells, buckets = np.divmod(day.keys.view(np.int64), grid.size)
        self._series = cells // timeslots
        self._bucket = buckets.astype(np.float32)

    def quantiles(self, series: Int64Array) -> Float32Array:
        """The quantiles [series, levels] of *series*."""
        return series_quantiles(self.day, series, self._grid, self._timeslots)

    def share(self, size: int) -> Float32Array:
        """The share of the day's steps with samples, for each of *size* series."""
        return _share(self.day, size)

    def sample_counts(self, size: int) -> Int64Array:
        """The number of samples of each of *size* series."""
        return np.bincount(self._series, self.day.counts, size).astype(np.int64)

    def maxima(self, size: int) -> Float32Array:
        """The largest sample of each of *size* series; 0 without samples."""
        maxima = np.zeros(size, dtype=np.float32)
        stored = day_maxima(self.day, self._timeslots)
        maxima[: len(stored)] = stored
        return maxima

    def overuse(self, values: Float32Array) -> Float32Array:
        """The use above *values* [series] so far, in cores, as a mean over the whole day, for every series.

        The samples of a bucket are taken to be in its middle, but no larger than the series' maximum.
        """
        size, grid = len(values), self._grid
        middle = np.float32(grid.first) * np.float32(grid.ratio) ** (self._bucket - np.float32(0.5))
        amounts = np.minimum(middle, self.maxima(size)[self._series])
        above = np.maximum(amounts - values[self._series], 0) * self.day.counts
        mean = np.bincount(self._series, above, size) / np.maximum(self.sample_counts(size), 1)
        overuse: Float32Array = (mean * self.share(size)).astype(np.float32)
        return overuse


def _share(day: DayHistograms, size: int) -> Float32Array:
    share = np.zeros(size, dtype=np.float32)
    steps_seen = day.steps_seen[:size]
    share[: len(steps_seen)] = steps_seen / np.float32(STEPS_PER_DAY)
    return share
