"""Replay of all policies on the same usage, with their scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures, PublishedValues, replay_profiler
from app.backtest.peers import PEERS, DayRule
from app.backtest.protocol import EvaluationPeriod, evaluation_mask
from app.backtest.reliability import RiskStatements, compare_statements
from app.backtest.scores import ResourceScorer, ResourceScores, Scorers, build_scorers
from app.backtest.usage import Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.rules import rules_at

Progress = Callable[[int, int], None]
REQUESTS = "requests"
# Prices of risk.
_FRONTIER: Mapping[Resource, tuple[float, ...]] = {
    Resource.CPU: (8, 11, 15, 21, 29, 40, 56, 78, 108, 150),
    Resource.MEMORY: (1.5, 2, 2.7, 3.6, 4.8, 6.3, 8.4, 11, 15, 20),
}


@dataclass(frozen=True, slots=True, eq=False)
class PolicyResult:
    """The values of one policy at the start of each day [series, days], and their scores."""

    values: Mapping[Resource, NDArray[np.float64]]
    scores: Mapping[Resource, ResourceScores]
    statements: RiskStatements | None = None  # None for policies of other tools, which state no risk


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """The scores of the values that would have been published at one price of risk."""

    price: float
    scores: ResourceScores


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The results of all policies on the same usage."""

    usage: Usage
    period: EvaluationPeriod
    evaluation_mask: NDArray[np.bool_]
    policies: Mapping[str, PolicyResult]
    frontier: Mapping[Resource, tuple[FrontierPoint, ...]]


class _Meter:
    """Counts the replayed days and reports them to *progress*."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total
        progress(0, total)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        self._progress(self._done, self._total)


def replay(usage: Usage, period: EvaluationPeriod, progress: Progress = lambda _done, _total: None) -> Replay:
    """Replays our policy at each risk level, the rules of other tools, and the current requests if any."""
    usage = usage.first_days(period.last_day + 1)
    days = len(period.days)
    has_requests = any(np.isfinite(amounts).any() for amounts in usage.requests.values())
    peers_days = len(PEERS) * len(_peer_days(period))
    replays = len(Resource) * len(RiskLevel) + sum(map(len, _FRONTIER.values()))
    total = replays * period.last_day + len(Resource) * (peers_days + days)
    meter = _Meter(progress, total)
    mask = evaluation_mask(usage, period)
    scorers = build_scorers(usage, mask, period.min_steps)
    features = {}
    for resource, lanes in usage.lanes.items():
        features[resource] = DayFeatures(lanes, GRIDS[resource])
        meter.advance(days)
    policies = {risk.value: _replay_level(risk, features, scorers, period, meter) for risk in RiskLevel}
    for name, rules in PEERS.items():
        policies[name] = _replay_peer(rules, usage, scorers, period, meter)
    if has_requests:
        policies[REQUESTS] = _replay_requests(usage, scorers, period)
    frontier = {}
    for resource in Resource:
        frontier[resource] = _frontier(resource, features[resource], scorers[resource], period, meter)
    return Replay(usage, period, mask, policies, frontier)


def _replay_level(
    risk: RiskLevel,
    features: Mapping[Resource, DayFeatures],
    scorers: Scorers,
    period: EvaluationPeriod,
    meter: _Meter,
) -> PolicyResult:
    published: dict[Resource, PublishedValues] = {}
    for resource, rule in rules_at(risk).items():
        time_above = scorers[resource].time_above_on
        published[resource] = replay_profiler(features[resource], rule, period, time_above, meter.advance)
    values = {resource: result.values for resource, result in published.items()}
    scores = {
        resource: scorers[resource].scores(result.values, result.changes)
        for resource, result in published.items()
    }
    expected = {resource: result.expected for resource, result in published.items()}
    statements = compare_statements(values, expected, published[Resource.CPU].at_most, scorers)
    return PolicyResult(values, scores, statements)


def _replay_peer(
    rules: Mapping[Resource, DayRule], usage: Usage, scorers: Scorers, period: EvaluationPeriod, meter: _Meter
) -> PolicyResult:
    values = {
        resource: _daily_values(rule, usage.lanes[resource], period, meter)
        for resource, rule in rules.items()
    }
    return _score_daily_values(values, scorers)


def _daily_values(
    rule: DayRule, lanes: Lanes, period: EvaluationPeriod, meter: _Meter
) -> NDArray[np.float64]:
    values = np.full((lanes.series, lanes.values.shape[1]), np.nan)
    for day in _peer_days(period):
        values[:, day] = rule(lanes, day)
        meter.advance()
    return values


def _peer_days(period: EvaluationPeriod) -> range:
    """The evaluated days and the day before them, which shows if the first evaluated value is a change."""
    return range(max(1, period.first_day - 1), period.last_day + 1)


def _replay_requests(usage: Usage, scorers: Scorers, period: EvaluationPeriod) -> PolicyResult:
    """The current requests, as if they had been set on all days."""
    shape = len(usage.containers), period.last_day + 1
    values = {
        resource: np.broadcast_to(amounts[:, np.newaxis], shape)
        for resource, amounts in usage.requests.items()
    }
    return _score_daily_values(values, scorers)


def _score_daily_values(values: Mapping[Resource, NDArray[np.float64]], scorers: Scorers) -> PolicyResult:
    """The scores of *values* that change at midnight only."""
    scores = {}
    for resource, amounts in values.items():
        changes = np.zeros(amounts.shape)
        changes[:, 1:] = np.isfinite(amounts[:, :-1]) & (amounts[:, 1:] != amounts[:, :-1])
        scores[resource] = scorers[resource].scores(amounts, changes)
    return PolicyResult(values, scores)


def _frontier(
    resource: Resource,
    features: DayFeatures,
    scorer: ResourceScorer,
    period: EvaluationPeriod,
    meter: _Meter,
) -> tuple[FrontierPoint, ...]:
    normal, points = rules_at(RiskLevel.NORMAL)[resource], []
    for price in _FRONTIER[resource]:
        rule = replace(normal, price=price)
        published = replay_profiler(features, rule, period, scorer.time_above_on, meter.advance)
        points.append(FrontierPoint(price, scorer.scores(published.values, published.changes)))
    return tuple(points)
