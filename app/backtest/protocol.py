"""The evaluation period: the days on which values are scored.

A value is computed from the days before a midnight and held for the day after it. The first fourteen days are
used to learn only; up to fifteen days after them are evaluated. Other tools' rules read the last fourteen
days, our policy all that the profiler keeps. Usage of fewer than fifteen days is cut in half: each day of the
second half is evaluated with a value that is computed from all days before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Usage, maximum

WINDOW_DAYS = 14
EVALUATION_DAYS = 15
# Of 288 steps; a day with fewer covered steps is too incomplete to score a value.
MIN_STEPS = 200
_MIN_TRAINING_STEPS = 1000


@dataclass(frozen=True, slots=True)
class EvaluationPeriod:
    """The evaluated days, counted from the first day of the usage; *last_day* is included."""

    first_day: int
    last_day: int

    @property
    def days(self) -> range:
        """The evaluated days."""
        return range(self.first_day, self.last_day + 1)

    @property
    def is_full(self) -> bool:
        """True if every value is computed from a whole window."""
        return self.first_day >= WINDOW_DAYS

    @staticmethod
    def window(day: int) -> slice:
        """The days from which other tools compute a value for *day*."""
        return slice(max(0, day - WINDOW_DAYS), day)

    @property
    def min_training_steps(self) -> int:
        """Covered steps that a container needs in the window before a day, for the day to be evaluated."""
        return min(_MIN_TRAINING_STEPS, MIN_STEPS * self.first_day)


def evaluation_period(days: int) -> EvaluationPeriod | None:
    """The period for usage of *days* days; None if fewer than two days."""
    if days < 2:
        return None
    first = min(WINDOW_DAYS, days // 2) if days <= WINDOW_DAYS else WINDOW_DAYS
    return EvaluationPeriod(first, min(days, first + EVALUATION_DAYS) - 1)


def evaluation_mask(usage: Usage, period: EvaluationPeriod) -> NDArray[np.bool_]:
    """The evaluated days of each series, [series, days].

    A day of a series is evaluated if it is in *period*, has `MIN_STEPS` covered steps and usage above zero of
    every resource, and if the window before it has `min_training_steps` covered steps.
    """
    steps = usage.covered_steps
    is_used = np.ones(steps.shape, dtype=np.bool_)
    for lanes in usage.lanes.values():
        is_used &= np.nan_to_num(lanes.measure_by_day(lambda x: maximum(x.reshape(len(x), -1)))) > 0
    mask = is_used & (steps >= MIN_STEPS)
    for day in range(steps.shape[1]):
        is_trained = steps[:, period.window(day)].sum(axis=1) >= period.min_training_steps
        mask[:, day] &= is_trained & (day in period.days)
    return mask
