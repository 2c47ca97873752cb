"""Calibration of the stated risk bound on the last days, with values chosen as of before each of them.

Everything is derived from the days, so past statements are not stored.
"""

import numpy as np

from app.recommendation.array_types import Float64Array
from app.recommendation.choice import choose
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule
from app.recommendation.stated_risk import (
    conformal_scale,
    exceedance_bound,
    share_above,
    worst_past_day,
)

_CHECKED_DAYS = 7  # the last closed days
_LEAST_PAST_DAYS = 3  # of time seen before a checked day
_LEAST_SHARE = 0.7  # of a checked day that was seen; less does not show the outcome


def bound_scale(days: DaySummaries, rule: ResourceRule, price: Float64Array | None = None) -> float:
    """The scale of the bound at which it would have held on nine of ten of the last days.

    *days* are the days of sampled series; today is blank. *price* [n] is in place of the rule's.
    """
    prices = np.full(len(days), rule.price) if price is None else price
    empty = np.empty(0, dtype=np.float32)
    outcomes, unscaled = [empty], [empty]
    newest = days.share.shape[1] - 2
    for day in range(newest, max(newest - _CHECKED_DAYS, _LEAST_PAST_DAYS - 1), -1):
        past = DaySummaries(days.quantiles[:, : day + 1], days.share[:, : day + 1].copy())
        past.share[:, -1] = 0
        is_checked = (past.time_seen_days >= _LEAST_PAST_DAYS) & (days.share[:, day] >= _LEAST_SHARE)
        before = past[is_checked]
        values = choose(before, rule, prices[is_checked, np.newaxis]).astype(np.float32)
        outcomes.append(share_above(values, days.quantiles[is_checked, day]))
        unscaled.append(exceedance_bound(worst_past_day(values, before), before.time_seen_days, 1.0))
    return conformal_scale(np.concatenate(outcomes), np.concatenate(unscaled))
