"""What is stated of a value's risk: the expected exceedance, and a bound that holds nine days of ten.

The choice looks a little better on the days that it was made on than on the next one; the chance that memory
is exceeded is taken a little too high. These constants were read off recorded usage; the bound's scale is
corrected by what past statements came to (split conformal).
"""

import numpy as np

from app.recommendation.cost import time_above
from app.recommendation.day_summaries import DaySummaries, Floats, Reals
from app.recommendation.rules import ResourceRule

# Slope and offset of the risk, and what a past of no length has not shown.
CPU_TIME = (1.1, 0.004, 0.03)  # share of time above
MEMORY_CHANCE = (0.75, 0.002, 0.17)  # chance of a day above
# Aimed at 92 %, so that 90 % hold where the coming days differ from the last ones.
BOUND_OFFSET, BOUND_SCALE, BOUND_COVERAGE = 0.01, 0.85, 0.92
_RECORD_PRIOR = 200  # outcomes that the default scale counts for
_LEAST_DAYS = 0.05


def expected_above(risk: Floats, days_seen: Floats, rule: ResourceRule) -> Floats:
    """The expected share of the coming day's time above the value (CPU), the chance of exceeding it (memory).

    *risk* is what the value would have taken on the past days; with few *days_seen*, what they have not shown
    yet comes on top, by c / (1 + days seen)^2.
    """
    slope, offset, unseen = MEMORY_CHANCE if rule.by_maximum else CPU_TIME
    expected = slope * risk + offset + unseen / (1 + days_seen) ** 2
    capped: Floats = np.minimum(expected, 1).astype(np.float32)
    return capped


def worst_past_day(values: Reals, days: DaySummaries) -> Floats:
    """The largest share of a seen day's time above *values* [n]."""
    worst = np.zeros(len(values), dtype=np.float32)
    for day in range(days.share.shape[1]):
        above = time_above(values[:, np.newaxis].astype(np.float32), days.quantiles[:, day])[:, 0]
        worst = np.maximum(worst, np.where(days.share[:, day] > 0, above, 0))
    return worst


def at_most_above(worst: Floats, days_seen: Floats, scale: float) -> Floats:
    """The share of time above that nine days of ten keep to: scale * (worst + .01) * (1 + 1 / days seen).

    With n days seen, the worst of them is exceeded by the next one with a chance of 1 in n + 1.
    """
    bound = scale * (worst + BOUND_OFFSET) * (1 + 1 / np.maximum(days_seen, _LEAST_DAYS))
    capped: Floats = np.minimum(bound, 1).astype(np.float32)
    return capped


def conformal_scale(outcomes: Floats, unscaled: Floats) -> float:
    """The scale with which `BOUND_COVERAGE` of all series' last statements would have held.

    *unscaled* is what `at_most_above` gave with scale 1, *outcomes* the shares of time above that came. With
    few outcomes the default stays: it counts for 200 of them.
    """
    count = len(outcomes)
    if not count:
        return BOUND_SCALE
    own = float(np.quantile(outcomes / unscaled, BOUND_COVERAGE))
    return (own * count + BOUND_SCALE * _RECORD_PRIOR) / (count + _RECORD_PRIOR)
