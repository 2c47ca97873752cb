"""The cost and the risk of given values on the past days, in the terms of their resource.

Costs are in cores or bytes, so that those of a workload's containers can be added up.
"""

import numpy as np

from app.recommendation import cpu_cost, memory_cost
from app.recommendation.array_types import Float32Array, FloatArray, Price
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.memory_cost import PastMaxima
from app.recommendation.recency import recency_weights
from app.recommendation.rules import ResourceRule


def costs_of(
    values: Float32Array, days: DaySummaries, rule: ResourceRule, price: Price | None = None
) -> Float32Array:
    """The cost of each of *values* [n, m], in cores or bytes, [n, m]; without a *price* at the rule's."""
    price = rule.price if price is None else price
    if rule.by_maximum:
        past = past_maxima(days, rule)
        relative = memory_cost.memory_cost(values, past, price)
        in_bytes: Float32Array = relative * past.recent[:, np.newaxis]
        return in_bytes
    return cpu_cost.cpu_cost(values, days.bands, recency_weights(days.share), price)


def risk_of(values: FloatArray, days: DaySummaries, rule: ResourceRule) -> Float32Array:
    """The risk of *values* [n] on the past days, [n].

    CPU: the share of time above the value. Memory: the chance that a day's maximum is above it.
    """
    columns = values[:, np.newaxis].astype(np.float32)
    if rule.by_maximum:
        return memory_cost.risk(columns, past_maxima(days, rule))[:, 0]
    return cpu_cost.time_above(columns, days.bands, recency_weights(days.share))[:, 0]


def past_maxima(days: DaySummaries, rule: ResourceRule) -> PastMaxima:
    """The maxima of the past days, and how far the next one may lie from them."""
    width = memory_cost.maximum_width(days.maxima, days.share, rule.spread)
    return PastMaxima(days.maxima, recency_weights(days.share), width)
