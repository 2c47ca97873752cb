"""How values hold that are made of hours: as if every container had begun so long before each judged day."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures
from app.backtest.peers import PEERS, DayRule
from app.backtest.protocol import EvaluationPeriod, judged
from app.backtest.reliability import statements_of
from app.backtest.replay import Replayed
from app.backtest.scores import Facts, ResourceScores, facts_of
from app.backtest.usage import Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.history.samples import STEPS_PER_DAY
from app.recommendation.choice import choose, risk_of
from app.recommendation.day_summaries import DaySummaries, Floats
from app.recommendation.rules import ResourceRule, rules_at
from app.recommendation.stated_risk import BOUND_SCALE, at_most_above, expected_above, worst_past_day

_HOURS = 24
_BESIDE = ("krr", "vpa")

Values = NDArray[np.float64]


def cold_start(
    usage: Usage, protocol: EvaluationPeriod, hours: tuple[int, ...]
) -> dict[int, dict[str, Replayed]]:
    """For each of *hours* of history our policies and two tools' rules, on the days that `replay` judges.

    Hours that no judged day has before it are left out.

    Each value is the raw choice at a midnight: nobody has published one before. Its bound has the default
    scale, since no container has a past of which statements could have held.
    """
    usage = usage.first(protocol.last_day + 1)
    facts = facts_of(usage, judged(usage, protocol))
    features = {resource: DayFeatures(lanes, GRIDS[resource]) for resource, lanes in usage.lanes.items()}
    found: dict[int, dict[str, Replayed]] = {}
    for known in (each for each in hours if each <= protocol.first_day * _HOURS):
        found[known] = {risk.value: _ours(risk, features, facts, protocol, known) for risk in RiskLevel}
        for name in _BESIDE:
            found[known][name] = _peer(PEERS[name], usage, facts, protocol, known)
    return found


def shortened(lanes: Lanes, day: int, hours: int) -> Lanes:
    """The whole days before *day* that hold its last *hours*, and of them just these."""
    days = math.ceil(hours / _HOURS)
    values = lanes.values[:, day - days : day].copy()
    values.reshape(len(values), -1)[:, : days * STEPS_PER_DAY - hours * STEPS_PER_DAY // _HOURS] = np.nan
    return Lanes(lanes.owner, values, lanes.series)


def _ours(
    risk: RiskLevel,
    features: Mapping[Resource, DayFeatures],
    facts: Facts,
    protocol: EvaluationPeriod,
    hours: int,
) -> Replayed:
    values, expected, at_most = {}, {}, {}
    for resource, rule in rules_at(risk).items():
        told = _daily(features[resource].series, protocol, _raw_choice(features[resource], rule, hours))
        values[resource], expected[resource], at_most[resource] = told
    return Replayed(
        values, _scores(values, facts), statements_of(values, expected, at_most[Resource.CPU], facts)
    )


def _raw_choice(features: DayFeatures, rule: ResourceRule, hours: int) -> Callable[[int], tuple[Floats, ...]]:
    """For a day the values, and what is stated of them."""

    def chosen(day: int) -> tuple[Floats, ...]:
        days: DaySummaries = features.last(day, hours)
        known = days.length > 0
        values = np.where(known, choose(days, rule).value, np.nan).astype(np.float32)
        bound = at_most_above(worst_past_day(values, days), days.length, BOUND_SCALE)
        expected = expected_above(risk_of(values, days, rule), days.length, rule)
        return values, expected, np.maximum(bound, expected)

    return chosen


def _peer(
    rules: Mapping[Resource, DayRule], usage: Usage, facts: Facts, protocol: EvaluationPeriod, hours: int
) -> Replayed:
    values = {}
    for resource, rule in rules.items():
        lanes = usage.lanes[resource]
        (values[resource],) = _daily(lanes.series, protocol, _of_short(rule, lanes, hours))
    return Replayed(values, _scores(values, facts))


def _of_short(rule: DayRule, lanes: Lanes, hours: int) -> Callable[[int], tuple[Values, ...]]:
    def made(day: int) -> tuple[Values, ...]:
        short = shortened(lanes, day, hours)
        return (rule(short, short.values.shape[1]),)

    return made


def _daily(
    series: int, protocol: EvaluationPeriod, made: Callable[[int], tuple[NDArray[np.floating], ...]]
) -> tuple[Values, ...]:
    """What is *made* for each judged day, [series, days]."""
    columns = [made(day) for day in protocol.judged_days]
    found = tuple(np.full((series, protocol.last_day + 1), np.nan) for _ in columns[0])
    for whole, parts in zip(found, zip(*columns, strict=True), strict=True):
        whole[:, protocol.first_day :] = np.stack(parts, axis=1)
    return found


def _scores(values: Mapping[Resource, Values], facts: Facts) -> dict[Resource, ResourceScores]:
    return {resource: facts[resource].scores(each, np.zeros(each.shape)) for resource, each in values.items()}
