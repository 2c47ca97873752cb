"""Profiles of the few workloads that are to be written: value, containers, slots, signs and stated risk."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.domain.profiles import (
    Basis,
    ChosenRule,
    ContainerNeed,
    PressureSignal,
    Resource,
    ResourceProfile,
    RiskLevel,
    SlotNeed,
    StatedRisk,
)
from app.domain.quantities import format_need
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, step_time
from app.recommendation.active_containers import SeriesSpans
from app.recommendation.candidates import little_history, own_values
from app.recommendation.choice import risk_of
from app.recommendation.choice_cache import ChoiceCache
from app.recommendation.day_quantiles import Integers
from app.recommendation.day_summaries import Amounts, DaySummaries, Floats
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.policy import confidence
from app.recommendation.pressure import PressureRaises
from app.recommendation.rules import ResourceRule
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import SeriesGroups, StabilizationState
from app.recommendation.stated_risk import at_most_above, expected_above, worst_past_day

_AT_ONCE = 500  # workloads


@dataclass(frozen=True, slots=True)
class StabilizedValues:
    """Some workloads whose values are settled; `need` is what would be chosen now."""

    workloads: list[Workload]
    members: SeriesGroups
    holding: StabilizationState
    value: Amounts
    need: Amounts

    def blocks(self) -> Iterator["StabilizedValues"]:
        """The same in parts that fit into memory."""
        for begin in range(0, len(self.workloads), _AT_ONCE):
            end = min(begin + _AT_ONCE, len(self.workloads))
            here = (self.members.place >= begin) & (self.members.place < end)
            members = SeriesGroups(self.members.series[here], self.members.place[here] - begin, end - begin)
            holding = self.holding.of(slice(begin, end), here)
            names = self.workloads[begin:end]
            yield StabilizedValues(names, members, holding, self.value[begin:end], self.need[begin:end])


@dataclass(frozen=True, slots=True)
class ProfileBuilder:
    """What the profiles of one resource and one moment have in common."""

    resource: Resource
    risk: RiskLevel
    rule: ResourceRule
    table: SeriesTable
    observed: DaySummaryCache
    choices: ChoiceCache
    raises: PressureRaises
    spans: SeriesSpans
    samples: Integers
    bound_scale: float

    def profiles(self, settled: StabilizedValues) -> Iterator[ResourceProfile]:
        """The profiles of all workloads in *settled*."""
        for block in settled.blocks():
            yield from self._block(block)

    def _block(self, settled: StabilizedValues) -> Iterator[ResourceProfile]:
        members, holding = settled.members, settled.holding
        days = self.observed.days(members.series, holding.today_counts)
        values = self._shares(settled)
        expected, at_most = self._stated(values, days)
        rules, slots = self._rules(settled, days), self._slots(settled, values)
        order = np.argsort(members.place, kind="stable")
        bounds = np.searchsorted(members.place[order], np.arange(members.count + 1))
        for number, workload in enumerate(settled.workloads):
            here = order[bounds[number] : bounds[number + 1]]
            series = members.series[here]
            value = format_need(self.resource, float(settled.value[number]))
            newest = format_need(self.resource, float(settled.need[number]))
            yield ResourceProfile(
                workload,
                self.resource,
                value,
                self._basis(series),
                tuple(self._slots_of(here, *slots)),
                tuple(self._containers(here, series, values, rules)),
                tuple(self._signals(series)),
                StatedRisk(
                    self.risk,
                    float(expected[here].max()),
                    None if at_most is None else float(at_most[here].max()),
                ),
                newest if newest != value else "",
            )

    def _shares(self, settled: StabilizedValues) -> Amounts:
        """What each series gets of its workload's value: just what it needs, where that is the value."""
        need = settled.holding.chosen * (1 + settled.holding.raised)
        shares: Amounts = need * (settled.value / settled.need)[settled.members.place]
        return shares

    def _stated(self, values: Amounts, days: DaySummaries) -> tuple[Floats, Floats | None]:
        amounts = values.astype(np.float32)
        expected = expected_above(risk_of(amounts, days, self.rule), days.length, self.rule)
        if self.rule.by_maximum:
            return expected, None
        bound = at_most_above(worst_past_day(amounts, days), days.length, self.bound_scale)
        return expected, np.maximum(bound, expected)

    def _rules(self, settled: StabilizedValues, days: DaySummaries) -> list[ChosenRule]:
        little, seen = little_history(days, self.rule).tolist(), days.seen.tolist()
        siblings = self.choices.siblings[settled.members.series].tolist()
        rules = []
        for place, number in enumerate(settled.holding.candidate.tolist()):
            of = self.rule.candidate(number)
            rank = min(of.rank, max(seen[place], 1))
            rules.append(
                ChosenRule(rank, of.level, of.margin - 1, seen[place], little[place], siblings[place])
            )
        return rules

    def _slots(self, settled: StabilizedValues, values: Amounts) -> tuple[Amounts, Integers]:
        """Each series' own candidate on the days of one slot, never more than its value; and its samples."""
        holding, series = settled.holding, settled.members.series
        days, counts = self.observed.slots(series)
        history = 1 + little_history(self.choices.days(series), self.rule)
        found = [own_values(each, self.rule, holding.candidate) for each in days]
        raised = np.stack(found, axis=1) * (history * (1 + holding.raised))[:, np.newaxis]
        return np.minimum(raised, values[:, np.newaxis]), counts

    def _slots_of(self, here: Integers, needs: Amounts, counts: Integers) -> Iterator[SlotNeed]:
        """The slots in which every running container was seen; the others are not guessed."""
        hours, seen = 24 // counts.shape[1], counts[here]
        need, samples = needs[here].sum(axis=0), seen.sum(axis=0)
        for slot in np.flatnonzero(seen.all(axis=0)).tolist():
            begin, end = f"{slot * hours:02d}:00", f"{(slot + 1) * hours:02d}:00"
            yield SlotNeed(begin, end, format_need(self.resource, float(need[slot])), int(samples[slot]))

    def _containers(
        self, here: Integers, series: Integers, values: Amounts, rules: list[ChosenRule]
    ) -> list[ContainerNeed]:
        needs = [
            ContainerNeed(
                self.table.containers[number],
                format_need(self.resource, float(values[place])),
                int(self.samples[number]),
                rule=rules[place],
            )
            for place, number in zip(here.tolist(), series.tolist(), strict=True)
        ]
        return sorted(needs, key=lambda need: need.name)

    def _signals(self, series: Integers) -> Iterator[PressureSignal]:
        """What raises the running containers, in the order of their names."""
        raised = [number for number in series.tolist() if self.raises.by[number] > 0]
        for number in sorted(raised, key=self.table.containers.__getitem__):
            last_seen = step_time(int(self.raises.last_seen[number]))
            raised_by = float(self.raises.by[number])
            yield PressureSignal(self.table.containers[number], self.raises.reason, last_seen, raised_by)

    def _basis(self, series: Integers) -> Basis:
        begin, end = int(self.spans.first[series].min()), int(self.spans.last[series].max())
        steps = int(self.spans.seen[series].max())
        return Basis(
            window_start=step_time(begin - 1),
            window_end=step_time(end),
            samples=int(self.samples[series].sum()),
            coverage=steps / (end - begin + 1),
            confidence=confidence(steps * STEP_SECONDS / 3600),
        )
