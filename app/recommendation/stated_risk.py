"""The stated risk of a value: its expected exceedance, and for CPU a bound that holds on nine days of ten.

The risk on the past days is corrected: a value looks better on the days that it was chosen on than on the
next one, most so for a short past, and the choice overestimates the chance that memory is exceeded. The
constants were fitted to several sets of recorded usage with pasts of 3 to 28 days; the outcomes of past
statements correct the scale of the bound (split conformal prediction).
"""

import numpy as np

from app.recommendation.array_types import Float32Array, FloatArray
from app.recommendation.bands import BAND_SHARES
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule

# Both have c / (1 + t)^4 for the hours of a day that were never seen, in t days.
# CPU, the share of time above: the risk times a factor, and b / (1 + t).
CPU_FACTOR, CPU_UNSEEN, CPU_HOURS = 1.3, 0.03, 0.02
# Memory, the chance of a day above: the risk times a + b / (1 + t).
MEMORY_FACTOR, MEMORY_UNSEEN, MEMORY_HOURS = 0.2, 9.0, 0.2
# Calibrated to 92 %, so that 90 % hold if the coming days differ from the last ones.
BOUND_OFFSET, BOUND_SCALE, BOUND_COVERAGE = 0.01, 0.9, 0.92
_RECORD_PRIOR = 200  # the weight of the default scale, in outcomes
_LEAST_DAYS = 0.05


def expected_exceedance(risk: Float32Array, days_seen: Float32Array, rule: ResourceRule) -> Float32Array:
    """The expected share of the next day's time above the value (CPU), the chance of exceeding it (memory).

    *risk* is the value's risk on the past days.
    """
    if rule.by_maximum:
        expected = risk * (MEMORY_FACTOR + MEMORY_UNSEEN / (1 + days_seen))
        expected += MEMORY_HOURS / (1 + days_seen) ** 4
    else:
        expected = CPU_FACTOR * risk + CPU_UNSEEN / (1 + days_seen)
        expected += CPU_HOURS / (1 + days_seen) ** 4
    capped: Float32Array = np.minimum(expected, 1).astype(np.float32)
    return capped


def worst_past_day(values: FloatArray, days: DaySummaries) -> Float32Array:
    """The largest share of time above *values* [n] on any day with samples, [n]."""
    worst = np.zeros(len(values), dtype=np.float32)
    for day in range(days.share.shape[1]):
        above = share_above(values, days.quantiles[:, day])
        worst = np.maximum(worst, np.where(days.share[:, day] > 0, above, 0))
    return worst


def share_above(values: FloatArray, day: Float32Array) -> Float32Array:
    """The share of time above *values* [n] on a day with these quantiles [n, levels], [n]."""
    above: Float32Array = (day[:, :-1] > values[:, np.newaxis].astype(np.float32)) @ BAND_SHARES
    return above


def exceedance_bound(worst: Float32Array, days_seen: Float32Array, scale: float) -> Float32Array:
    """The CPU bound on the time above for nine days of ten: scale * (worst + .01) * (1 + 1 / days seen).

    After n days, the next one exceeds the worst of them with a chance of 1 in n + 1.
    """
    bound = scale * (worst + BOUND_OFFSET) * (1 + 1 / np.maximum(days_seen, _LEAST_DAYS))
    capped: Float32Array = np.minimum(bound, 1).astype(np.float32)
    return capped


def conformal_scale(outcomes: Float32Array, unscaled: Float32Array) -> float:
    """The scale at which the share `BOUND_COVERAGE` of the last statements of all series would have held.

    *unscaled* are the results of `exceedance_bound` at scale 1, *outcomes* the observed shares of time above.
    The default scale has the weight of 200 outcomes.
    """
    count = len(outcomes)
    if not count:
        return BOUND_SCALE
    observed = float(np.quantile(outcomes / unscaled, BOUND_COVERAGE))
    return (observed * count + BOUND_SCALE * _RECORD_PRIOR) / (count + _RECORD_PRIOR)
