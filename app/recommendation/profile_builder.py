"""Profiles of the workloads to publish: value, containers, time slots, pressure and stated risk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain.profiles import (
    Basis,
    ChosenRule,
    ContainerNeed,
    LeftOutContainer,
    Pressure,
    PressureSignal,
    Resource,
    ResourceProfile,
    RiskLevel,
    RiskValues,
    RoleNeed,
    SlotNeed,
    StatedRisk,
)
from app.domain.quantities import format_need
from app.domain.workloads import Workload
from app.history.samples import HOURS_PER_DAY, STEPS_PER_HOUR, step_time
from app.recommendation.active_containers import SeriesSpans
from app.recommendation.array_types import Float32Array, Float64Array, Int64Array
from app.recommendation.choice import choose_at, least_cost
from app.recommendation.choice_cache import ChoiceCache
from app.recommendation.cost import risk_of
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.policy import LEAST_RAISE, confidence
from app.recommendation.pressure import PressureRaises
from app.recommendation.rules import ResourceRule
from app.recommendation.series_table import SeriesTable
from app.recommendation.short_past import short_past_raise
from app.recommendation.stabilization import SeriesGroups, StabilizationState
from app.recommendation.stated_risk import exceedance_bound, expected_exceedance, worst_past_day

_WORKLOADS_AT_ONCE = 500  # bounds memory
_LEVELS = list(RiskLevel)


@dataclass(frozen=True, slots=True)
class StabilizedValues:
    """Stabilized values of workloads; `need` is the value by the newest choice."""

    workloads: list[Workload]
    members: SeriesGroups
    state: StabilizationState
    value: Float64Array
    need: Float64Array

    def split_blocks(self) -> Iterator["StabilizedValues"]:
        """The same values in blocks of `_WORKLOADS_AT_ONCE` workloads."""
        for begin in range(0, len(self.workloads), _WORKLOADS_AT_ONCE):
            end = min(begin + _WORKLOADS_AT_ONCE, len(self.workloads))
            in_block = (self.members.group >= begin) & (self.members.group < end)
            numbers = np.arange(len(self.workloads))
            yield StabilizedValues(
                self.workloads[begin:end],
                self.members.select((numbers >= begin) & (numbers < end)),
                self.state.select(slice(begin, end), in_block),
                self.value[begin:end],
                self.need[begin:end],
            )


@dataclass(frozen=True, slots=True)
class ProfileBuilder:
    """Builds the profiles of one resource as of one step; the fields are common to all of them."""

    resource: Resource
    rule: ResourceRule
    table: SeriesTable
    summaries: DaySummaryCache
    choices: ChoiceCache
    raises: PressureRaises
    spans: SeriesSpans
    sample_counts: Int64Array  # of each series in the window
    bound_scale: float
    left_out: Mapping[Workload, Sequence[LeftOutContainer]] = field(default_factory=dict)

    def profiles(self, stabilized: StabilizedValues) -> Iterator[ResourceProfile]:
        """The profiles of all workloads in *stabilized*."""
        for block in stabilized.split_blocks():
            yield from self._profiles_of_block(block)

    def _profiles_of_block(self, stabilized: StabilizedValues) -> Iterator[ResourceProfile]:
        members, state = stabilized.members, stabilized.state
        days = self.summaries.days(members.series, state.today_counts)
        values = self._container_values(stabilized)
        expected, at_most = self._stated_risk(values, days)
        at_risks = self._values_at_risks(stabilized, days, values)
        rules, slots = self._rules(stabilized, days), self._slot_values(stabilized, values)
        order = np.argsort(members.group, kind="stable")
        bounds = np.searchsorted(members.group[order], np.arange(members.count + 1))
        for number, workload in enumerate(stabilized.workloads):
            positions = order[bounds[number] : bounds[number + 1]]
            roles = members.roles.of_group(number)
            series = members.series[positions]
            risk = _LEVELS[self.choices.levels[series[0]]]
            value = format_need(self.resource, float(stabilized.value[number]))
            newest = format_need(self.resource, float(stabilized.need[number]))
            yield ResourceProfile(
                workload,
                self.resource,
                value,
                self._basis(series),
                tuple(self._slot_needs(positions, roles or [positions], *slots)),
                tuple(self._containers(positions, series, at_risks, rules)),
                tuple(self._pressure(positions, series, state)),
                StatedRisk(
                    risk,
                    float(expected[positions].max()),
                    None if at_most is None else float(at_most[positions].max()),
                ),
                newest if newest != value else "",
                tuple(self._role_needs(roles, members.series, values, value)),
                tuple(sorted(self.left_out.get(workload, ()))),
            )

    def _container_values(self, stabilized: StabilizedValues) -> Float64Array:
        """Each series' share of its workload's value, in proportion to the series' need."""
        need = stabilized.state.raises.apply(stabilized.state.chosen)
        values: Float64Array = need * (stabilized.value / stabilized.need)[stabilized.members.group]
        return values

    def _values_at_risks(
        self, stabilized: StabilizedValues, days: DaySummaries, values: Float64Array
    ) -> Float64Array:
        """Each series' value at each risk level, [series, levels]: at its own level it is that in *values*.

        The others are choices that nothing stabilizes: a lower risk has at least the published value, and a
        higher one at most.
        """
        state = stabilized.state
        chosen = self.choices.at_prices[stabilized.members.series]
        closed = ~self.choices.has_short_history[stabilized.members.series]
        if (with_today := np.flatnonzero(state.today_counts & closed)).size:
            chosen[with_today] = choose_at(days[with_today], self.rule, self.choices.prices)
        at_risks = state.raises.apply(chosen)
        own, published = self.choices.levels[stabilized.members.series], values[:, np.newaxis]
        is_lower = np.arange(len(_LEVELS)) < own[:, np.newaxis]
        at_risks = np.where(is_lower, np.maximum(at_risks, published), np.minimum(at_risks, published))
        at_risks[np.arange(len(own)), own] = values
        return at_risks

    def _stated_risk(
        self, values: Float64Array, days: DaySummaries
    ) -> tuple[Float32Array, Float32Array | None]:
        amounts = values.astype(np.float32)
        expected = expected_exceedance(risk_of(amounts, days, self.rule), days.time_seen_days, self.rule)
        if self.rule.by_maximum:
            return expected, None
        bound = exceedance_bound(worst_past_day(amounts, days), days.time_seen_days, self.bound_scale)
        return expected, np.maximum(bound, expected)

    def _rules(self, stabilized: StabilizedValues, days: DaySummaries) -> list[ChosenRule]:
        raises = short_past_raise(days, self.rule)
        base = stabilized.state.chosen / (1 + raises)
        if self.rule.by_maximum:
            measure = base / np.maximum(days.maxima.max(axis=1, initial=0), 1) - 1
        else:
            measure = 1 - risk_of(base, days, self.rule)
        siblings = self.choices.sibling_count[stabilized.members.series]
        columns = (days.sampled_days, measure, raises, siblings)
        return [ChosenRule(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def _slot_values(
        self, stabilized: StabilizedValues, values: Float64Array
    ) -> tuple[Float64Array, Int64Array]:
        """Each series' value by slot, and sample counts.

        It is the value of least cost on the slot's samples, at most that of the day.
        """
        state, series = stabilized.state, stabilized.members.series
        days, counts = self.summaries.slots(series)
        history = 1 + short_past_raise(self.choices.days(series), self.rule)
        price = self.choices.price(series)[:, np.newaxis]
        by_slot = [least_cost(slot_days, self.rule, price) for slot_days in days]
        raised = state.raises.apply(np.stack(by_slot, axis=1) * history[:, np.newaxis])
        return np.minimum(raised, values[:, np.newaxis]), counts

    def _slot_needs(
        self, positions: Int64Array, roles: list[Int64Array], needs: Float64Array, counts: Int64Array
    ) -> Iterator[SlotNeed]:
        """The slots in which every running container has samples; other slots are left out."""
        hours, seen = HOURS_PER_DAY // counts.shape[1], counts[positions]
        need = np.max([needs[members].sum(axis=0) for members in roles], axis=0)
        samples = seen.sum(axis=0)
        for slot in np.flatnonzero(seen.all(axis=0)).tolist():
            begin, end = f"{slot * hours:02d}:00", f"{(slot + 1) * hours:02d}:00"
            yield SlotNeed(begin, end, format_need(self.resource, float(need[slot])), int(samples[slot]))

    def _role_needs(
        self, roles: list[Int64Array], series: Int64Array, values: Float64Array, value: str
    ) -> list[RoleNeed]:
        """The need of each role, the largest first; *value* is that of the largest."""
        sums = [float(values[members].sum()) for members in roles]
        needs = [
            (
                -total,
                RoleNeed(
                    tuple(sorted(self.table.containers[number] for number in series[members].tolist())),
                    value if total == max(sums) else format_need(self.resource, total),
                ),
            )
            for members, total in zip(roles, sums, strict=True)
        ]
        return [need for _, need in sorted(needs)]

    def _containers(
        self, positions: Int64Array, series: Int64Array, at_risks: Float64Array, rules: list[ChosenRule]
    ) -> list[ContainerNeed]:
        needs = []
        for position, number in zip(positions.tolist(), series.tolist(), strict=True):
            amounts = [format_need(self.resource, amount) for amount in at_risks[position].tolist()]
            needs.append(
                ContainerNeed(
                    self.table.containers[number],
                    amounts[self.choices.levels[number]],
                    int(self.sample_counts[number]),
                    rule=rules[position],
                    values=RiskValues(*amounts),
                )
            )
        return sorted(needs, key=lambda need: need.name)

    def _pressure(
        self, positions: Int64Array, series: Int64Array, state: StabilizationState
    ) -> Iterator[PressureSignal]:
        """The pressure that raises running containers, by container name."""
        raised = [
            (self.table.containers[number], position, number)
            for position, number in zip(positions.tolist(), series.tolist(), strict=True)
            if state.raises.are_any[position]
        ]
        for container, position, number in sorted(raised):
            if state.raises.are_by_kills[position]:
                signal = self._kill(container, position, number, state)
                if signal.is_last_raise or signal.raised_by >= LEAST_RAISE:
                    yield signal
                continue
            last_seen = step_time(int(self.raises.last_seen[number]))
            raised_by = float(self.raises.by[number])
            yield PressureSignal(container, self.raises.reason(number), last_seen, raised_by)

    def _kill(self, container: str, position: int, number: int, state: StabilizationState) -> PressureSignal:
        """The signal of a container whose least need follows from the limits at its kills."""
        chosen, limit = state.chosen[position : position + 1], float(self.raises.kill_limits.highest[number])
        raised_by = float(state.raises.select(np.array([position])).apply(chosen)[0] / chosen[0]) - 1
        return PressureSignal(
            container,
            Pressure.OOM_KILLED,
            step_time(int(self.raises.last_kill[number])),
            max(raised_by, 0.0),
            killed_at_bytes=int(limit),
            is_last_raise=limit >= float(state.raises.kills.largest[position]),
        )

    def _basis(self, series: Int64Array) -> Basis:
        begin, end = int(self.spans.first[series].min()), int(self.spans.last[series].max())
        steps = int(self.spans.seen[series].max())
        return Basis(
            window_start=step_time(begin - 1),
            window_end=step_time(end),
            samples=int(self.sample_counts[series].sum()),
            coverage=steps / (end - begin + 1),
            confidence=confidence(steps / STEPS_PER_HOUR),
        )
