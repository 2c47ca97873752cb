"""Which days are judged: values are made of the days before, and held for one day.

Fourteen days are learned from and up to fifteen are judged. A shorter past is cut in half: the first half is
learned from, each day of the second one is judged on all that came before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Usage, largest

WINDOW_DAYS = 14
JUDGED_DAYS = 15
# A day of which less was seen tells little of how a value held.
LEAST_STEPS = 200
_LEAST_LEARNED_STEPS = 1000


@dataclass(frozen=True, slots=True)
class EvaluationPeriod:
    """Days count from the first one of the past; *last_day* is judged too."""

    first_day: int
    last_day: int

    @property
    def judged_days(self) -> range:
        """The days that are judged."""
        return range(self.first_day, self.last_day + 1)

    @property
    def is_full(self) -> bool:
        """True where every value was made of a whole window."""
        return self.first_day >= WINDOW_DAYS

    @staticmethod
    def window(day: int) -> slice:
        """The days that a value for *day* is made of."""
        return slice(max(0, day - WINDOW_DAYS), day)

    @property
    def least_learned_steps(self) -> int:
        """Below this many steps in the window a container is not judged."""
        return min(_LEAST_LEARNED_STEPS, LEAST_STEPS * self.first_day)


def protocol_of(days: int) -> EvaluationPeriod | None:
    """How a past of *days* is replayed; None where there is nothing to learn from, or nothing to judge."""
    if days < 2:
        return None
    first = min(WINDOW_DAYS, days // 2) if days <= WINDOW_DAYS else WINDOW_DAYS
    return EvaluationPeriod(first, min(days, first + JUDGED_DAYS) - 1)


def judged(usage: Usage, protocol: EvaluationPeriod) -> NDArray[np.bool_]:
    """The days of each series that count, [series, days]: seen for most of it, in use, with a past."""
    steps = usage.steps_seen
    used = np.ones(steps.shape, dtype=np.bool_)
    for lanes in usage.lanes.values():
        used &= np.nan_to_num(lanes.by_day(lambda x: largest(x.reshape(len(x), -1)))) > 0
    found = used & (steps >= LEAST_STEPS)
    for day in range(steps.shape[1]):
        learned = steps[:, protocol.window(day)].sum(axis=1) >= protocol.least_learned_steps
        found[:, day] &= learned & (day in protocol.judged_days)
    return found
