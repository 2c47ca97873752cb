"""Scores of values with little history, as if every container had started some hours before each day."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures
from app.backtest.peers import PEERS, DayRule
from app.backtest.protocol import EvaluationPeriod, evaluation_mask
from app.backtest.reliability import RiskStatements, compare_statements
from app.backtest.replay import PolicyResult
from app.backtest.scores import Scorers, Values, build_scorers
from app.backtest.usage import Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.history.samples import HOURS_PER_DAY, STEPS_PER_DAY, STEPS_PER_HOUR
from app.recommendation.array_types import Float32Array
from app.recommendation.choice import choose
from app.recommendation.cost import risk_of
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule, rules_at
from app.recommendation.stated_risk import BOUND_SCALE, exceedance_bound, expected_exceedance, worst_past_day

_PEERS = ("krr", "vpa")


def cold_start(
    usage: Usage, period: EvaluationPeriod, hours: tuple[int, ...]
) -> dict[int, dict[str, PolicyResult]]:
    """The results of our policies and of two tools' rules, by hours of history and policy name.

    The evaluated days are those of `replay`. Of *hours*, lengths that exceed the usage before the first
    evaluated day are left out.

    Each value is the choice at a midnight without stabilization, since no older value exists. Its bound has
    the default scale, since no container has past statements to calibrate it.
    """
    usage = usage.first_days(period.last_day + 1)
    scorers = build_scorers(usage, evaluation_mask(usage, period), period.min_steps)
    features = {resource: DayFeatures(lanes, GRIDS[resource]) for resource, lanes in usage.lanes.items()}
    results: dict[int, dict[str, PolicyResult]] = {}
    for length in (length for length in hours if length <= period.learned_hours):
        results[length] = {
            risk.value: _replay_level(risk, features, scorers, period, length) for risk in RiskLevel
        }
        for name in _PEERS:
            results[length][name] = _replay_peer(PEERS[name], usage, scorers, period, length)
    return results


def last_hours(lanes: Lanes, day: int, hours: int) -> Lanes:
    """The days before *day* that contain its last *hours* hours; earlier samples are NaN."""
    days = math.ceil(hours / HOURS_PER_DAY)
    values = lanes.values[:, day - days : day].copy()
    values.reshape(len(values), -1)[:, : days * STEPS_PER_DAY - hours * STEPS_PER_HOUR] = np.nan
    return Lanes(lanes.owner, values, lanes.series)


def _replay_level(
    risk: RiskLevel,
    features: Mapping[Resource, DayFeatures],
    scorers: Scorers,
    period: EvaluationPeriod,
    hours: int,
) -> PolicyResult:
    values, expected, at_most = {}, {}, {}
    for resource, rule in rules_at(risk).items():
        compute = _raw_choice(features[resource], rule, hours)
        arrays = _compute_days(features[resource].series, period, compute)
        values[resource], expected[resource], at_most[resource] = arrays
    statements = compare_statements(values, expected, at_most[Resource.CPU], scorers)
    return _held_for_the_day(values, scorers, statements)


def _raw_choice(
    features: DayFeatures, rule: ResourceRule, hours: int
) -> Callable[[int], tuple[Float32Array, ...]]:
    """A function that returns the values for a day, their expected risk, and its bound."""

    def compute(day: int) -> tuple[Float32Array, ...]:
        days: DaySummaries = features.last_hours(day, hours)
        has_history = days.time_seen_days > 0
        values = np.where(has_history, choose(days, rule), np.nan).astype(np.float32)
        bound = exceedance_bound(worst_past_day(values, days), days.time_seen_days, BOUND_SCALE)
        expected = expected_exceedance(risk_of(values, days, rule), days.time_seen_days, rule)
        return values, expected, np.maximum(bound, expected)

    return compute


def _replay_peer(
    rules: Mapping[Resource, DayRule], usage: Usage, scorers: Scorers, period: EvaluationPeriod, hours: int
) -> PolicyResult:
    values = {}
    for resource, rule in rules.items():
        lanes = usage.lanes[resource]
        (values[resource],) = _compute_days(lanes.series, period, _peer_rule(rule, lanes, hours))
    return _held_for_the_day(values, scorers)


def _peer_rule(rule: DayRule, lanes: Lanes, hours: int) -> Callable[[int], tuple[Values, ...]]:
    def compute(day: int) -> tuple[Values, ...]:
        short = last_hours(lanes, day, hours)
        return (rule(short, short.values.shape[1]),)

    return compute


def _compute_days(
    series: int, period: EvaluationPeriod, compute: Callable[[int], tuple[NDArray[np.floating], ...]]
) -> tuple[Values, ...]:
    """The arrays that *compute* returns for each evaluated day, stacked to [series, days]."""
    columns = [compute(day) for day in period.days]
    arrays = tuple(np.full((series, period.last_day + 1), np.nan) for _ in columns[0])
    for array, parts in zip(arrays, zip(*columns, strict=True), strict=True):
        array[:, period.first_day :] = np.stack(parts, axis=1)
    return arrays


def _held_for_the_day(
    values: Mapping[Resource, Values], scorers: Scorers, statements: RiskStatements | None = None
) -> PolicyResult:
    changes = {resource: np.zeros(amounts.shape) for resource, amounts in values.items()}
    scores = {
        resource: scorers[resource].scores(amounts, changes[resource]) for resource, amounts in values.items()
    }
    return PolicyResult(values, changes, scores, statements=statements)
