"""The choice of every series: the value of least cost; and the replacement of a single value by it.

Pure functions on arrays [series, days, quantiles]; each series is independent. `ResourceRule.price` is the
only tuning parameter: what it costs to fall short.
"""

from collections.abc import Sequence

import numpy as np

from app.recommendation import cpu_cost, memory_cost
from app.recommendation.array_types import BoolArray, Float32Array, Float64Array, FloatArray, Price
from app.recommendation.bands import BAND_SHARES
from app.recommendation.cost import costs_of, past_maxima
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.recency import recency_weights
from app.recommendation.rules import ResourceRule
from app.recommendation.short_past import short_past_raise

# Today's overuse of CPU triggers a new choice once it has cost as much as the value does in this many days.
_OUTGROWN_DAYS = 2.0


def choose(days: DaySummaries, rule: ResourceRule, price: Price | None = None) -> Float64Array:
    """The value of least cost of every series at *price* or the rule's, raised for a short past, [n]."""
    chosen: Float64Array = choose_at(days, rule, (rule.price if price is None else price,))[:, 0]
    return chosen


def choose_at(days: DaySummaries, rule: ResourceRule, prices: Sequence[Price]) -> Float64Array:
    """The choices that `choose` would make at each of *prices*, [n, prices]; costs little more than one."""
    raised = 1 + short_past_raise(days, rule)
    chosen: Float64Array = _least_costs(days, rule, prices) * raised[:, np.newaxis]
    return chosen


def least_cost(days: DaySummaries, rule: ResourceRule, price: Price | None = None) -> Float64Array:
    """The value of least cost of every series at *price* or the rule's, before any raise, [n]."""
    least: Float64Array = _least_costs(days, rule, (rule.price if price is None else price,))[:, 0]
    return least


def _least_costs(days: DaySummaries, rule: ResourceRule, prices: Sequence[Price]) -> Float64Array:
    if rule.by_maximum:
        values = memory_cost.least_cost_at_prices(past_maxima(days, rule), prices)
    else:
        values = cpu_cost.least_cost_at_prices(days.bands, recency_weights(days.share), prices)
    return np.maximum(values.astype(np.float64), rule.floor)


def stabilize(
    published: FloatArray, chosen: FloatArray, days: DaySummaries, rule: ResourceRule
) -> Float32Array:
    """The values to publish: the old ones, unless the *chosen* ones save more than `rule.min_saving`.

    A NaN in *published* means no published value; the chosen one is taken then.
    """
    is_published = published > 0
    values = np.stack((np.where(is_published, published, chosen), chosen), axis=1).astype(np.float32)
    cost = costs_of(values, days, rule)
    moves = ~is_published | is_worthwhile(cost[:, 0] - cost[:, 1], cost[:, 1], rule)
    stabilized: Float32Array = np.where(moves, chosen, published).astype(np.float32)
    return stabilized


def is_worthwhile(saving: FloatArray, cost: FloatArray, rule: ResourceRule) -> BoolArray:
    """True where a new value of this *cost* saves enough to replace the published one."""
    worthwhile: BoolArray = saving > rule.min_saving * cost
    return worthwhile


def exceeded_today(
    published: FloatArray, today: Float32Array, share: Float32Array, rule: ResourceRule
) -> BoolArray:
    """True for each series to choose again before the day closes, [n].

    CPU: today's overuse so far has cost two days of the value. Memory: today's maximum is above the value.
    *today* [n, levels] are today's quantiles so far, *share* [n] is the share of the day with samples.
    """
    if rule.by_maximum:
        exceeded: BoolArray = (share > 0) & (today[:, -1] > published)
        return exceeded
    over = np.maximum(today[:, :-1] - published[:, np.newaxis], 0) @ BAND_SHARES
    return is_outgrown(published, over * share, rule.price)


def is_outgrown(values: FloatArray, overuse: FloatArray, price: float | FloatArray) -> BoolArray:
    """True where today's *overuse* of CPU so far, as a mean over the whole day, is too large for *values*."""
    outgrown: BoolArray = (1 + price) * overuse > _OUTGROWN_DAYS * values
    return outgrown
