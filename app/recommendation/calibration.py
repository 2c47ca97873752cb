"""How far statements on the past days held: what a value chosen before each of them would have stated.

It follows from the days alone, so nothing of what was once stated has to be remembered.
"""

import numpy as np

from app.recommendation.choice import choose
from app.recommendation.cost import time_above
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule
from app.recommendation.stated_risk import at_most_above, conformal_scale, worst_past_day

_DAYS = 7  # of which the statements are looked at
_LEAST_KNOWN_DAYS = 3
_WHOLE = 0.7  # a day of which less was seen tells too little of what came


def bound_scale(days: DaySummaries, rule: ResourceRule) -> float:
    """The scale of the bound with which nine of ten statements on the last days would have held.

    *days* are those of some series; today is blank.
    """
    none = np.empty(0, dtype=np.float32)
    outcomes, unscaled = [none], [none]
    newest = days.share.shape[1] - 2
    for day in range(newest, max(newest - _DAYS, _LEAST_KNOWN_DAYS - 1), -1):
        past = DaySummaries(days.quantiles[:, : day + 1], days.share[:, : day + 1].copy())
        past.share[:, -1] = 0
        known = (past.length >= _LEAST_KNOWN_DAYS) & (days.share[:, day] >= _WHOLE)
        before = past[known]
        values = choose(before, rule).value.astype(np.float32)
        outcomes.append(time_above(values[:, np.newaxis], days.quantiles[known, day])[:, 0])
        unscaled.append(at_most_above(worst_past_day(values, before), before.length, 1.0))
    return conformal_scale(np.concatenate(outcomes), np.concatenate(unscaled))
