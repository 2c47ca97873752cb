"""Signs of need of one kind, by day and series, and the share by which they raise a value.

What was measured stays as it is: a raise is worked out when a value is read, so that signs seen twice, or in
another order, raise as if they were seen once. Only few days are remembered, the ones that a new leader asks
for, so that a restart changes nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.history.coverage import Coverage
from app.history.key_ranges import Keys
from app.history.samples import STEPS_PER_DAY, PressureSamples, StepRange, contiguous, day_of
from app.recommendation.policy import LEAST_RAISE, PressurePolicy

REMEMBERED_DAYS = 3  # today and the two days before it

_NEVER = -(1 << 40)
# Shares are added as whole numbers: the sum is the same in any order.
_PARTS = 10_000


class PressureRows:
    """The last days of one sign; a series is one container of one workload, replicas are pooled."""

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
        """The step in which each of *size* series showed the sign last."""
        return _grown(self.seen_last, size, _NEVER)

    def raises_by_share(
        self, policy: PressurePolicy, samples: Callable[[int], NDArray[np.int64]], size: int, newest_step: int
    ) -> NDArray[np.float64]:
        """By the mean share over a day's samples: the largest of the days, each decayed by its age.

        *samples* tells how many measurements a day has of each series.
        """
        today, raises = day_of(newest_step), np.zeros(size)
        for number, day in self.days.items():
            if not today - REMEMBERED_DAYS < number <= today or not day.any():
                continue
            sums, counts = _grown(day, size, 0), _grown(samples(number), size, 0)
            mean = np.divide(sums / _PARTS, counts, out=np.zeros(size), where=counts > 0)
            decay = 2.0 ** (-(today - number) / policy.half_life_days)
            raises = np.maximum(raises, np.minimum(mean, policy.most) * decay)
        return _noticeable(raises)

    def raises_by_event(self, policy: PressurePolicy, size: int, newest_step: int) -> NDArray[np.float64]:
        """By the last time that the sign was seen, however often it was."""
        last = self.last_seen(size)
        oldest = (day_of(newest_step) - REMEMBERED_DAYS + 1) * STEPS_PER_DAY
        age_days = (newest_step - last) / STEPS_PER_DAY
        remembered = (last > oldest) & (last <= newest_step)
        return _noticeable(
            np.where(remembered, policy.most * 2.0 ** (-age_days / policy.half_life_days), 0.0)
        )

    def _forget_before(self, newest_step: int) -> None:
        oldest = day_of(newest_step) - REMEMBERED_DAYS + 1
        self.days = {number: day for number, day in self.days.items() if number >= oldest}
        self.coverage.forget_before(oldest)


def _noticeable(raises: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(raises < LEAST_RAISE, 0.0, raises)


def _grown(array: NDArray[np.int64], size: int, fill: int) -> NDArray[np.int64]:
    missing = max(0, size - len(array))
    return np.concatenate((array, np.full(missing, fill, dtype=np.int64)))
