"""The replay of every policy on one past, and its scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures, PublishedValues, at_prices, published
from app.backtest.peers import PEERS, DayRule
from app.backtest.protocol import EvaluationPeriod, judged
from app.backtest.reliability import RiskStatements, statements_of
from app.backtest.scores import DayFacts, Facts, ResourceScores, facts_of
from app.backtest.usage import Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.rules import rules_at

Progress = Callable[[int, int], None]
REQUESTS = "requests"
_FRONTIER: Mapping[Resource, tuple[float, ...]] = {
    Resource.CPU: (4, 5, 6, 7.7, 10, 13, 17, 19.8, 30, 45),
    Resource.MEMORY: (1.2, 1.5, 1.8, 2.1, 2.5, 3.2, 4, 5, 6.5, 8, 11),
}


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """One policy: the value of each container at the begin of each day [series, days], and the scores."""

    values: Mapping[Resource, NDArray[np.float64]]
    scores: Mapping[Resource, ResourceScores]
    statements: RiskStatements | None = None  # only our own policies state a risk


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """What the raw choice at one price of risk would have come to."""

    price: float
    scores: ResourceScores


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """All policies on one past."""

    usage: Usage
    protocol: EvaluationPeriod
    judged: NDArray[np.bool_]
    policies: Mapping[str, Replayed]
    frontier: Mapping[Resource, tuple[FrontierPoint, ...]]


class _Meter:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total
        progress(0, total)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        self._progress(self._done, self._total)


def replay(
    usage: Usage, protocol: EvaluationPeriod, progress: Progress = lambda _done, _total: None
) -> Replay:
    """Replay our policy at each risk level, the other tools' rules, and today's requests if any are known."""
    usage = usage.first(protocol.last_day + 1)
    days = len(protocol.judged_days)
    asked = any(np.isfinite(each).any() for each in usage.requests.values())
    peers_days = len(PEERS) * len(_days_of_peers(protocol))
    total = len(Resource) * (len(RiskLevel) * protocol.last_day + peers_days + 2 * days)
    meter = _Meter(progress, total)
    counted = judged(usage, protocol)
    facts = facts_of(usage, counted)
    features = {}
    for resource, lanes in usage.lanes.items():
        features[resource] = DayFeatures(lanes, GRIDS[resource])
        meter.advance(days)
    policies = {risk.value: _ours(risk, features, facts, protocol, meter) for risk in RiskLevel}
    for name, rules in PEERS.items():
        policies[name] = _peer(rules, usage, facts, protocol, meter)
    if asked:
        policies[REQUESTS] = _requests(usage, facts, protocol)
    frontier = {}
    for resource in Resource:
        frontier[resource] = _frontier(resource, features[resource], facts[resource], protocol)
        meter.advance(days)
    return Replay(usage, protocol, counted, policies, frontier)


def _ours(
    risk: RiskLevel,
    features: Mapping[Resource, DayFeatures],
    facts: Facts,
    protocol: EvaluationPeriod,
    meter: _Meter,
) -> Replayed:
    told: dict[Resource, PublishedValues] = {}
    for resource, rule in rules_at(risk).items():
        above = facts[resource].time_above_on
        told[resource] = published(features[resource], rule, protocol, above, meter.advance)
    values = {resource: each.values for resource, each in told.items()}
    scores = {resource: facts[resource].scores(each.values, each.changes) for resource, each in told.items()}
    expected = {resource: each.expected for resource, each in told.items()}
    return Replayed(values, scores, statements_of(values, expected, told[Resource.CPU].at_most, facts))


def _peer(
    rules: Mapping[Resource, DayRule], usage: Usage, facts: Facts, protocol: EvaluationPeriod, meter: _Meter
) -> Replayed:
    values = {
        resource: _daily(rule, usage.lanes[resource], protocol, meter) for resource, rule in rules.items()
    }
    return _held(values, facts)


def _daily(rule: DayRule, lanes: Lanes, protocol: EvaluationPeriod, meter: _Meter) -> NDArray[np.float64]:
    values = np.full((lanes.series, lanes.values.shape[1]), np.nan)
    for day in _days_of_peers(protocol):
        values[:, day] = rule(lanes, day)
        meter.advance()
    return values


def _days_of_peers(protocol: EvaluationPeriod) -> range:
    """The judged days, and the one before them, which tells whether the first judged value is another one."""
    return range(max(1, protocol.first_day - 1), protocol.last_day + 1)


def _requests(usage: Usage, facts: Facts, protocol: EvaluationPeriod) -> Replayed:
    """What is asked for now, as if it had been all the time."""
    shape = len(usage.containers), protocol.last_day + 1
    values = {
        resource: np.broadcast_to(each[:, np.newaxis], shape) for resource, each in usage.requests.items()
    }
    return _held(values, facts)


def _held(values: Mapping[Resource, NDArray[np.float64]], facts: Facts) -> Replayed:
    """What moves each midnight, if it moves."""
    scores = {}
    for resource, each in values.items():
        changes = np.zeros(each.shape)
        changes[:, 1:] = np.isfinite(each[:, :-1]) & (each[:, 1:] != each[:, :-1])
        scores[resource] = facts[resource].scores(each, changes)
    return Replayed(values, scores)


def _frontier(
    resource: Resource, features: DayFeatures, facts: DayFacts, protocol: EvaluationPeriod
) -> tuple[FrontierPoint, ...]:
    normal = rules_at(RiskLevel.NORMAL)[resource]
    rules = {price: replace(normal, price=price) for price in _FRONTIER[resource]}
    found = at_prices(features, rules, protocol)
    return tuple(
        FrontierPoint(price, facts.scores(values, np.zeros(values.shape))) for price, values in found.items()
    )
