"""The choice of every series: the candidate of least cost; and the replacement of a single value by it.

Pure functions on arrays [series, days, quantiles]; each series is independent. `ResourceRule.price` is the
only tuning parameter: the slack traded for a unit of risk.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.recommendation.array_types import Float32Array, Float64Array, FloatArray
from app.recommendation.candidates import candidate_values, raised_values
from app.recommendation.cost import PricedValues, price_values, time_above
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import MAXIMUM, ResourceRule

# Today's time above the value, as a share of a whole day, triggers a new choice if it is larger than this
# many times the accepted risk, and than the least share.
_ALLOWED_RISK_RATIO = 2.0
_LEAST_ALLOWED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest candidate of every series [n]; `value` is raised for little history."""

    candidate: NDArray[np.int64]
    value: Float64Array
    slack: Float32Array
    risk: Float32Array


def choose(days: DaySummaries, rule: ResourceRule, *, elapsed: float = 0.0) -> Choice:
    """The cheapest candidate of every series; *elapsed* is the share of today that has passed."""
    return choose_cheapest(
        price_values(candidate_values(days, rule), days, rule, elapsed=elapsed), days, rule
    )


def choose_cheapest(candidates: PricedValues, days: DaySummaries, rule: ResourceRule) -> Choice:
    """The choice among priced candidates; the first one at equal cost."""
    series, numbers = np.arange(len(days)), candidates.cost(rule).argmin(axis=1)
    return Choice(
        numbers,
        raised_values(days, rule, numbers),
        candidates.slack[series, numbers],
        candidates.risk[series, numbers],
    )


def risk_of(
    values: FloatArray, days: DaySummaries, rule: ResourceRule, *, elapsed: float = 0.0
) -> Float32Array:
    """The risk of *values* [n] on the past days, [n]."""
    return price_values(values[:, np.newaxis].astype(np.float32), days, rule, elapsed=elapsed).risk[:, 0]


def stabilize(
    published: FloatArray, choice: Choice, days: DaySummaries, rule: ResourceRule, *, elapsed: float
) -> Float32Array:
    """The values to publish: the old ones, unless the new ones save more than `rule.min_saving` of cost.

    A NaN in *published* means no published value; the chosen one is taken then.
    """
    is_published = published > 0
    old = np.where(is_published, published, choice.value)
    values = np.stack((old, choice.value), axis=1).astype(np.float32)
    cost = price_values(values, days, rule, elapsed=elapsed).cost(rule)
    moves = ~is_published | (cost[:, 0] - cost[:, 1] > rule.min_saving)
    stabilized: Float32Array = np.where(moves, choice.value, published).astype(np.float32)
    return stabilized


def exceeded_today(
    published: FloatArray, risk: Float32Array, today: Float32Array, share: Float32Array, rule: ResourceRule
) -> NDArray[np.bool_]:
    """True for each series to choose again before the day closes, [n].

    CPU: today's time above the value so far, as a share of a whole day, is more than twice the *risk* [n]
    that was accepted for a whole day, and more than 1 %. Memory: today's maximum is above the value. *today*
    [n, levels] are today's quantiles so far, *share* [n] is the share of the day with samples.
    """
    if rule.by_maximum:
        return (share > 0) & (today[:, MAXIMUM] > published)
    share_above = time_above(published[:, np.newaxis].astype(np.float32), today)[:, 0] * share
    return exceeds_allowed_risk(share_above, risk)


def exceeds_allowed_risk(share_above: Float32Array, risk: Float32Array) -> NDArray[np.bool_]:
    """True where *share_above*, of a whole day above the value, is too large for the accepted *risk*."""
    exceeds: NDArray[np.bool_] = share_above > np.maximum(_ALLOWED_RISK_RATIO * risk, _LEAST_ALLOWED_SHARE)
    return exceeds
