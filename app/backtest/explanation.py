"""Where the number of one container comes from: days, candidates, margins, and what others would give."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures
from app.backtest.peers import PEERS
from app.backtest.protocol import WINDOW_DAYS
from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.history.samples import STEPS_PER_DAY
from app.recommendation.calibration import bound_scale
from app.recommendation.candidates import candidate_values, little_history
from app.recommendation.choice import cheapest, choose, outgrown
from app.recommendation.cost import PricedCandidates, day_weights, priced
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import LEVELS, Candidate, ResourceRule, rules_at
from app.recommendation.series_table import SeriesTable
from app.recommendation.stated_risk import BOUND_SCALE, at_most_above, expected_above, worst_past_day

SHOWN_CANDIDATES = 5
_SHOWN_LEVELS = tuple(map(LEVELS.index, (0.5, 0.95, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class ContainerPast:
    """What is explained: the usage of one resource by one container, and all others' beside it."""

    usage: Usage
    resource: Resource
    series: int

    @property
    def container(self) -> Container:
        """The container."""
        return self.usage.containers[self.series]

    @property
    def lanes(self) -> Lanes:
        """Its own usage."""
        return self.usage.lanes[self.resource].of([self.series])


@dataclass(frozen=True, slots=True)
class DaySeen:
    """One day of the window: how much of it was seen, some of its quantiles, and its weight in the choice."""

    day: int  # since 1970
    share: float
    quantiles: tuple[float, ...]  # P50, P95, P99, maximum
    weight: float


@dataclass(frozen=True, slots=True)
class PricedValue:
    """A value, and the slack and risk that it would have had on the window's days."""

    value: float
    slack: float
    risk: float
    cost: float


@dataclass(frozen=True, slots=True)
class BoundScale:
    """The scale of the stated bound, and how many workloads' past statements it rests on."""

    scale: float = BOUND_SCALE
    workloads: int = 0


@dataclass(frozen=True, slots=True)
class Siblings:
    """The containers of the same name in workloads of the same name elsewhere, known for a day or longer."""

    count: int
    median: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one resource of one container; `elapsed` is the share of the last day that has passed.

    `base` is the chosen candidate's value before what is added for `little_history`. Where `siblings` stand
    there, their median is the value in place of both. `at_most` is the bound that nine days of ten keep to,
    of CPU alone.
    """

    container: Container
    resource: Resource
    rule: ResourceRule
    samples: int
    replicas: int
    days: tuple[DaySeen, ...]
    today_counts: bool
    candidate: Candidate
    base: float
    little_history: float
    siblings: Siblings | None
    chosen: PricedValue
    expected: float
    at_most: float | None
    best: tuple[tuple[Candidate, PricedValue], ...]
    others: Mapping[str, PricedValue]


def bound_scale_of(usage: Usage, risk: RiskLevel) -> BoundScale:
    """The scale that the profiler would find for the bound as of the end of *usage*, knowing just that."""
    table = SeriesTable({(of.workload, of.container): number for number, of in enumerate(usage.containers)})
    sample = table.sample
    lanes = usage.lanes[Resource.CPU].of(sample.tolist())
    days = DayFeatures(lanes, GRIDS[Resource.CPU]).before(usage.days - 1)
    scale = bound_scale(days, rules_at(risk)[Resource.CPU])
    return BoundScale(scale, len(np.unique(table.owner[sample])))


def explain(
    past: ContainerPast, risk: RiskLevel, elapsed: float, bound: BoundScale = BoundScale()
) -> Explanation | None:
    """The choice for *past* as of its end, *elapsed* of whose last day has passed.

    None where no sample was seen in the window.
    """
    usage, lanes = past.usage, past.lanes
    features = DayFeatures(lanes, GRIDS[past.resource])
    rule = rules_at(risk)[past.resource]
    days, today_counts = _days(features, usage.days - 1, rule, elapsed)
    if not days.length[0]:
        return None
    now = elapsed if today_counts else 0.0
    considered = priced(candidate_values(days, rule), days, rule, elapsed=now)
    choice = cheapest(considered, days, rule)
    number, base = int(choice.candidate[0]), float(considered.values[0, choice.candidate[0]])
    is_young = features.before(usage.days - 1).length[0] < 1
    siblings = _siblings(past, rule) if is_young else None
    if siblings and siblings.median <= choice.value[0]:
        siblings = None
    chosen = _considered(siblings.median if siblings else float(choice.value[0]), days, rule, now)
    worst = worst_past_day(np.array([chosen.value], dtype=np.float32), days)
    expected = float(expected_above(np.array([chosen.risk], dtype=np.float32), days.length, rule)[0])
    at_most = float(at_most_above(worst, days.length, bound.scale)[0])
    return Explanation(
        container=past.container,
        resource=past.resource,
        rule=rule,
        samples=int(np.isfinite(lanes.values[:, -WINDOW_DAYS - 1 :]).sum()),
        replicas=len(lanes.values),
        days=_days_seen(usage, days, rule, now),
        today_counts=today_counts,
        candidate=rule.candidate(number),
        base=base,
        little_history=float(little_history(days, rule)[0]),
        siblings=siblings,
        chosen=chosen,
        expected=expected,
        at_most=None if rule.by_maximum else max(at_most, expected),
        best=_best(considered, rule),
        others=_others(past, days, rule, now),
    )


def _siblings(past: ContainerPast, rule: ResourceRule) -> Siblings | None:
    """Those that are known for a day or longer, and the median of what is chosen for them."""
    usage, of = past.usage, past.container
    named = [
        number for number, each in enumerate(usage.containers) if number != past.series and _alike(each, of)
    ]
    if not named:
        return None
    days = DayFeatures(usage.lanes[past.resource].of(named), GRIDS[past.resource]).before(usage.days - 1)
    elders = days[days.length >= 1]
    if not len(elders):
        return None
    return Siblings(len(elders), float(np.median(choose(elders, rule).value)))


def _alike(one: Container, other: Container) -> bool:
    return (one.workload.kind, one.workload.name, one.container) == (
        other.workload.kind,
        other.workload.name,
        other.container,
    )


def _days(features: DayFeatures, today: int, rule: ResourceRule, elapsed: float) -> tuple[DaySummaries, bool]:
    """The days of the choice: today counts for a young container, and for one that outgrew its past."""
    days, seen = features.before(today), features.until(today, 24)
    with_today = DaySummaries(days.quantiles.copy(), days.share.copy())
    with_today.quantiles[:, -1], with_today.share[:, -1] = seen.quantiles, seen.share
    if days.length[0] < 1:
        return with_today, True
    choice = choose(days, rule)
    is_outgrown = outgrown(choice.value, choice.risk, seen.quantiles, seen.share, rule)[0]
    rises = is_outgrown and choose(with_today, rule, elapsed=elapsed).value[0] > choice.value[0]
    return (with_today, True) if rises else (days, False)


def _considered(value: float, days: DaySummaries, rule: ResourceRule, elapsed: float) -> PricedValue:
    told = priced(np.array([[value]], dtype=np.float32), days, rule, elapsed=elapsed)
    return PricedValue(value, float(told.slack[0, 0]), float(told.risk[0, 0]), float(told.cost(rule)[0, 0]))


def _days_seen(usage: Usage, days: DaySummaries, rule: ResourceRule, elapsed: float) -> tuple[DaySeen, ...]:
    weights = day_weights(days, rule, elapsed=elapsed)[0]
    first = usage.first_day + usage.days - days.share.shape[1]
    return tuple(
        DaySeen(
            first + place,
            float(days.share[0, place]),
            tuple(days.quantiles[0, place, list(_SHOWN_LEVELS)].tolist()),
            float(weights[place]),
        )
        for place in np.flatnonzero(days.share[0] > 0).tolist()
    )


def _best(considered: PricedCandidates, rule: ResourceRule) -> tuple[tuple[Candidate, PricedValue], ...]:
    """The cheapest candidates; of those that come to the same value the first one."""
    cost = considered.cost(rule)[0]
    found: dict[float, tuple[Candidate, PricedValue]] = {}
    for number in np.argsort(cost, kind="stable").tolist():
        value = float(considered.values[0, number])
        one = PricedValue(
            value, float(considered.slack[0, number]), float(considered.risk[0, number]), float(cost[number])
        )
        found.setdefault(value, (rule.candidate(number), one))
        if len(found) == SHOWN_CANDIDATES:
            break
    return tuple(found.values())


def _others(
    past: ContainerPast, days: DaySummaries, rule: ResourceRule, elapsed: float
) -> dict[str, PricedValue]:
    """The other risk levels, the other tools' rules and today's request, judged on the same days."""
    values: dict[str, NDArray[np.float64]] = {
        risk.value: choose(days, rules_at(risk)[past.resource], elapsed=elapsed).value.astype(np.float64)
        for risk in RiskLevel
    }
    lanes = past.lanes
    after = lanes.values.shape[1]
    values |= {
        name: rules[past.resource](lanes, after) for name, rules in PEERS.items() if name != "clairvoyant"
    }
    values["requests"] = past.usage.requests[past.resource][past.series : past.series + 1]
    known = {name: float(each[0]) for name, each in values.items()}
    return {
        name: _considered(value, days, rule, elapsed)
        for name, value in known.items()
        if np.isfinite(value) and value
    }


def elapsed_of(step: int) -> float:
    """The share of its UTC day that has passed at the end of *step*."""
    return ((step - 1) % STEPS_PER_DAY + 1) / STEPS_PER_DAY
