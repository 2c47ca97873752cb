"""The evaluation period: the days on which values are scored.

A value is computed from the days before a midnight and held for the day after it. The first fourteen days are
used to learn only; up to fifteen days after them are evaluated. Other tools' rules read the last fourteen
days, our policy all that the profiler keeps. Usage of fewer than fifteen days is cut in half: each day of the
second half is evaluated with a value that is computed from all days before it.

Usage in which no day can be evaluated in that way is a short past: a value is computed from the first six
hours of each container, and held for the 24 hours after them, as far as they are there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Usage, maximum, pool_replicas
from app.domain.profiles import Resource
from app.history.samples import HOURS_PER_DAY, STEPS_PER_DAY, STEPS_PER_HOUR

WINDOW_DAYS = 14
EVALUATION_DAYS = 15
# Of 288 steps; a day with fewer covered steps is too incomplete to score a value.
MIN_STEPS = 200
_MIN_TRAINING_STEPS = 1000
SHORT_PAST_HOURS = 6
SHORTEST_PAST = (
    f"it needs CPU and memory samples in the first {SHORT_PAST_HOURS} hours of the container, and in"
    f" {SHORT_PAST_HOURS} hours after them"
)
_SHORT_PAST_STEPS = SHORT_PAST_HOURS * STEPS_PER_HOUR


@dataclass(frozen=True, slots=True)
class EvaluationPeriod:
    """The evaluated days, counted from the first day of the usage; *last_day* is included.

    Of a short past the usage is `aligned_starts`: the second of its two days is evaluated. Days before
    *first_learned_day* are as if they had not been seen.
    """

    first_day: int
    last_day: int
    is_short_past: bool = False
    first_learned_day: int = 0

    @property
    def days(self) -> range:
        """The evaluated days."""
        return range(self.first_day, self.last_day + 1)

    @property
    def is_full(self) -> bool:
        """True if every value is computed from a whole window."""
        return self.first_day >= WINDOW_DAYS

    @property
    def learned_hours(self) -> int:
        """The hours before the first evaluated day from which values can be computed."""
        learned_days = self.first_day - self.first_learned_day
        return SHORT_PAST_HOURS if self.is_short_past else learned_days * HOURS_PER_DAY

    @staticmethod
    def window(day: int) -> slice:
        """The days from which other tools compute a value for *day*."""
        return slice(max(0, day - WINDOW_DAYS), day)

    @property
    def min_steps(self) -> int:
        """Covered steps of an evaluated day; of a short past, as many as values are computed from."""
        return _SHORT_PAST_STEPS if self.is_short_past else MIN_STEPS

    @property
    def min_training_steps(self) -> int:
        """Covered steps that a container needs in the window before a day, for the day to be evaluated."""
        if self.is_short_past:
            return MIN_STEPS * _SHORT_PAST_STEPS // STEPS_PER_DAY
        return min(_MIN_TRAINING_STEPS, MIN_STEPS * (self.first_day - self.first_learned_day))


_SHORT_PAST = EvaluationPeriod(1, 1, is_short_past=True)


def evaluation_period(days: int) -> EvaluationPeriod | None:
    """The period for usage of *days* days; None if fewer than two days."""
    if days < 2:
        return None
    first = min(WINDOW_DAYS, days // 2) if days <= WINDOW_DAYS else WINDOW_DAYS
    return EvaluationPeriod(first, min(days, first + EVALUATION_DAYS) - 1)


def evaluated_usage(usage: Usage) -> tuple[Usage, EvaluationPeriod] | None:
    """The usage to replay and its period, of a short past if need be; None if nothing can be evaluated."""
    period = evaluation_period(usage.days)
    if period and evaluation_mask(usage, period).any():
        return usage, period
    aligned, period = usage.aligned_starts(SHORT_PAST_HOURS), _SHORT_PAST
    return (aligned, period) if evaluation_mask(aligned, period).any() else None


def evaluation_mask(usage: Usage, period: EvaluationPeriod) -> NDArray[np.bool_]:
    """The evaluated days of each series, [series, days].

    A day of a series is evaluated if it is in *period*, has `min_steps` covered steps and usage above zero of
    every resource, and if the window before it has `min_training_steps` steps that are covered by CPU.
    """
    steps = usage.covered_steps[Resource.CPU]
    mask = np.ones(steps.shape, dtype=np.bool_)
    for resource, lanes in usage.lanes.items():
        highest = lanes.measure_by_day(lambda x: maximum(pool_replicas(x)))
        mask &= (np.nan_to_num(highest) > 0) & (usage.covered_steps[resource] >= period.min_steps)
    for day in range(steps.shape[1]):
        learned = slice(max(period.first_learned_day, day - WINDOW_DAYS), day)
        is_trained = steps[:, learned].sum(axis=1) >= period.min_training_steps
        mask[:, day] &= is_trained & (day in period.days)
    return mask
