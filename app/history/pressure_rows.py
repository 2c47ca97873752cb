"""CPU throttling or OOM kills by day and series.

Shares are stored as measured; `app.recommendation.pressure` derives a raise from them, so that samples which
are read twice or in another order give the same raise. Only the days that a new leader queries again are
kept, so that a restart changes nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.history.coverage import Coverage
from app.history.key_ranges import Keys
from app.history.samples import STEPS_PER_DAY, PressureSamples, StepRange, contiguous, day_of

REMEMBERED_DAYS = 3  # today and the two days before it

_NEVER = -(1 << 40)
# Shares are added as whole numbers: the sum is the same in any order.
_PARTS = 10_000


class PressureRows:
    """The last days of one kind of pressure; a series is one container of one workload, replicas pooled."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.days: dict[int, NDArray[np.int64]] = {}  # the parts of each series
        self.seen_last = np.empty(0, dtype=np.int64)

    def missing(self, measured: Callable[[int], NDArray[np.bool_]], newest_step: int) -> list[StepRange]:
        """The steps to ask for, newest first: those of the remembered days that were not answered yet.

        *measured* tells which steps of a day hold measurements; before there are any, signs would be of
        nobody.
        """
        today, found = day_of(newest_step), []
        for number in range(today - REMEMBERED_DAYS + 1, today + 1):
            open_steps = measured(number) & ~self.coverage.of_everybody(number)
            found += [number * STEPS_PER_DAY + 1 + int(column) for column in np.flatnonzero(open_steps)]
        return contiguous(StepRange(step, step) for step in found if step <= newest_step)

    def fold(self, samples: PressureSamples, series: NDArray[np.int64], keys: Keys) -> None:
        """Take one whole answer; *series* is the series of each of its containers, -1 for nobody's.

        *keys* are the keys of their workloads.
        """
        known = series[samples.rows] >= 0
        owners, steps = series[samples.rows][known], samples.at_steps[known]
        parts = np.round(np.clip(samples.shares[known], 0, 1) * _PARTS).astype(np.int64)
        self.seen_last = _grown(self.seen_last, int(series.max(initial=-1)) + 1, _NEVER)
        lacking = self.coverage.lacks_each(keys[samples.rows][known], steps)
        for part in samples.steps.by_day():
            fresh = (steps >= part.first) & (steps <= part.last) & lacking
            day = _grown(self.days.get(day_of(part.first), steps[:0]), len(self.seen_last), 0)
            np.add.at(day, owners[fresh], parts[fresh])
            np.maximum.at(self.seen_last, owners[fresh], steps[fresh])
            self.days[day_of(part.first)] = day
        self.coverage.add(samples.steps)
        self._forget_before(samples.steps.last)

    def of(self, series: NDArray[np.int64]) -> "PressureRows":
        """The rows of just *series*, which are numbered from 0 in that order; their coverage is not told."""
        size, part = int(series.max(initial=-1)) + 1, PressureRows()
        part.days = {number: _grown(day, size, 0)[series] for number, day in self.days.items()}
        part.seen_last = self.last_seen(size)[series]
        return part

    def keep(self, series: NDArray[np.int64]) -> None:
        """Forget all other series; these are numbered from 0 in that order."""
        kept = self.of(series)
        self.days, self.seen_last = kept.days, kept.seen_last

    def join(self, parts: Sequence["PressureRows"], sizes: Sequence[int]) -> None:
        """Become all *parts*, the series of each numbered after the *sizes* of those before it."""
        sized = list(zip(parts, sizes, strict=True))
        self.seen_last = np.concatenate([part.last_seen(size) for part, size in sized])
        nothing = self.seen_last[:0]
        self.days = {
            number: np.concatenate([_grown(part.days.get(number, nothing), size, 0) for part, size in sized])
            for number in sorted({number for part in parts for number in part.days})
        }

    def last_seen(self, size: int) -> NDArray[np.int64]:
        """The last step in which each of *size* series was under pressure."""
        return _grown(self.seen_last, size, _NEVER)

    def day_shares(self, number: int, size: int) -> NDArray[np.float64]:
        """The sum over one day's steps of the shares of each of *size* series."""
        return _grown(self.days[number], size, 0) / _PARTS

    def _forget_before(self, newest_step: int) -> None:
        oldest = day_of(newest_step) - REMEMBERED_DAYS + 1
        self.days = {number: day for number, day in self.days.items() if number >= oldest}
        self.coverage.forget_before(oldest)


def _grown(array: NDArray[np.int64], size: int, fill: int) -> NDArray[np.int64]:
    missing = max(0, size - len(array))
    return np.concatenate((array, np.full(missing, fill, dtype=np.int64)))
