"""Replay of all policies on the same usage, with their scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.backtest.hourly_recommendations import our_recommendations, vpa_recommendations
from app.backtest.learning import DayFeatures, PublishedValues, replay_profiler
from app.backtest.node_packing import NODES, NodePacker, Packing
from app.backtest.peers import FLOORS, RULES, DayRule, with_floor
from app.backtest.protocol import EvaluationPeriod, evaluation_mask
from app.backtest.reliability import RiskStatements, compare_statements
from app.backtest.scores import ResourceScorer, ResourceScores, Scorers, build_scorers
from app.backtest.usage import Lanes, Usage
from app.backtest.vpa_updater import UpdaterScores, run_updater
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.rules import rules_at

Progress = Callable[[int, int], None]
Amounts = Mapping[Resource, NDArray[np.float64]]  # [series, days]
REQUESTS = "requests"
# Prices of risk.
_FRONTIER: Mapping[Resource, tuple[float, ...]] = {
    Resource.CPU: (8, 11, 15, 21, 29, 40, 56, 78, 108, 150),
    Resource.MEMORY: (1.5, 2, 2.7, 3.6, 4.8, 6.3, 8.4, 11, 15, 20),
}


@dataclass(frozen=True, slots=True, eq=False)
class PolicyResult:
    """The values of one policy at the start of each day and their changes, [series, days], and scores."""

    values: Mapping[Resource, NDArray[np.float64]]
    changes: Mapping[Resource, NDArray[np.float64]]
    scores: Mapping[Resource, ResourceScores]
    packing: Packing | None = None  # None for a short past, whose containers have no time in common
    statements: RiskStatements | None = None  # None for policies of other tools, which state no risk


@dataclass(frozen=True, slots=True, eq=False)
class FrontierPoint:
    """The values that would have been published at one price of risk, and their scores."""

    price: float
    values: NDArray[np.float64]
    changes: NDArray[np.float64]
    scores: ResourceScores


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The results of all policies on the same usage.

    `updater` has what VPA's updater does with our bounds (`normal`) and with those of VPA's recommender
    (`vpa`); it is empty for a short past.
    """

    usage: Usage
    period: EvaluationPeriod
    evaluation_mask: NDArray[np.bool_]
    scorers: Scorers
    features: Mapping[Resource, DayFeatures]
    policies: Mapping[str, PolicyResult]
    updater: Mapping[str, UpdaterScores]
    frontier: Mapping[Resource, tuple[FrontierPoint, ...]]


class _Meter:
    """Counts the replayed days and reports them to *progress*."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total
        progress(0, total)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        self._progress(self._done, self._total)


def replay(
    usage: Usage,
    period: EvaluationPeriod,
    progress: Progress = lambda _done, _total: None,
    packer: NodePacker = NODES,
) -> Replay:
    """Replays our policy at each risk level, the rules of other tools, and the current requests if any."""
    usage = usage.first_days(period.last_day + 1)
    replays = len(Resource) * len(RiskLevel) + sum(map(len, _FRONTIER.values()))
    peers_days = len(RULES) * len(_peer_days(period))
    meter = _Meter(progress, replays * period.last_day + len(Resource) * (peers_days + len(period.days)))
    mask = evaluation_mask(usage, period)
    scorers = build_scorers(usage, mask, period.min_steps)
    features = {}
    for resource, lanes in usage.lanes.items():
        features[resource] = DayFeatures(lanes, GRIDS[resource])
        meter.advance(len(period.days))
    published = {risk: _publish(risk, features, scorers, period, meter) for risk in RiskLevel}
    policies = {risk.value: _level_result(published[risk], scorers) for risk in RiskLevel}
    for name in RULES:
        policies |= _replay_peer(name, usage, scorers, period, meter)
    if any(np.isfinite(amounts).any() for amounts in usage.requests.values()):
        policies[REQUESTS] = _replay_requests(usage, scorers, period)
    updater = {}
    if not period.is_short_past:
        policies = {name: _packed(policy, usage, mask, packer) for name, policy in policies.items()}
        updater = _run_updater(published[RiskLevel.NORMAL], features, usage, mask, period)
    frontier = {
        resource: _frontier(resource, features[resource], scorers[resource], period, meter)
        for resource in Resource
    }
    return Replay(usage, period, mask, scorers, features, policies, updater, frontier)


def _publish(
    risk: RiskLevel,
    features: Mapping[Resource, DayFeatures],
    scorers: Scorers,
    period: EvaluationPeriod,
    meter: _Meter,
) -> dict[Resource, PublishedValues]:
    published = {}
    for resource, rule in rules_at(risk).items():
        time_above = scorers[resource].time_above_on
        published[resource] = replay_profiler(features[resource], rule, period, time_above, meter.advance)
    return published


def _level_result(published: Mapping[Resource, PublishedValues], scorers: Scorers) -> PolicyResult:
    values = {resource: result.values for resource, result in published.items()}
    changes = {resource: result.changes for resource, result in published.items()}
    expected = {resource: result.expected for resource, result in published.items()}
    at_most = published[Resource.CPU].bounds.at_most()
    statements = compare_statements(values, expected, at_most, scorers)
    return PolicyResult(values, changes, _scores(values, changes, scorers), statements=statements)


def _scores(values: Amounts, changes: Amounts, scorers: Scorers) -> dict[Resource, ResourceScores]:
    return {
        resource: scorers[resource].scores(amounts, changes[resource]) for resource, amounts in values.items()
    }


def _packed(policy: PolicyResult, usage: Usage, mask: NDArray[np.bool_], packer: NodePacker) -> PolicyResult:
    return replace(policy, packing=packer.pack(usage.lanes[Resource.CPU], mask, policy.values))


def _run_updater(
    published: Mapping[Resource, PublishedValues],
    features: Mapping[Resource, DayFeatures],
    usage: Usage,
    mask: NDArray[np.bool_],
    period: EvaluationPeriod,
) -> dict[str, UpdaterScores]:
    """What VPA's updater does with our recommendations, and with those of VPA's recommender."""
    ours = {
        resource: our_recommendations(
            resource, features[resource], published[resource], RiskLevel.NORMAL, period
        )
        for resource in Resource
    }
    recommendations = {RiskLevel.NORMAL.value: ours, "vpa": vpa_recommendations(usage.lanes, period)}
    return {name: run_updater(usage.lanes, mask, period, hourly) for name, hourly in recommendations.items()}


def _replay_peer(
    name: str, usage: Usage, scorers: Scorers, period: EvaluationPeriod, meter: _Meter
) -> dict[str, PolicyResult]:
    """The results of a tool with its floor, and of its rule without it, where it has one."""
    alone = {
        resource: _daily_values(rule, usage.lanes[resource], period, meter)
        for resource, rule in RULES[name].items()
    }
    floored = {resource: with_floor(name, resource, values) for resource, values in alone.items()}
    results = {name: _score_daily_values(floored, scorers)}
    if name in FLOORS:
        results[f"{name}-no-floor"] = _score_daily_values(alone, scorers)
    return results


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


def _score_daily_values(values: Amounts, scorers: Scorers) -> PolicyResult:
    """The scores of *values* that change at midnight only."""
    changes = {}
    for resource, amounts in values.items():
        before, after = amounts[:, :-1], amounts[:, 1:]
        changes[resource] = np.zeros(amounts.shape)
        changes[resource][:, 1:] = np.isfinite(before) & np.isfinite(after) & (before != after)
    return PolicyResult(values, changes, _scores(values, changes, scorers))


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
        scores = scorer.scores(published.values, published.changes)
        points.append(FrontierPoint(price, published.values, published.changes, scores))
    return tuple(points)
