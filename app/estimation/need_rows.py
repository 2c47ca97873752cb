"""Signs of need of one kind, by day and series, and the share by which they raise a value.

What was measured stays as it is: a raise is worked out when a value is read, so that signs seen twice, or in
another order, raise as if they were seen once. Only few days are remembered, the ones that a new leader asks
for, so that a restart changes nothing.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.estimation.policy import LEAST_RAISE, RaisePolicy
from app.estimation.samples import STEPS_PER_DAY, NeedSamples, StepRange, day_of

REMEMBERED_DAYS = 3  # today and the two days before it

_NEVER = -(1 << 40)
# Shares are added as whole numbers: the sum is the same in any order.
_PARTS = 10_000


class _Day:
    def __init__(self) -> None:
        self.covered = np.zeros(STEPS_PER_DAY, dtype=np.bool_)
        self.parts = np.empty(0, dtype=np.int64)  # [series]


class NeedRows:
    """The last days of one sign; a series is one container of one workload, replicas are pooled."""

    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}
        self._last_seen = np.empty(0, dtype=np.int64)

    def missing(self, measured: Callable[[int], NDArray[np.bool_]], newest_step: int) -> StepRange | None:
        """The steps to ask for at once: those of the remembered days that were not answered yet.

        *measured* tells which steps of a day hold measurements; before there are any, signs would be of
        nobody.
        """
        today, found = day_of(newest_step), []
        for number in range(today - REMEMBERED_DAYS + 1, today + 1):
            day = self._days.get(number)
            open_steps = measured(number) & ~day.covered if day else measured(number)
            found += [number * STEPS_PER_DAY + 1 + int(column) for column in np.flatnonzero(open_steps)]
        found = [step for step in found if step <= newest_step]
        return StepRange(found[0], found[-1]) if found else None

    def fold(self, samples: NeedSamples, series: NDArray[np.int64]) -> None:
        """Take one whole answer; *series* is the series of each of its containers, -1 for nobody's."""
        known = series[samples.rows] >= 0
        owners, steps = series[samples.rows][known], samples.at_steps[known]
        parts = np.round(np.clip(samples.shares[known], 0, 1) * _PARTS).astype(np.int64)
        self._last_seen = _grown(self._last_seen, int(series.max(initial=-1)) + 1, _NEVER)
        for part in samples.steps.by_day():
            day = self._days.setdefault(day_of(part.first), _Day())
            columns = (steps - 1) % STEPS_PER_DAY
            fresh = (steps >= part.first) & (steps <= part.last) & ~day.covered[columns]
            day.parts = _grown(day.parts, len(self._last_seen), 0)
            np.add.at(day.parts, owners[fresh], parts[fresh])
            np.maximum.at(self._last_seen, owners[fresh], steps[fresh])
            first = (part.first - 1) % STEPS_PER_DAY
            day.covered[first : first + len(part)] = True
        self._forget_before(samples.steps.last)

    def last_seen(self, size: int) -> NDArray[np.int64]:
        """The step in which each of *size* series showed the sign last."""
        return _grown(self._last_seen, size, _NEVER)

    def raises_by_share(
        self, policy: RaisePolicy, samples: Callable[[int], NDArray[np.int64]], size: int, newest_step: int
    ) -> NDArray[np.float64]:
        """By the mean share over a day's samples: the largest of the days, each decayed by its age.

        *samples* tells how many measurements a day has of each series.
        """
        today, raises = day_of(newest_step), np.zeros(size)
        for number, day in self._days.items():
            if not today - REMEMBERED_DAYS < number <= today or not day.parts.any():
                continue
            sums, counts = _grown(day.parts, size, 0), _grown(samples(number), size, 0)
            mean = np.divide(sums / _PARTS, counts, out=np.zeros(size), where=counts > 0)
            decay = 2.0 ** (-(today - number) / policy.half_life_days)
            raises = np.maximum(raises, np.minimum(mean, policy.most) * decay)
        return _noticeable(raises)

    def raises_by_event(self, policy: RaisePolicy, size: int, newest_step: int) -> NDArray[np.float64]:
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
        self._days = {number: day for number, day in self._days.items() if number >= oldest}


def _noticeable(raises: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(raises < LEAST_RAISE, 0.0, raises)


def _grown(array: NDArray[np.int64], size: int, fill: int) -> NDArray[np.int64]:
    missing = max(0, size - len(array))
    return np.concatenate((array, np.full(missing, fill, dtype=np.int64)))
