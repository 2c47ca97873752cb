"""The limits that our policy has to keep, and the measures beside them.

Limits of single sets are for sets of at least 300 judged days; of memory also 20 exceedances of KRR's value.
KRR's values are those with its floors.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.backtest.node_packing import NODES, NodePacker
from app.backtest.scores import DayScores
from app.domain.profiles import Resource, RiskLevel
from benchmarks.accuracy import goals
from benchmarks.accuracy.frontiers import (
    at_days_above,
    cost_in_cores,
    geometric_mean,
    interpolate,
    overuse_at_waste,
    resampled_overuse_at_waste,
)
from benchmarks.accuracy.recorded_set import LARGE_SERIES, RecordedSet
from benchmarks.accuracy.subsets import SubsetStatements
from benchmarks.accuracy.tuning import Cell

CPU, MEMORY = Resource.CPU, Resource.MEMORY
_SEEDS = (1, 2, 3)  # of the orders of packing


@dataclass(frozen=True, slots=True)
class Check:
    """A measure on a set beside its limits; without any it is only reported. NaN reaches no limit."""

    measure: str
    on: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def has_limit(self) -> bool:
        """True if the measure is held against a limit."""
        return self.at_most is not None or self.at_least is not None

    @property
    def is_reached(self) -> bool:
        """True if the value keeps its limits."""
        above = self.at_most is None or self.value <= self.at_most
        return above and (self.at_least is None or self.value >= self.at_least)

    @property
    def verdict(self) -> str:
        """'reached', 'NOT REACHED', or nothing without a limit."""
        if not self.has_limit:
            return ""
        return "reached" if self.is_reached else "NOT REACHED"


def cpu_checks(sets: Sequence[RecordedSet], random: np.random.Generator) -> Iterator[Check]:
    """CPU beside KRR: at equal waste, at `normal` and at `low`, and the sets that are too small for that."""
    large = [of_set for of_set in sets if of_set.is_large]
    resampled, ratios = [], []
    for of_set in large:
        frontier, krr = of_set.frontier(CPU), of_set.of("krr", CPU)
        ratios.append(overuse_at_waste(frontier, krr))
        resampled.append(resampled_overuse_at_waste(frontier, krr, of_set.series, random))
        measure = "CPU overuse at KRR's waste, of KRR's"
        yield Check(measure, of_set.name, ratios[-1], 0.97, note=_interval(resampled[-1]))
    if large:
        means = np.exp(np.mean(np.log(resampled), axis=0))
        measure = "CPU overuse at KRR's waste, geometric mean"
        yield Check(measure, "all", geometric_mean(ratios), 0.83, note=_interval(means))
    for of_set in large:
        yield from _cpu_of_set(of_set)
    small = [of_set for of_set in sets if not of_set.is_large]
    by_days = [of_set for of_set in small if not of_set.replay.period.is_short_past]
    for group, title in ((by_days, "small sets"), (small, "small sets and short pasts")):
        if group:
            costs = [_cost_of_krr(of_set) for of_set in group]
            yield Check("CPU L36, of KRR's", f"{title}, pooled", float(np.mean(costs)), 0.97)
    for of_set in small:
        yield Check("CPU L36, of KRR's", of_set.name, _cost_of_krr(of_set))


def _cpu_of_set(of_set: RecordedSet) -> Iterator[Check]:
    name, krr, ours = of_set.name, of_set.of("krr", CPU), of_set.of("normal", CPU)
    low, below_half = of_set.of("low", CPU), goals.days_below_half_of_p95(krr)
    yield Check("CPU L36, of KRR's", name, _cost_of_krr(of_set), 0.92)
    yield Check("CPU time above", name, float(ours.above.mean()), goals.TIME_ABOVE)
    yield Check("CPU waste, of KRR's", name, _ratio(ours, krr, "unused"), goals.CPU_WASTE)
    yield Check("CPU overuse, of KRR's", name, _ratio(ours, krr, "over"), goals.CPU_OVERUSE)
    yield Check("CPU days below half of P95", name, float(ours.is_below_half_of_p95.mean()), below_half)
    yield Check("CPU time above at low", name, float(low.above.mean()), 0.014)
    yield Check("CPU changes a day", name, float(ours.changes.mean()), goals.CPU_CHANGES)


def memory_checks(sets: Sequence[RecordedSet]) -> Iterator[Check]:
    """Memory beside KRR: at equal days above, at `normal` and at `low`."""
    for of_set in (of_set for of_set in sets if of_set.has_memory):
        name, krr, ours = of_set.name, of_set.of("krr", MEMORY), of_set.of("normal", MEMORY)
        low, frontier = of_set.of("low", MEMORY), of_set.frontier(MEMORY)
        yield Check("memory waste at KRR's days", name, at_days_above(frontier, krr, "unused"), 0.95)
        yield Check("memory MiB over at KRR's days", name, at_days_above(frontier, krr, "over"), 1.5)
        yield Check("memory waste, of KRR's", name, _ratio(ours, krr, "unused"), 1)
        yield Check("memory days above, of KRR's", name, _ratio(ours, krr, "is_above"), 1)
        yield Check("memory days above by 10 %, of KRR's", name, _ratio(ours, krr, "is_far_above"), 1)
        yield Check("memory MiB over, of KRR's", name, _ratio(ours, krr, "over"), 1.15)
        limit = max(0.012, 0.75 * float(krr.is_above.mean()))
        yield Check("memory days above at low", name, float(low.is_above.mean()), limit)
        yield Check("memory changes a day", name, float(ours.changes.mean()), 0.20)


def packing_checks(sets: Sequence[RecordedSet]) -> Iterator[Check]:
    """Core-hours unmet at KRR's number of nodes, with KRR's memory values for all; and at other seeds."""
    for of_set in (of_set for of_set in sets if of_set.is_large):
        value, *others = (_unmet_at_krrs_nodes(of_set, replace(NODES, seed=seed)) for seed in _SEEDS)
        limit = 0.65 if of_set.series >= LARGE_SERIES else None
        note = "other seeds: " + ", ".join(f"{other:.2f}" for other in others)
        yield Check("packing: unmet at KRR's nodes, of KRR's", of_set.name, value, limit, note=note)


def _unmet_at_krrs_nodes(of_set: RecordedSet, packer: NodePacker) -> float:
    """NaN where KRR's values leave nothing unmet."""
    replay, krr = of_set.replay, of_set.replay.policies["krr"].values
    lanes, mask = replay.usage.lanes[CPU], replay.evaluation_mask
    of_krr = packer.pack(lanes, mask, krr)
    if not of_krr or not of_krr.unmet_core_hours:
        return float("nan")
    at_prices = [
        packing
        for point in replay.frontier[CPU]
        if (packing := packer.pack(lanes, mask, {CPU: point.values, MEMORY: krr[MEMORY]}))
    ]
    nodes, unmet = ([getattr(one, name) for one in at_prices] for name in ("nodes", "unmet_core_hours"))
    return interpolate(nodes, unmet, of_krr.nodes) / of_krr.unmet_core_hours


def subset_checks(statements: Mapping[RiskLevel, SubsetStatements]) -> Iterator[Check]:
    """Statements on 200 subsets of 12 series with 7 days of past."""
    for risk, of_level in statements.items():
        on = f"subsets, {risk.value}"
        yield Check("CPU bound held", on, of_level.held, 0.95, 0.88)
        note = f"came {of_level.came:.2%}, stated {of_level.stated:.2%}"
        yield Check("CPU time above came / stated", on, of_level.ratio, 1.3, 1 / 1.3, note)


def updater_checks(sets: Sequence[RecordedSet]) -> Iterator[Check]:
    """VPA's updater with our recommendations beside those of VPA's recommender."""
    for of_set in (of_set for of_set in sets if of_set.is_large):
        ours, vpa = of_set.replay.updater["normal"], of_set.replay.updater["vpa"]
        name = of_set.name
        yield Check("updater: actions, of VPA's", name, _share(ours.actions, vpa.actions), 0.3)
        yield Check("updater: actions a day", name, ours.actions, 0.2, note=f"VPA {vpa.actions:.3f}")
        yield Check("updater: below the lower bound a day", name, ours.actions_below, 0.08)
        for resource, unit in ((CPU, "cores"), (MEMORY, "MiB")):
            over = _share(ours.overuse[resource], vpa.overuse[resource])
            yield Check(f"updater: overuse in {unit}, of VPA's", name, over, 1)


def tuning_checks(cpu: Sequence[Cell], memory: Sequence[Cell]) -> Iterator[Check]:
    """Constants tuned on one unit and judged on others."""
    if cpu:
        costs, on = [cell.cost for cell in cpu], f"{len(cpu)} cells"
        yield Check("tuned on A, judged on B: L36, largest", on, max(costs), 1.0)
        yield Check("tuned on A, judged on B: L36, mean", on, float(np.mean(costs)), 0.92)
    if memory:
        above = sum(cell.waste > 1 and cell.days_above > 1 for cell in memory)
        measure = "tuned on A, judged on B: memory above KRR in both"
        yield Check(measure, f"{len(memory)} cells", above, 0)


def _cost_of_krr(of_set: RecordedSet) -> float:
    return cost_in_cores(of_set.of("normal", CPU)) / cost_in_cores(of_set.of("krr", CPU))


def _ratio(ours: DayScores, krr: DayScores, name: str) -> float:
    return _share(float(getattr(ours, name).sum()), float(getattr(krr, name).sum()))


def _share(ours: float, others: float) -> float:
    """*ours* as a share of *others*; nothing of nothing is 0."""
    if others:
        return ours / others
    return float("inf") if ours else 0.0


def _interval(resampled: np.ndarray) -> str:
    """The 90 % interval of resampled values, of those within the range of prices."""
    within = resampled[np.isfinite(resampled)]
    if not len(within):
        return "90 %: out of range"
    low, high = np.quantile(within, (0.05, 0.95))
    return f"90 %: {low:.2f} to {high:.2f}, {len(within) / len(resampled):.0%} in range"
