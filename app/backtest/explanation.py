"""Explanation of one container's value: days, cost, raises, and the values of other policies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures, with_today
from app.backtest.peers import PEERS
from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.history.samples import HOURS_PER_DAY
from app.recommendation.bands import LEVELS
from app.recommendation.calibration import bound_scale
from app.recommendation.choice import choose, exceeded_today, least_cost
from app.recommendation.cost import costs_of, risk_of
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.policy import LEARNING_DAYS
from app.recommendation.recency import recency_weights
from app.recommendation.rules import ResourceRule, rules_at
from app.recommendation.series_table import SeriesTable
from app.recommendation.short_past import short_past_raise
from app.recommendation.stated_risk import BOUND_SCALE, exceedance_bound, expected_exceedance, worst_past_day

_SHOWN_LEVELS = tuple(map(LEVELS.index, (0.5, 0.95, 0.985, 1.0)))


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """The usage of one resource by one container, with the usage of all containers that were read."""

    usage: Usage
    resource: Resource
    series: int

    @property
    def container(self) -> Container:
        """The container."""
        return self.usage.containers[self.series]

    @property
    def lanes(self) -> Lanes:
        """The container's own usage."""
        return self.usage.lanes[self.resource].select([self.series])


@dataclass(frozen=True, slots=True)
class WindowDay:
    """One day of the window: its coverage in [0, 1], some of its quantiles, and its weight in the choice."""

    day: int  # since 1970
    coverage: float
    quantiles: tuple[float, ...]  # P50, P95, P98.5, maximum
    weight: float


@dataclass(frozen=True, slots=True)
class PricedValue:
    """A value with the risk and cost (cores or bytes) that it would have had on the days of the window."""

    value: float
    risk: float
    cost: float


@dataclass(frozen=True, slots=True)
class BoundScale:
    """The scale of the stated bound, and the number of workloads whose past statements calibrate it."""

    scale: float = BOUND_SCALE
    workloads: int = 0


@dataclass(frozen=True, slots=True)
class Siblings:
    """Number and median value of the siblings.

    Siblings are the containers of the same name, in workloads of the same kind and name in other namespaces,
    with at least one day of history.
    """

    count: int
    median: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of the value of one resource of one container.

    `samples` counts the samples of the `history_days` days up to `today`, which is in `days` only if
    `today_counts`. `base` is the value of least cost, `short_past` the share by which it is raised
    because the past is short. If `siblings` is set, their median is the value instead. `expected`
    is the stated risk. `at_most` (CPU only) is the bound on the time above the value that holds on nine of
    ten days.
    """

    container: Container
    resource: Resource
    rule: ResourceRule
    samples: int
    replicas: int
    history_days: int
    today: int  # since 1970
    days: tuple[WindowDay, ...]
    today_counts: bool
    base: PricedValue
    short_past: float
    siblings: Siblings | None
    chosen: PricedValue
    expected: float
    at_most: float | None
    others: Mapping[str, PricedValue]


def bound_scale_of(usage: Usage, risk: RiskLevel) -> BoundScale:
    """The scale of the bound that the profiler would compute from *usage* alone, as of its end."""
    table = SeriesTable(
        {(container.workload, container.container): n for n, container in enumerate(usage.containers)}
    )
    sample = table.sampled_series
    lanes = usage.lanes[Resource.CPU].select(sample.tolist())
    days = DayFeatures(lanes, GRIDS[Resource.CPU]).before(usage.days - 1)
    scale = bound_scale(days, rules_at(risk)[Resource.CPU])
    return BoundScale(scale, len(np.unique(table.owner[sample])))


def explain(subject: ContainerUsage, risk: RiskLevel, bound: BoundScale = BoundScale()) -> Explanation | None:
    """Explains the choice for *subject* as of the end of its usage; None without samples in the window."""
    usage, lanes = subject.usage, subject.lanes
    features = DayFeatures(lanes, GRIDS[subject.resource])
    rule = rules_at(risk)[subject.resource]
    days, today_counts = _days(features, usage.days - 1, rule)
    if not days.time_seen_days[0]:
        return None
    value = float(choose(days, rule)[0])
    is_young = features.before(usage.days - 1).time_seen_days[0] < 1
    siblings = _siblings(subject, rule) if is_young else None
    if siblings and siblings.median <= value:
        siblings = None
    chosen = _price(siblings.median if siblings else value, days, rule)
    worst = worst_past_day(np.array([chosen.value], dtype=np.float32), days)
    expected = float(
        expected_exceedance(np.array([chosen.risk], dtype=np.float32), days.time_seen_days, rule)[0]
    )
    at_most = float(exceedance_bound(worst, days.time_seen_days, bound.scale)[0])
    return Explanation(
        container=subject.container,
        resource=subject.resource,
        rule=rule,
        samples=int(np.isfinite(lanes.values[:, -LEARNING_DAYS - 1 :]).sum()),
        replicas=len(lanes.values),
        history_days=min(usage.days, LEARNING_DAYS + 1),
        today=usage.first_day + usage.days - 1,
        days=_window_days(usage, days),
        today_counts=today_counts,
        base=_price(float(least_cost(days, rule)[0]), days, rule),
        short_past=float(short_past_raise(days, rule)[0]),
        siblings=siblings,
        chosen=chosen,
        expected=expected,
        at_most=None if rule.by_maximum else max(at_most, expected),
        others=_other_policies(subject, days, rule),
    )


def _siblings(subject: ContainerUsage, rule: ResourceRule) -> Siblings | None:
    usage = subject.usage
    series = [
        number
        for number, container in enumerate(usage.containers)
        if number != subject.series and _are_siblings(container, subject.container)
    ]
    if not series:
        return None
    lanes = usage.lanes[subject.resource].select(series)
    days = DayFeatures(lanes, GRIDS[subject.resource]).before(usage.days - 1)
    established = days[days.time_seen_days >= 1]
    if not len(established):
        return None
    return Siblings(len(established), float(np.median(choose(established, rule))))


def _are_siblings(left: Container, right: Container) -> bool:
    return (left.workload.kind, left.workload.name, left.container) == (
        right.workload.kind,
        right.workload.name,
        right.container,
    )


def _days(features: DayFeatures, today: int, rule: ResourceRule) -> tuple[DaySummaries, bool]:
    """The days of the choice, and True if they include today.

    Today is included if less than one day of history precedes it, or if today's usage outgrew the value of
    the days before.
    """
    days, partial = features.before(today), features.until(today, HOURS_PER_DAY)
    extended = with_today(days, partial, np.arange(features.series))
    if days.time_seen_days[0] < 1:
        return extended, True
    value = choose(days, rule)
    is_exceeded = exceeded_today(value, partial.quantiles, partial.share, rule)[0]
    rises = is_exceeded and choose(extended, rule)[0] > value[0]
    return (extended, True) if rises else (days, False)


def _price(value: float, days: DaySummaries, rule: ResourceRule) -> PricedValue:
    values = np.array([value], dtype=np.float32)
    cost = costs_of(values[:, np.newaxis], days, rule)
    return PricedValue(value, float(risk_of(values, days, rule)[0]), float(cost[0, 0]))


def _window_days(usage: Usage, days: DaySummaries) -> tuple[WindowDay, ...]:
    weights = recency_weights(days.share)[0]
    first = usage.first_day + usage.days - days.share.shape[1]
    return tuple(
        WindowDay(
            first + position,
            float(days.share[0, position]),
            tuple(days.quantiles[0, position, list(_SHOWN_LEVELS)].tolist()),
            float(weights[position]),
        )
        for position in np.flatnonzero(days.share[0] > 0).tolist()
    )


def _other_policies(
    subject: ContainerUsage, days: DaySummaries, rule: ResourceRule
) -> dict[str, PricedValue]:
    """The values of all risk levels, of other tools' rules and of today's request, on the same days."""
    resource, lanes = subject.resource, subject.lanes
    arrays: dict[str, NDArray[np.float64]] = {
        risk.value: choose(days, rules_at(risk)[resource]) for risk in RiskLevel
    }
    next_day = lanes.values.shape[1]
    arrays |= {
        name: rules[resource](lanes, next_day) for name, rules in PEERS.items() if name != "clairvoyant"
    }
    arrays["requests"] = subject.usage.requests[resource][subject.series : subject.series + 1]
    values = {name: float(array[0]) for name, array in arrays.items()}
    return {name: _price(value, days, rule) for name, value in values.items() if np.isfinite(value) and value}
