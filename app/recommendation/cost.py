"""What a value would have cost on the past days: the slack it leaves plus *price* times the risk it takes.

cost(v) = sum over days k of w_k * [ clip(1 - P95_k / v, least, 1) + price * risk_k(v) ]

The weights w_k sum to 1 and follow recency, with an echo of the same weekday. Risk is, for CPU, the share of
day k's time above v; for memory, the chance that a day like k has a maximum above v. The least slack is -1
for CPU, and 0 for memory: nothing is gained there by a value that much of a day exceeds.
"""

from dataclasses import dataclass

import numpy as np

from app.recommendation.day_summaries import TINY, DaySummaries, Floats
from app.recommendation.rules import LEVELS, MAXIMUM, P95, ResourceRule

_ECHO_HALF_LIFE_DAYS = 14


@dataclass(frozen=True, slots=True)
class PricedCandidates:
    """Some values of every series [n, m], and the slack and risk that they would have had."""

    values: Floats
    slack: Floats
    risk: Floats

    def cost(self, rule: ResourceRule) -> Floats:
        """Slack and risk in one figure, at the rule's price."""
        cost: Floats = self.slack + np.float32(rule.price) * self.risk
        return cost


def priced(values: Floats, days: DaySummaries, rule: ResourceRule, *, elapsed: float) -> PricedCandidates:
    """What *values* [n, m] would have cost; *elapsed* is the share of today that has passed."""
    weights = day_weights(days, rule, elapsed=elapsed)
    slack, risk = np.zeros_like(values), np.zeros_like(values)
    width = straying_width(days, rule) if rule.by_maximum else None
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
    return PricedCandidates(values, slack, risk)


def day_weights(days: DaySummaries, rule: ResourceRule, *, elapsed: float) -> Floats:
    """How much each day tells about the coming 24 hours, [n, days]; they sum to 1.

    w ~ share * (2^-((age - 1) / half-life) + echo * [same weekday] * 2^(-age / 14)). The coming 24 hours are
    what remains of today and as much of tomorrow, so both weekdays echo, in that proportion.
    """
    age = np.arange(days.share.shape[1] - 1, -1, -1)
    same = (1 - elapsed) * ((age % 7 == 0) & (age > 0)) + elapsed * (age % 7 == 6)
    recent = 2.0 ** (-(age - 1) / rule.half_life_days)
    weight = recent + rule.weekly_echo * same * 2.0 ** (-age / _ECHO_HALF_LIFE_DAYS)
    raw = days.share * weight.astype(np.float32)
    normed: Floats = raw / np.maximum(raw.sum(axis=1, keepdims=True), TINY)
    return normed


def time_above(values: Floats, quantiles: Floats) -> Floats:
    """The share of a day's time above *values* [n, m], linear between its *quantiles* [n, levels]."""
    above = np.zeros(values.shape, dtype=np.float32)
    low, reached = np.zeros((len(values), 1), dtype=np.float32), 0.0
    for index, level in enumerate(LEVELS):
        high = quantiles[:, index, np.newaxis]
        above += np.float32(level - reached) * np.clip((high - values) / np.maximum(high - low, TINY), 0, 1)
        low, reached = high, level
    return above


def chance_above(values: Floats, maximum: Floats, width: Floats, rule: ResourceRule) -> Floats:
    """The chance that a day like one with *maximum* [n] exceeds *values* [n, m].

    The survival function of a Laplace mixture at log(value / maximum): mostly of *width* [n], rarely wide.
    """
    far = np.log(values / np.maximum(maximum, 1.0)[:, np.newaxis])
    near = 0.5 * np.exp(-np.abs(far) / width[:, np.newaxis])
    rare = 0.5 * np.exp(-np.abs(far) / np.float32(rule.tail))
    beyond = (1 - rule.tail_share) * near + rule.tail_share * rare
    chance: Floats = np.where(far > 0, beyond, 1 - beyond).astype(np.float32)
    return chance


def straying_width(days: DaySummaries, rule: ResourceRule) -> Floats:
    """How far a series' maximum strays from day to day, [n]: what its days show, and a day of what is usual.

    A day strays by |log(its maximum / the median day's)|; one more day strays by `rule.usual_straying`.
    """
    seen, rows = days.seen, np.arange(len(days))
    maxima = np.log(np.maximum(days.quantiles[:, :, MAXIMUM], 1.0))
    ordered = np.where(days.share > 0, maxima, np.inf)
    ordered.sort(axis=1)
    low, high = np.maximum(seen - 1, 0) // 2, np.minimum(seen // 2, np.maximum(seen - 1, 0))
    median = np.where(seen > 0, (ordered[rows, low] + ordered[rows, high]) / 2, 0.0)
    strayed = (days.share * np.abs(maxima - median[:, np.newaxis])).sum(axis=1)
    mean = (strayed + rule.usual_straying) / (days.length + 1)
    width: Floats = np.minimum(rule.spread * mean, rule.most_spread).astype(np.float32)
    return width
