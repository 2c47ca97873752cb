"""What every workload needs of one resource; profiles are only made of what is new, has moved or is due."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from app.domain.profiles import Resource, ResourceProfile
from app.domain.workloads import Workload
from app.history.day_histograms import UsageHistograms
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, day_of, step_time
from app.recommendation.active_containers import (
    IsInitContainer,
    SeriesSpans,
    has_enough,
    members_of,
    running_series,
)
from app.recommendation.calibration import bound_scale
from app.recommendation.choice_cache import ChoiceCache
from app.recommendation.day_quantiles import Integers
from app.recommendation.day_summaries import Amounts
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.policy import EstimationPolicy
from app.recommendation.pressure import PressureRaises
from app.recommendation.profile_builder import ProfileBuilder, StabilizedValues
from app.recommendation.rules import ResourceRule, rules_at
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import Flags, SeriesGroups, StabilizationState, Stabilizer
from app.recommendation.stated_risk import BOUND_SCALE

_MILLICORES = 1000


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """What is published of a workload: its value, when it came to be that, and whether to tell of it anew."""

    value: float
    changed_at_seconds: float
    is_due: bool = False


FindPublishedValue = Callable[[Workload], PublishedValue | None]


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """As of when needs are request for, and what is known beside the samples."""

    policy: EstimationPolicy
    newest_step: int
    is_init_container: IsInitContainer
    published: FindPublishedValue
    runs_again: Callable[[Workload], bool]
    raises: PressureRaises


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The profiles that are new, moved or due; whose samples are too few; and each one's newest sample."""

    profiles: list[ResourceProfile] = field(default_factory=list)
    too_few: set[Workload] = field(default_factory=set)
    newest_samples: dict[Workload, datetime] = field(default_factory=dict)


class ResourceRecommender:
    """The day rows of one resource and what follows from them."""

    def __init__(self, resource: Resource, rows: UsageHistograms) -> None:
        self._resource, self._rows = resource, rows
        self._observed = DaySummaryCache(rows)
        self._choices = ChoiceCache(self._observed)
        self._stabilizer = Stabilizer(self._observed, self._choices)
        self._scale: float | None = None
        self._scale_is_due = False
        self._decided: dict[Workload, float] = {}  # what was decided last: another value is somebody else's

    def recommend(self, table: SeriesTable, request: RecommendationRequest) -> Recommendations:
        """What every workload of *table* needs as of the newest step."""
        rule, today = rules_at(request.policy.risk)[self._resource], day_of(request.newest_step)
        self._observed.read(request.newest_step, request.policy.window_days)
        self._begin(rule, table)
        spans = SeriesSpans(*self._rows.spans(today=today, window_days=request.policy.window_days))
        samples = self._observed.samples()
        running = running_series(table, self._rows, spans, request.is_init_container)
        enough = has_enough(table, running, samples, request.policy.min_samples, request.runs_again)
        members = members_of(table, running, enough)
        numbers = np.flatnonzero(enough)
        settled = self._settled(table, rule, numbers, members, request)
        describer = ProfileBuilder(
            self._resource,
            request.policy.risk,
            rule,
            table,
            self._observed,
            self._choices,
            request.raises,
            spans,
            samples,
            self._bound_scale(table, rule),
        )
        known = np.zeros(len(table.workloads), dtype=np.bool_)
        known[table.owner[np.flatnonzero(spans.seen)]] = True
        return Recommendations(
            list(describer.profiles(settled)),
            {table.workloads[number] for number in np.flatnonzero(known & ~enough).tolist()},
            _newest_samples(table, numbers, members, spans),
        )

    def _begin(self, rule: ResourceRule, table: SeriesTable) -> None:
        anew = self._choices.begin(rule)
        self._stabilizer.begin(anew=anew)
        if self._scale_is_due:
            self._scale = None
        self._scale_is_due = anew
        if anew:
            present = set(table.workloads)
            self._decided = {each: value for each, value in self._decided.items() if each in present}

    def _settled(
        self,
        table: SeriesTable,
        rule: ResourceRule,
        numbers: Integers,
        members: SeriesGroups,
        request: RecommendationRequest,
    ) -> StabilizedValues:
        """The workloads that are to be told of, with their values."""
        found = [request.published(table.workloads[number]) for number in numbers.tolist()]
        published = np.array([each.value if each else np.nan for each in found])
        changed_at = np.array([each.changed_at_seconds if each else 0.0 for each in found])
        tell = np.array([each is None or each.is_due for each in found], dtype=np.bool_)
        today = day_of(request.newest_step)
        due_step = today * STEPS_PER_DAY + table.first_due_step[numbers]
        looked_at = (request.newest_step >= due_step) | tell | self._young(members)
        members, numbers = members.of(looked_at), numbers[looked_at]
        workloads = [table.workloads[number] for number in numbers.tolist()]
        self._choices.ensure(members.series, table.siblings[: self._observed.size])
        holding = StabilizationState(
            published[looked_at],
            (changed_at < due_step * STEP_SECONDS)[looked_at]
            | self._young(members)
            | self._is_foreign(workloads, published[looked_at]),
            self._choices.candidate[members.series],
            self._choices.value[members.series],
            request.raises.by[members.series],
            self._choices.young[members.series].copy(),
        )
        value = self._spelled(self._stabilizer.decide(members, holding, rule))
        # Now, and not in the next step: the first one decides on everything.
        self._stabilizer.price(members, replace(holding, published=value), rule)
        need = self._spelled(holding.need(members))
        self._decided |= dict(zip(workloads, value.tolist(), strict=True))
        told = tell[looked_at] | (value != holding.published)
        return _told(StabilizedValues(workloads, members, holding, value, need), told)

    def _bound_scale(self, table: SeriesTable, rule: ResourceRule) -> float:
        """The scale of the stated bound, found once for the days that it rests on.

        When they have changed it is the one before for one step more: that one has enough to do.
        """
        if rule.by_maximum:
            return BOUND_SCALE
        if self._scale is None:
            sample = table.sample[table.sample < self._observed.size]
            blank = np.zeros(len(sample), dtype=np.bool_)
            self._scale = bound_scale(self._observed.days(sample, blank), rule)
        return self._scale

    def _is_foreign(self, workloads: list[Workload], published: Amounts) -> Flags:
        """True where a value is not the one that was decided: somebody else's may fall at once."""
        decided = np.array([self._decided.get(workload, np.nan) for workload in workloads])
        foreign: Flags = ~np.isnan(decided) & (decided != published)
        return foreign

    def _young(self, members: SeriesGroups) -> Flags:
        return members.any(self._choices.young[members.series])

    def _spelled(self, amounts: Amounts) -> Amounts:
        """As a profile can spell them: cores in whole millicores, upwards, so that none needs more."""
        if self._resource is Resource.MEMORY:
            return np.maximum(np.rint(amounts), 1)
        return np.maximum(np.ceil(amounts * _MILLICORES - 0.01), 1) / _MILLICORES


def _told(whole: StabilizedValues, told: Flags) -> StabilizedValues:
    """Just those workloads of which something is to be told."""
    workloads = [workload for workload, tell in zip(whole.workloads, told.tolist(), strict=True) if tell]
    holding = whole.holding.of(told, told[whole.members.place])
    return StabilizedValues(workloads, whole.members.of(told), holding, whole.value[told], whole.need[told])


def _newest_samples(
    table: SeriesTable, numbers: Integers, members: SeriesGroups, spans: SeriesSpans
) -> dict[Workload, datetime]:
    newest = np.zeros(members.count, dtype=np.int64)
    np.maximum.at(newest, members.place, spans.last[members.series])
    times = {step: step_time(step) for step in np.unique(newest).tolist()}
    places = zip(numbers.tolist(), newest.tolist(), strict=True)
    return {table.workloads[number]: times[step] for number, step in places}
