"""The choice: for every series the candidate that would have cost least, and when it replaces the old value.

Pure functions on arrays [series, days, quantiles]; nothing is shared between series. `ResourceRule.price` is
the one knob: how much slack is given for a unit of risk.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.recommendation.candidates import candidate_values, held_values
from app.recommendation.cost import PricedCandidates, priced, time_above
from app.recommendation.day_summaries import Amounts, DaySummaries, Floats, Reals
from app.recommendation.rules import MAXIMUM, ResourceRule

# Today alone must have spent this many times the risk that the choice allowed for a whole day.
_OUTGROWN = 2.0
_OUTGROWN_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest candidate of every series [n]; `value` is raised for little history."""

    candidate: NDArray[np.int64]
    value: Amounts
    slack: Floats
    risk: Floats


def choose(days: DaySummaries, rule: ResourceRule, *, elapsed: float = 0.0) -> Choice:
    """The raw estimate of every series, *elapsed* being the share of today that has passed."""
    return cheapest(priced(candidate_values(days, rule), days, rule, elapsed=elapsed), days, rule)


def cheapest(candidates: PricedCandidates, days: DaySummaries, rule: ResourceRule) -> Choice:
    """The choice among candidates that were priced; on equal cost the first one."""
    rows, found = np.arange(len(days)), candidates.cost(rule).argmin(axis=1)
    return Choice(
        found,
        held_values(days, rule, found),
        candidates.slack[rows, found],
        candidates.risk[rows, found],
    )


def risk_of(values: Reals, days: DaySummaries, rule: ResourceRule, *, elapsed: float = 0.0) -> Floats:
    """The risk that *values* [n] would have taken on the past days, [n]."""
    return priced(values[:, np.newaxis].astype(np.float32), days, rule, elapsed=elapsed).risk[:, 0]


def settle(
    published: Reals, choice: Choice, days: DaySummaries, rule: ResourceRule, *, elapsed: float
) -> Floats:
    """The values to publish: the old ones, unless moving saves more than `rule.move_saving` of cost.

    NaN stands for none published yet: those take the chosen value.
    """
    known = published > 0
    old = np.where(known, published, choice.value)
    values = np.stack((old, choice.value), axis=1).astype(np.float32)
    cost = priced(values, days, rule, elapsed=elapsed).cost(rule)
    moves = ~known | (cost[:, 0] - cost[:, 1] > rule.move_saving)
    settled: Floats = np.where(moves, choice.value, published).astype(np.float32)
    return settled


def outgrown(
    published: Reals, risk: Floats, today: Floats, share: Floats, rule: ResourceRule
) -> NDArray[np.bool_]:
    """Which series are to be chosen anew before the day closes.

    CPU: today alone, as far as it went, has spent more than twice the *risk* [n] that was taken for a whole
    day (and at least 1 %) above the value; memory: today's maximum is above it. *today* [n, levels] are the
    quantiles of what was seen, *share* [n] how much of the day that is.
    """
    if rule.by_maximum:
        return (share > 0) & (today[:, MAXIMUM] > published)
    spent = time_above(published[:, np.newaxis].astype(np.float32), today)[:, 0] * share
    return overspent(spent, risk)


def overspent(spent: Floats, risk: Floats) -> NDArray[np.bool_]:
    """Where the share of a whole day that was *spent* above the value is too much for the *risk* taken."""
    too_much: NDArray[np.bool_] = spent > np.maximum(_OUTGROWN * risk, _OUTGROWN_LEAST)
    return too_much
