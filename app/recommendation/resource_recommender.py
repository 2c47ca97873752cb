"""Recommendations of one resource: the profiles that are new, have moved or are due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from app.domain.profiles import LeftOutContainer, Resource, ResourceProfile, RiskLevel
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, day_of, step_time
from app.history.seen_together import SeenTogether
from app.history.usage_histograms import UsageHistograms
from app.recommendation.active_containers import (
    ContainerChecks,
    RunningSeries,
    SeriesSpans,
    group_running_series,
    has_enough_samples,
    running_series,
)
from app.recommendation.array_types import BoolArray, Float64Array, Int64Array
from app.recommendation.calibration import bound_scale
from app.recommendation.choice_cache import ChoiceCache
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.kill_needs import Raises, needs_after_kills
from app.recommendation.policy import EstimationPolicy
from app.recommendation.pressure import PressureRaises
from app.recommendation.profile_builder import ProfileBuilder, StabilizedValues
from app.recommendation.rules import PRICES, ResourceRule, rules_at
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import SeriesGroups, StabilizationState, Stabilizer
from app.recommendation.stated_risk import BOUND_SCALE

_MILLICORES = 1000
_LEVELS = list(RiskLevel)


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """A workload's published value, the time of its last change, and whether its profile is due anyway.

    `risk` is the level of the value; None if it is not known.
    """

    value: float
    changed_at_seconds: float
    is_due: bool = False
    risk: RiskLevel | None = None


FindPublishedValue = Callable[[Workload], PublishedValue | None]
FindLimit = Callable[
    [Workload, str], float | None
]  # the limit that a workload's template has for a container


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """The step as of which to recommend, and the inputs; *histograms* have the open samples too."""

    histograms: UsageHistograms
    policy: EstimationPolicy
    newest_step: int
    checks: ContainerChecks
    find_published: FindPublishedValue
    has_run_again: Callable[[Workload], bool]
    together: SeenTogether
    raises: PressureRaises


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Profiles that are new, have moved or are due; workloads with too few samples; newest sample times."""

    profiles: list[ResourceProfile] = field(default_factory=list)
    too_few: set[Workload] = field(default_factory=set)
    newest_samples: dict[Workload, datetime] = field(default_factory=dict)


class ResourceRecommender:
    """Recommends values of one resource from its histograms; caches derived data and the last decisions."""

    def __init__(self, resource: Resource, histograms: UsageHistograms) -> None:
        self._resource = resource
        self._summaries = DaySummaryCache(histograms)
        self._choices = ChoiceCache(self._summaries, tuple(PRICES[resource][risk] for risk in RiskLevel))
        self._stabilizer = Stabilizer(self._summaries, self._choices)
        self._scale: float | None = None
        self._is_scale_due = False
        self._decided: dict[Workload, float] = {}  # the last decisions, to detect values of other writers

    def recommend(self, table: SeriesTable, request: RecommendationRequest) -> Recommendations:
        """The recommendations for the workloads of *table* as of the newest step."""
        rule, today = rules_at(request.policy.risk)[self._resource], day_of(request.newest_step)
        self._summaries.read(request.histograms, request.newest_step, request.policy.window_days)
        self._refresh(rule, table, request.policy)
        spans = SeriesSpans(*request.histograms.spans(today=today, window_days=request.policy.window_days))
        sample_counts = self._summaries.sample_counts()
        running = running_series(table, request.histograms, spans, request.checks, request.together)
        has_enough = has_enough_samples(
            table, running.series, sample_counts, request.policy.min_samples, request.has_run_again
        )
        members = group_running_series(table, running, has_enough)
        numbers = np.flatnonzero(has_enough)
        stabilized = self._stabilize(table, rule, numbers, members, request)
        builder = ProfileBuilder(
            self._resource,
            rule,
            table,
            self._summaries,
            self._choices,
            request.raises,
            spans,
            sample_counts,
            self._bound_scale(table, rule),
            _left_out(table, running, sample_counts),
        )
        has_samples = np.zeros(len(table.workloads), dtype=np.bool_)
        has_samples[table.owner[np.flatnonzero(spans.seen)]] = True
        recommendations = Recommendations(
            list(builder.profiles(stabilized)),
            {table.workloads[number] for number in np.flatnonzero(has_samples & ~has_enough).tolist()},
            _newest_samples(table, numbers, members, spans),
        )
        self._summaries.drop_today()
        return recommendations

    def _refresh(self, rule: ResourceRule, table: SeriesTable, policy: EstimationPolicy) -> None:
        levels = _levels(table.workloads, policy)[table.owner[: self._summaries.size]]
        is_invalid = self._choices.refresh(rule, levels)
        self._stabilizer.refresh(is_invalid=is_invalid)
        if self._is_scale_due:
            self._scale = None
        self._is_scale_due = is_invalid
        if is_invalid:
            present = set(table.workloads)
            self._decided = {
                workload: value for workload, value in self._decided.items() if workload in present
            }

    def _stabilize(
        self,
        table: SeriesTable,
        rule: ResourceRule,
        numbers: Int64Array,
        members: SeriesGroups,
        request: RecommendationRequest,
    ) -> StabilizedValues:
        """The stabilized values of the workloads with profiles that are new, have moved or are due."""
        stored = self._published_at_levels(
            members, [request.find_published(table.workloads[number]) for number in numbers.tolist()]
        )
        published = np.array([value.value if value else np.nan for value in stored])
        changed_at = np.array([value.changed_at_seconds if value else 0.0 for value in stored])
        is_due = np.array([value is None or value.is_due for value in stored], dtype=np.bool_)
        today = day_of(request.newest_step)
        due_step = today * STEPS_PER_DAY + table.first_due_step[numbers]
        decides = (request.newest_step >= due_step) | is_due | self._has_short_history(members)
        members, numbers = members.select(decides), numbers[decides]
        workloads = [table.workloads[number] for number in numbers.tolist()]
        self._choices.choose_missing(members.series, table.sibling_group[: self._summaries.size])
        state = StabilizationState(
            published[decides],
            (changed_at < due_step * STEP_SECONDS)[decides]
            | self._has_short_history(members)
            | self._is_foreign(workloads, published[decides]),
            self._choices.value(members.series),
            self._raises(table, members.series, request),
            self._choices.has_short_history[members.series].copy(),
        )
        value = self._round_as_published(self._stabilizer.decide(members, state, rule))
        # Prices are updated here because the next step, if it is the day's first, decides on all workloads.
        self._stabilizer.update_prices(members, replace(state, published=value), rule)
        need = self._round_as_published(state.needs(members))
        self._decided |= dict(zip(workloads, value.tolist(), strict=True))
        is_reported = is_due[decides] | (value != state.published)
        return _select(StabilizedValues(workloads, members, state, value, need), is_reported)

    def _raises(self, table: SeriesTable, series: Int64Array, request: RecommendationRequest) -> Raises:
        """The raises of *series* by pressure."""
        raises = Raises.by_shares(request.raises.by[series].copy())
        limits = request.raises.kill_limits
        killed = np.flatnonzero(~np.isnan(limits.highest[series]))
        numbers = series[killed]
        found = [
            request.checks.memory_limit_bytes(table.workloads[table.owner[number]], table.containers[number])
            for number in numbers.tolist()
        ]
        given = np.array([np.nan if limit is None else limit for limit in found], dtype=np.float64)
        days = self._summaries.days(numbers, np.ones(len(numbers), dtype=np.bool_))
        most_used = days.maxima.max(axis=1, initial=0)
        needs = needs_after_kills(limits.lowest[numbers], limits.highest[numbers], given, most_used)
        raises.kills.least[killed], raises.kills.largest[killed] = needs.least, needs.largest
        raises.shares[killed[np.isfinite(needs.largest)]] = 0
        return raises

    def _published_at_levels(
        self, members: SeriesGroups, stored: list[PublishedValue | None]
    ) -> list[PublishedValue | None]:
        """The values without those of another risk level than is wanted: new choices replace them at once."""
        levels = np.zeros(members.count, dtype=np.int64)
        levels[members.group] = self._choices.levels[members.series]
        return [
            None if value and value.risk and value.risk is not _LEVELS[level] else value
            for value, level in zip(stored, levels.tolist(), strict=True)
        ]

    def _bound_scale(self, table: SeriesTable, rule: ResourceRule) -> float:
        """The scale of the stated bound, computed once for each set of closed days.

        In the step after a day has closed the old scale is used once more, because that step has much to do.
        """
        if rule.by_maximum:
            return BOUND_SCALE
        if self._scale is None:
            sampled = table.sampled_series[table.sampled_series < self._summaries.size]
            without_today = np.zeros(len(sampled), dtype=np.bool_)
            days = self._summaries.days(sampled, without_today)
            self._scale = bound_scale(days, rule, self._choices.price(sampled))
        return self._scale

    def _is_foreign(self, workloads: list[Workload], published: Float64Array) -> BoolArray:
        """True for each published value that is not the last decision: such a value may fall at once."""
        decided = np.array([self._decided.get(workload, np.nan) for workload in workloads])
        foreign: BoolArray = ~np.isnan(decided) & (decided != published)
        return foreign

    def _has_short_history(self, members: SeriesGroups) -> BoolArray:
        return members.any(self._choices.has_short_history[members.series])

    def _round_as_published(self, amounts: Float64Array) -> Float64Array:
        """*amounts* at the precision of a profile: whole bytes, or cores rounded up to whole millicores."""
        if self._resource is Resource.MEMORY:
            return np.maximum(np.rint(amounts), 1)
        return np.maximum(np.ceil(amounts * _MILLICORES - 0.01), 1) / _MILLICORES


def _levels(workloads: Sequence[Workload], policy: EstimationPolicy) -> Int64Array:
    """The number of the risk level of each of *workloads*."""
    if policy.risk_of is None:
        return np.full(len(workloads), _LEVELS.index(policy.risk), dtype=np.int64)
    return np.array([_LEVELS.index(policy.risk_of(one)) for one in workloads], dtype=np.int64)


def _select(whole: StabilizedValues, selected: BoolArray) -> StabilizedValues:
    """The values of the flagged workloads only."""
    workloads = [workload for workload, flag in zip(whole.workloads, selected.tolist(), strict=True) if flag]
    state = whole.state.select(selected, selected[whole.members.group])
    members, value, need = whole.members.select(selected), whole.value[selected], whole.need[selected]
    return StabilizedValues(workloads, members, state, value, need)


def _left_out(
    table: SeriesTable, running: RunningSeries, sample_counts: Int64Array
) -> dict[Workload, list[LeftOutContainer]]:
    """The containers of each workload that do not count, since few Pods have them."""
    left_out: dict[Workload, list[LeftOutContainer]] = {}
    for number in running.left_out.tolist():
        container = LeftOutContainer(table.containers[number], int(sample_counts[number]))
        left_out.setdefault(table.workloads[table.owner[number]], []).append(container)
    return left_out


def _newest_samples(
    table: SeriesTable, numbers: Int64Array, members: SeriesGroups, spans: SeriesSpans
) -> dict[Workload, datetime]:
    newest = np.zeros(members.count, dtype=np.int64)
    np.maximum.at(newest, members.group, spans.last[members.series])
    times = {step: step_time(step) for step in np.unique(newest).tolist()}
    newest_steps = zip(numbers.tolist(), newest.tolist(), strict=True)
    return {table.workloads[number]: times[step] for number, step in newest_steps}
