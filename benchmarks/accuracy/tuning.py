"""Constants tuned on one set or half of one, judged on all others: does the choice of constants generalise?

Units are sets, and the halves of sets by series. On each unit the constants of least cost are chosen among
those that keep the limits there, and scored on every unit that shares no series with it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from app.backtest.learning import replay_profiler
from app.backtest.scores import DayScores
from app.domain.profiles import Resource, RiskLevel
from app.recommendation.rules import ResourceRule, rules_at
from benchmarks.accuracy import goals
from benchmarks.accuracy.frontiers import cost_in_cores
from benchmarks.accuracy.recorded_set import RecordedSet

_WHOLE = 2
_NORMAL = rules_at(RiskLevel.NORMAL)
Rules = Sequence[ResourceRule]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A set (half 2) or one half of it (0, 1): KRR's scores, and ours with each rule."""

    name: str
    half: int
    krr: DayScores
    ours: tuple[DayScores, ...]

    def overlaps(self, other: "Unit") -> bool:
        """True if both have series in common."""
        return self.name == other.name and (self.half == other.half or _WHOLE in {self.half, other.half})


@dataclass(frozen=True, slots=True)
class Cell:
    """Constants tuned on one unit and judged on another: our scores as shares of KRR's."""

    tuned_on: str
    judged_on: str
    constants: str
    cost: float  # L36 (CPU)
    waste: float
    days_above: float


def cpu_rules() -> Rules:
    """Prices and least savings around those of the rule."""
    return [
        replace(_NORMAL[Resource.CPU], price=price, min_saving=saving)
        for price, saving in product((25, 29, 34, 40, 48), (0.02, 0.04, 0.06))
    ]


def memory_rules() -> Rules:
    """Prices, largest widths and first steps around those of the rule."""
    rule = _NORMAL[Resource.MEMORY]
    return [
        replace(rule, price=price, spread=replace(rule.spread, max_width=width, prior_step=step))
        for price, width, step in product((4.5, 6, 7.5, 10), (0.1, 0.15, 0.2), (0.05, 0.1))
    ]


def units(sets: Sequence[RecordedSet], resource: Resource, rules: Rules) -> Iterator[Unit]:
    """The sets and their halves, each rule replayed on each set once."""
    for of_set in sets:
        krr = of_set.of("krr", resource)
        ours = tuple(_replayed(of_set, resource, rule) for rule in rules)
        for half in (0, 1):
            flags = of_set.half(half)
            yield Unit(of_set.name, half, krr.of(flags), tuple(scores.of(flags) for scores in ours))
        yield Unit(of_set.name, _WHOLE, krr, ours)


def cpu_cells(sets: Sequence[RecordedSet]) -> list[Cell]:
    """L36 of the constants that are best on one unit, on all others."""
    return _cells(
        sets, Resource.CPU, cpu_rules(), partial(_best, keeps=_keeps_cpu_limits, cost=cost_in_cores)
    )


def memory_cells(sets: Sequence[RecordedSet]) -> list[Cell]:
    """Waste and days above of the constants that waste least on one unit, on all others."""
    return _cells(
        sets, Resource.MEMORY, memory_rules(), partial(_best, keeps=_keeps_memory_limits, cost=_waste)
    )


def _cells(
    sets: Sequence[RecordedSet], resource: Resource, rules: Rules, best_on: Callable[[Unit], int]
) -> list[Cell]:
    listed = list(units(sets, resource, rules))
    return [
        _cell(tuned, judged, rules[best], best)
        for tuned in listed
        for best in [best_on(tuned)]
        for judged in listed
        if not tuned.overlaps(judged)
    ]


def _replayed(of_set: RecordedSet, resource: Resource, rule: ResourceRule) -> DayScores:
    scorer, replay = of_set.replay.scorers[resource], of_set.replay
    published = replay_profiler(
        replay.features[resource], rule, replay.period, scorer.time_above_on, lambda: None
    )
    return scorer.day_scores(published.values, published.changes)


def _best(
    unit: Unit, *, keeps: Callable[[DayScores, DayScores], bool], cost: Callable[[DayScores], float]
) -> int:
    """The number of the rule that costs least on *unit*, of those that keep the limits there."""
    kept = [number for number, scores in enumerate(unit.ours) if keeps(scores, unit.krr)]
    return min(kept or range(len(unit.ours)), key=lambda number: cost(unit.ours[number]))


def _keeps_cpu_limits(ours: DayScores, krr: DayScores) -> bool:
    return bool(
        ours.above.mean() <= goals.TIME_ABOVE
        and ours.is_below_half_of_p95.mean() <= goals.days_below_half_of_p95(krr)
        and ours.changes.mean() <= goals.CPU_CHANGES
        and ours.over.sum() <= goals.CPU_OVERUSE * krr.over.sum()
        and ours.unused.sum() <= goals.CPU_WASTE * krr.unused.sum()
    )


def _keeps_memory_limits(ours: DayScores, krr: DayScores) -> bool:
    return bool(
        ours.is_above.sum() <= 0.9 * krr.is_above.sum()
        and ours.is_far_above.sum() <= 0.95 * krr.is_far_above.sum()
        and ours.over.sum() <= 1.1 * krr.over.sum()
    )


def _waste(scores: DayScores) -> float:
    return float(scores.unused.sum())


def _cell(tuned: Unit, judged: Unit, rule: ResourceRule, number: int) -> Cell:
    ours, krr = judged.ours[number], judged.krr
    constants = (
        f"price {rule.price:g}, width {rule.spread.max_width:g}, first step {rule.spread.prior_step:g}"
        if rule.by_maximum
        else f"price {rule.price:g}, saving {rule.min_saving:g}"
    )
    return Cell(
        _named(tuned),
        _named(judged),
        constants,
        cost_in_cores(ours) / cost_in_cores(krr),
        _waste(ours) / max(_waste(krr), 1e-12),
        float(ours.is_above.sum() / max(krr.is_above.sum(), 1)),
    )


def _named(unit: Unit) -> str:
    half: Mapping[int, str] = {0: " (even)", 1: " (odd)", _WHOLE: ""}
    return unit.name + half[unit.half]
