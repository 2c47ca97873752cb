"""The raise of values for a short past, which has not shown yet what will be used."""

import numpy as np

from app.domain.profiles import Resource
from app.history.grid import GRIDS
from app.recommendation.array_types import Float64Array
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule

_BUCKET = GRIDS[Resource.MEMORY].ratio


def short_past_raise(days: DaySummaries, rule: ResourceRule) -> Float64Array:
    """The share by which a value is raised: at most first_raise / (1 + t / first_days)^2, [n].

    t is the time seen in days: CPU +46 % after an hour, 13 % after a day, 0.2 % after 14 days. Memory with a
    maximum of 1.73 times the median or more: +262 %, 42 %, 0.5 %; what is steadier gets less.
    """
    unsteady = _unsteadiness(days) if rule.by_maximum else 1.0
    seen = days.time_seen_days.astype(np.float64)
    raised: Float64Array = rule.first_raise * unsteady / (1 + seen / rule.first_days) ** 2
    return raised


def _unsteadiness(days: DaySummaries) -> Float64Array:
    """2 ln(maximum / median / 1.05) of the day on which that is largest, from 0 to 1, [n].

    A median is read from buckets that are 5 % wide, so by that much it may be below an equal maximum.
    """
    ratio = np.maximum(days.maxima, 1).astype(np.float64) / np.maximum(days.medians, 1)
    unsteadiness: Float64Array = np.clip(2 * np.log(ratio.max(axis=1) / _BUCKET), 0, 1)
    return unsteadiness
