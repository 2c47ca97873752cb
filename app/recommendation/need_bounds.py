"""The bounds within which a request still does: VPA's updater acts on a Pod whose request lies outside.

The lower bound is what a higher risk needs, today's use included: a third of the price. The upper bound is
what a low risk needs, and a tenth above the target at least, wider for a short past as VPA's own is. Bounds
that are too narrow cause evictions and resizes, bounds that are too wide cause nothing.
"""

from dataclasses import replace

import numpy as np

from app.recommendation.array_types import Float64Array, FloatArray
from app.recommendation.choice import choose
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule

LOWER_PRICE_SHARE = 1 / 3
LEAST_ROOM = 1.1  # times the target; VPA's updater ignores differences of less than a tenth
_LEAST_DAYS = 0.05


def lower_bound(target: FloatArray, with_today: DaySummaries, rule: ResourceRule) -> Float64Array:
    """min(target, need at a third of the price), [n]; the last of the days is today so far."""
    need = choose(with_today, replace(rule, price=rule.price * LOWER_PRICE_SHARE))
    bound: Float64Array = np.minimum(target, need)
    return bound


def upper_bound(target: FloatArray, need_at_low: FloatArray, days_seen: FloatArray) -> Float64Array:
    """max(1.1 * target, need at low risk) * (1 + 1 / days seen), [n]."""
    widest = np.maximum(LEAST_ROOM * target, need_at_low)
    bound: Float64Array = widest * (1 + 1 / np.maximum(days_seen, _LEAST_DAYS))
    return bound
