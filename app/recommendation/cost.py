"""The cost of a value on the past days: its slack plus *price* times its risk.

cost(v) = sum over days k of w_k * [ clip(1 - P95_k / v, least, 1) + price * risk_k(v) ]

The weights w_k sum to 1 and follow recency, with an echo of the same weekday. The risk of CPU is the share of
day k's time above v; that of memory is the chance that a day like k has a maximum above v. The least slack is
-1 for CPU, and 0 for memory: there, a value that is exceeded for much of a day gains nothing.
"""

from dataclasses import dataclass

import numpy as np

from app.recommendation.array_types import Float32Array
from app.recommendation.day_summaries import TINY, DaySummaries
from app.recommendation.rules import LEVELS, MAXIMUM, P95, ResourceRule

_ECHO_HALF_LIFE_DAYS = 14


@dataclass(frozen=True, slots=True)
class PricedValues:
    """The slack and risk of m values of every series on the past days, [n, m]."""

    values: Float32Array
    slack: Float32Array
    risk: Float32Array

    def cost(self, rule: ResourceRule) -> Float32Array:
        """Slack plus risk times the rule's price."""
        cost: Float32Array = self.slack + np.float32(rule.price) * self.risk
        return cost


def price_values(
    values: Float32Array, days: DaySummaries, rule: ResourceRule, *, elapsed: float
) -> PricedValues:
    """The slack and risk of *values* [n, m]; *elapsed* is the share of today that has passed."""
    weights = day_weights(days, rule, elapsed=elapsed)
    slack, risk = np.zeros_like(values), np.zeros_like(values)
    width = maximum_width(days, rule) if rule.by_maximum else None
    least = 0 if rule.by_maximum else -1
    for day in range(days.share.shape[1]):
        weight = weights[:, day, np.newaxis]
        if not weight.any():
            continue
        quantiles = days.quantiles[:, day]
        slack += weight * np.clip(1 - quantiles[:, P95, np.newaxis] / values, least, 1)
        if width is None:
            risk += weight * time_above(values, quantiles)
        else:
            risk += weight * chance_above(values, quantiles[:, MAXIMUM], width, rule)
    return PricedValues(values, slack, risk)


def day_weights(days: DaySummaries, rule: ResourceRule, *, elapsed: float) -> Float32Array:
    """The weight of each day for the coming 24 hours, [n, days]; the weights of a series sum to 1.

    w ~ share * (2^-((age - 1) / half-life) + echo * [same weekday] * 2^(-age / 14)). The coming 24 hours are
    the rest of today and the same share of tomorrow as has passed today, so both weekdays echo in proportion.
    """
    age = np.arange(days.share.shape[1] - 1, -1, -1)
    same_weekday = (1 - elapsed) * ((age % 7 == 0) & (age > 0)) + elapsed * (age % 7 == 6)
    recent = 2.0 ** (-(age - 1) / rule.half_life_days)
    weight = recent + rule.weekly_echo * same_weekday * 2.0 ** (-age / _ECHO_HALF_LIFE_DAYS)
    unscaled = days.share * weight.astype(np.float32)
    scaled: Float32Array = unscaled / np.maximum(unscaled.sum(axis=1, keepdims=True), TINY)
    return scaled


def time_above(values: Float32Array, quantiles: Float32Array) -> Float32Array:
    """The share of a day's time above *values* [n, m], linear between the day's *quantiles* [n, levels]."""
    above = np.zeros(values.shape, dtype=np.float32)
    low, reached = np.zeros((len(values), 1), dtype=np.float32), 0.0
    for index, level in enumerate(LEVELS):
        high = quantiles[:, index, np.newaxis]
        above += np.float32(level - reached) * np.clip((high - values) / np.maximum(high - low, TINY), 0, 1)
        low, reached = high, level
    return above


def chance_above(
    values: Float32Array, maximum: Float32Array, width: Float32Array, rule: ResourceRule
) -> Float32Array:
    """The chance that a day like one with *maximum* [n] exceeds *values* [n, m].

    The survival function of a Laplace mixture at log(value / maximum): of width *width* [n], and with the
    share `rule.tail_share` of width `rule.tail_width`.
    """
    distance = np.log(values / np.maximum(maximum, 1.0)[:, np.newaxis])
    near = 0.5 * np.exp(-np.abs(distance) / width[:, np.newaxis])
    tail = 0.5 * np.exp(-np.abs(distance) / np.float32(rule.tail_width))
    beyond = (1 - rule.tail_share) * near + rule.tail_share * tail
    chance: Float32Array = np.where(distance > 0, beyond, 1 - beyond).astype(np.float32)
    return chance


def maximum_width(days: DaySummaries, rule: ResourceRule) -> Float32Array:
    """The width of the distribution of a series' daily maximum, [n], in log units.

    It is `rule.width_factor` times the mean deviation of the days, at most `rule.max_width`. The deviation of
    a day is |log(its maximum / the median day's maximum)|; one more day counts with `rule.prior_deviation`.
    """
    day_counts, series = days.sampled_days, np.arange(len(days))
    maxima = np.log(np.maximum(days.quantiles[:, :, MAXIMUM], 1.0))
    ordered = np.where(days.share > 0, maxima, np.inf)
    ordered.sort(axis=1)
    low = np.maximum(day_counts - 1, 0) // 2
    high = np.minimum(day_counts // 2, np.maximum(day_counts - 1, 0))
    median = np.where(day_counts > 0, (ordered[series, low] + ordered[series, high]) / 2, 0.0)
    total_deviation = (days.share * np.abs(maxima - median[:, np.newaxis])).sum(axis=1)
    mean = (total_deviation + rule.prior_deviation) / (days.time_seen_days + 1)
    width: Float32Array = np.minimum(rule.width_factor * mean, rule.max_width).astype(np.float32)
    return width
