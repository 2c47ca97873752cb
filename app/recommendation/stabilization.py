"""Stabilization: the published value of a workload stays until a change is worth it.

The value of a workload is the sum over the running containers of one Pod, the largest if Pods differ. The
published value is split among them in proportion to the newest choice, so the number in the profile is the
only state that must be remembered: the same days and the same published value give the same decision, on any
leader and however often.

1. A new choice replaces the published value if that saves more than `min_saving` of its cost (the sum of the
   containers' costs). A value falls at most once a day; it may fall at any time if its
   history is shorter than a day, or if another writer changed it.
2. Within the day a value only rises, and only if today alone has outgrown it.
3. While pressure raises a value, it changes if the change is more than 5 % of it: the cost does not contain
   pressure.
"""

from dataclasses import dataclass

import numpy as np

from app.history.padding import pad
from app.recommendation.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from app.recommendation.choice import choose, is_outgrown, is_worthwhile
from app.recommendation.choice_cache import ChoiceCache, split_blocks
from app.recommendation.cost import costs_of
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.kill_needs import Raises
from app.recommendation.pod_roles import NO_ROLES, PodRoles
from app.recommendation.rules import ResourceRule

_LEAST_CHANGE_UNDER_PRESSURE = 0.05


@dataclass(frozen=True, slots=True)
class SeriesGroups:
    """The running series of *count* workloads; `group[k]` is the workload of `series[k]`, from 0."""

    series: Int64Array
    group: Int64Array
    count: int
    roles: PodRoles = NO_ROLES

    def need(self, amounts: Float64Array) -> Float64Array:
        """The sum of *amounts* [series] over each workload's Pod, its largest one if they differ, [count]."""
        return self.roles.largest(self.total(amounts), amounts)

    def total(self, amounts: Float64Array | Float32Array) -> Float64Array:
        """The sum of *amounts* [series] over each workload, [count]."""
        total: Float64Array = np.bincount(self.group, amounts, self.count).astype(np.float64)
        return total

    def any(self, flags: BoolArray) -> BoolArray:
        """True for each workload with a flagged series, [count]."""
        return self.total(flags.astype(np.float64)) > 0

    def select(self, workloads: BoolArray) -> "SeriesGroups":
        """The series of the flagged *workloads*, which are renumbered from 0."""
        renumbered, kept = workloads.cumsum() - 1, workloads[self.group]
        return SeriesGroups(
            self.series[kept],
            renumbered[self.group[kept]],
            int(workloads.sum()),
            self.roles.select(workloads, kept),
        )


@dataclass(slots=True)
class StabilizationState:
    """The published value of each workload [count], and the choice of each of their series [series]."""

    published: Float64Array  # NaN for none
    may_fall: BoolArray
    chosen: Float64Array
    raises: Raises  # of each series, by pressure
    today_counts: BoolArray  # whether today is among the days of the choice

    def select(self, workloads: BoolArray | slice, series: BoolArray) -> "StabilizationState":
        """The state of *workloads* and of their *series* only."""
        return StabilizationState(
            self.published[workloads],
            self.may_fall[workloads],
            self.chosen[series],
            self.raises.select(series),
            self.today_counts[series],
        )

    def needs(self, members: SeriesGroups) -> Float64Array:
        """The need of each workload by the choice, [count]."""
        return members.need(self.raises.apply(self.chosen))

    def kept_values(self, members: SeriesGroups) -> Float64Array:
        """Each series' share of the published value, before any raise, [series]."""
        kept: Float64Array = self.chosen * self._kept_ratio(members)
        return kept

    def published_values(self, members: SeriesGroups) -> Float64Array:
        """Each series' share of the published value, [series]."""
        published: Float64Array = self.raises.apply(self.chosen) * self._kept_ratio(members)
        return published

    def _kept_ratio(self, members: SeriesGroups) -> Float64Array:
        """The published value by the need, of each series' workload; 1 without a published value."""
        is_published = self.published > 0
        ratio = np.divide(self.published, self.needs(members), out=np.ones(members.count), where=is_published)
        by_series: Float64Array = ratio[members.group]
        return by_series


class Stabilizer:
    """Stabilizes the values of one resource; its state is a cache of derived data."""

    def __init__(self, summaries: DaySummaryCache, choices: ChoiceCache) -> None:
        self._summaries, self._choices = summaries, choices
        # By series: the kept value that was priced, the cost of the choice, and what the choice saves.
        self._kept = np.empty(0)
        self._saving, self._cost = (np.empty(0, dtype=np.float32) for _ in range(2))
        self._price = np.empty(0)  # at which they were priced

    def refresh(self, *, is_invalid: bool) -> None:
        """Make room for new series; drop all prices if *is_invalid*, that is if the closed days have changed.

        The prices of series with a short history are always dropped, because today's samples count for them.
        """
        size, kept = self._summaries.size, slice(0 if is_invalid else None)
        self._kept, self._price = pad(self._kept[kept], size, np.nan), pad(self._price[kept], size, 0)
        self._saving, self._cost = pad(self._saving[kept], size, 0), pad(self._cost[kept], size, 0)
        self._kept[self._choices.has_short_history] = np.nan

    def decide(self, members: SeriesGroups, state: StabilizationState, rule: ResourceRule) -> Float64Array:
        """The new value of each workload: the published or the chosen one, [count]."""
        needs, is_published = state.needs(members), state.published > 0
        self.update_prices(members, state, rule)
        saving, cost = (members.total(amounts[members.series]) for amounts in (self._saving, self._cost))
        deviates = np.abs(needs - state.published) > _LEAST_CHANGE_UNDER_PRESSURE * state.published
        pays = np.where(members.any(state.raises.are_any), deviates, is_worthwhile(saving, cost, rule))
        moves = ~is_published | (pays & ((needs > state.published) | state.may_fall))
        values = np.where(moves, needs, state.published)
        exceeded = ~moves & members.any(self._exceeded_today(members, state.published_values(members), rule))
        if exceeded.any():
            self._raise_within_day(members, state, exceeded, values, rule)
        return values

    def update_prices(self, members: SeriesGroups, state: StabilizationState, rule: ResourceRule) -> None:
        """Update the cached saving and cost of the series whose kept value or price changed."""
        is_published = state.published[members.group] > 0
        series, chosen = members.series[is_published], state.chosen[is_published]
        kept, price = state.kept_values(members)[is_published], self._choices.price(series)
        is_old = (self._kept[series] != kept) | (self._price[series] != price)
        for block in split_blocks(np.flatnonzero(is_old)):
            part = series[block]
            values = np.stack((kept[block], chosen[block]), axis=1).astype(np.float32)
            cost = costs_of(values, self._choices.days(part), rule, price[block, np.newaxis])
            self._saving[part], self._cost[part] = cost[:, 0] - cost[:, 1], cost[:, 1]
        self._kept[series], self._price[series] = kept, price

    def _exceeded_today(self, members: SeriesGroups, values: Float64Array, rule: ResourceRule) -> BoolArray:
        """True for each series to choose again with today's samples; short histories contain them already."""
        by_series = np.full(self._summaries.size, np.inf, dtype=np.float32)
        by_series[members.series] = values
        today = self._summaries.today
        if rule.by_maximum:
            exceeded = today.maxima(len(by_series)) > by_series
        else:
            price = self._choices.price(np.arange(len(by_series)))
            exceeded = is_outgrown(by_series, today.overuse(by_series), price)
        return (exceeded & ~self._choices.has_short_history)[members.series]

    def _raise_within_day(
        self,
        members: SeriesGroups,
        state: StabilizationState,
        workloads: BoolArray,
        values: Float64Array,
        rule: ResourceRule,
    ) -> None:
        """Choose for *workloads* with today's samples; update *values* and *state* of those worth raising."""
        selected = members.select(workloads)
        with_today = np.ones(len(selected.series), dtype=np.bool_)
        days = self._summaries.days(selected.series, with_today)
        price = self._choices.price(selected.series)[:, np.newaxis]
        is_selected = workloads[members.group]
        new_state = StabilizationState(
            state.published[workloads],
            state.may_fall[workloads],
            choose(days, rule, price),
            state.raises.select(is_selected),
            with_today,
        )
        needs = new_state.needs(selected)
        priced = np.stack((new_state.kept_values(selected), new_state.chosen), axis=1).astype(np.float32)
        cost = costs_of(priced, days, rule, price)
        saving, new_cost = selected.total(cost[:, 0] - cost[:, 1]), selected.total(cost[:, 1])
        rises = (needs > new_state.published) & is_worthwhile(saving, new_cost, rule)
        values[np.flatnonzero(workloads)[rises]] = needs[rises]
        series_rises = rises[selected.group]
        positions = np.flatnonzero(is_selected)[series_rises]
        state.chosen[positions] = new_state.chosen[series_rises]
        state.today_counts[positions] = True
