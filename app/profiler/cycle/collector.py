"""Collection of missing samples: the queries of a cycle, and the state of each signal."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import ProfileKind, Resource
from app.history.checkpoint.split import LearnedState
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange, day_of, step_time
from app.history.usage_history import UsageHistory
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.arrival import Arrival
from app.profiler.cycle.attributions import Attributions
from app.profiler.cycle.collected_samples import CollectedSamples, CollectionLimits
from app.profiler.cycle.edge_collector import EdgeCollector
from app.profiler.cycle.query_context import Meter, Progress, QueryContext
from app.profiler.cycle.question import PATIENCE_STEPS, PlannedQueries, PlannedQuery, Question
from app.profiler.cycle.signals import (
    PAST_UNREAD,
    Health,
    Signal,
    SignalState,
    late_samples_state,
    state_without,
)
from app.profiler.cycle.usage_collector import SerialFolding, UsageCollector
from app.profiler.ports import UsageSource

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
log = structlog.get_logger(__name__)


def newest_complete_step(now_seconds: float) -> int:
    """The last step with samples that the source should have by now."""
    return int((now_seconds - GRACE_SECONDS) // STEP_SECONDS)


def cycle_time(newest_step: int) -> datetime:
    """The time of a cycle whose newest complete step is *newest_step*."""
    return step_time(newest_step) + timedelta(seconds=GRACE_SECONDS)


def wanted_steps(newest_step: int, history_days: int) -> StepRange:
    """Today and the *history_days* before it: whole days, so that every leader reads the same past."""
    return StepRange((day_of(newest_step) - history_days) * STEPS_PER_DAY + 1, newest_step)


class SignalCollector(Protocol):
    """The collection of one signal's samples."""

    @property
    def signal(self) -> Signal:
        """The signal."""

    @property
    def question(self) -> Question:
        """Its question to the source."""

    @property
    def arrival(self) -> Arrival:
        """The arrival of its samples in the source."""

    def missing(self, wanted: StepRange, namespaces: NamespaceSelection) -> list[StepRange]:
        """The steps of *wanted* to read for *namespaces*, newest first."""


class SampleCollector:
    """Collects the samples of all signals, and remembers the state of each."""

    def __init__(
        self,
        source: UsageSource,
        history: UsageHistory,
        learned: LearnedState,
        limits: CollectionLimits,
    ) -> None:
        self._source, self._history, self._learned = source, history, learned
        folding = SerialFolding(history, limits.max_history_bytes)
        self._usage = [
            UsageCollector(
                resource, source, folding, limits.needs, Arrival(Signal.of(resource), learned.open_steps)
            )
            for resource in Resource
        ]
        arrival = Arrival(Signal.CONNECTIONS, learned.open_steps)
        self._edges = EdgeCollector(source, history, learned.connections, limits.max_edges, arrival)
        self._collectors: Sequence[SignalCollector] = [*self._usage, self._edges]
        self._states: dict[Signal, SignalState] = {}
        self._past_owner_source = ""
        self._unread_since: dict[Signal, int] = {}  # the step in which a signal's past became unreadable

    async def collect(
        self,
        wanted: StepRange,
        snapshot: ClusterSnapshot,
        progress: Progress,
        unlisted: Mapping[str, str] | None = None,
    ) -> CollectedSamples:
        """Bring the history up to `wanted.last`, except for the *unlisted* namespaces.

        These, with a reason each, are those whose Pods can't be listed: their usage has no known workload.
        """
        unlisted = unlisted or {}
        if self._learned.forget_ahead(wanted.last):
            log.warning("clock_set_back", read_again="today, and 24 hours of connections")
        planned = {each.signal: self._plan(each, wanted, unlisted) for each in self._collectors}
        context = QueryContext(
            wanted.last,
            Attributions(self._source, snapshot, self._history.workloads),
            Meter(
                progress,
                sum(len(part) for queries in planned.values() for query in queries for part in query.parts),
            ),
            unlisted,
        )
        usage_states, edge_state = await asyncio.gather(
            self._collect_all_usage(planned, context),
            self._edges.collect(planned[Signal.CONNECTIONS], context),
        )
        context.meter.finish()
        for each in self._collectors:
            each.question.forget_complete(partial(each.missing, wanted))
        # A signal without a query in this cycle keeps its state.
        self._states |= {state.signal: state for state in (*usage_states, edge_state) if state}
        self._update_past_owner_source(context.attributions.owner_source)
        context.collected.distrusted_owners = context.attributions.distrusted_owners
        return self._completed(context.collected, wanted)

    def forget_counts(self) -> None:
        """Forget which samples were read before, since other namespaces are in scope now."""
        for each in self._collectors:
            each.arrival.forget_counts()

    def _completed(self, collected: CollectedSamples, wanted: StepRange) -> CollectedSamples:
        """*collected* with the states of the signals, and with what failed."""
        collected.failed = {each.signal: each.question.failed for each in self._collectors}
        collected.states = self._reported_states(collected.failed)
        collected.unread_past = self._unread_past(wanted)
        collected.frozen = {
            (each.signal.profile_kind, namespace)
            for each in self._collectors
            for namespace in each.question.failed.keys() - each.question.given_up(wanted.last)
        }
        collected.past_owner_source = self._past_owner_source
        collected.dropped_edges = self._edges.dropped_edges
        collected.found_servers = dict(self._source.found_servers)
        collected.container_jobs = sorted(self._source.container_jobs)
        collected.own_clusters = sorted(self._source.own_clusters)
        collected.lags_seconds = {each.signal: each.arrival.lag_seconds for each in self._collectors}
        return collected

    def _plan(
        self, collector: SignalCollector, wanted: StepRange, unlisted: Mapping[str, str]
    ) -> PlannedQueries:
        most, apart = collector.question.plan(partial(collector.missing, wanted), unlisted, wanted.last)
        parts = collector.arrival.with_review(most.parts, wanted.last)
        if not parts and self._needs_newest(collector.signal):
            parts = [StepRange(wanted.last, wanted.last)]
        return PlannedQuery(most.namespaces, parts), apart

    def _needs_newest(self, signal: Signal) -> bool:
        """True if the newest step is read again although it is known: the signal fails or has no state."""
        state = self._states.get(signal)
        return state is None or state.health is Health.FAILING

    def _reported_states(self, failed: Mapping[Signal, Mapping[str, str]]) -> list[SignalState]:
        """The states of all signals; `Degraded` instead of `Ok` if a part of a signal is not."""
        states = dict(self._states)
        for usage in self._usage:
            if usage.signal in states:
                states[usage.signal] = usage.degraded_if_pressure_unknown(states[usage.signal])
        for each in self._collectors:
            if each.signal in states:
                hours_late = self._source.late_namespaces(each.signal.profile_kind)
                late = late_samples_state(
                    states[each.signal], each.arrival.lost, each.arrival.open_steps, hours_late
                )
                states[each.signal] = state_without(late, failed[each.signal])
        return list(states.values())

    def _unread_past(self, wanted: StepRange) -> set[ProfileKind]:
        """The kinds of profiles with a past that is still to be read and was not given up."""
        missing = {each.signal for each in self._collectors if each.missing(wanted, each.question.others)}
        for signal, state in self._states.items():
            if state.reason == PAST_UNREAD:
                self._unread_since.setdefault(signal, wanted.last)
            elif state.health is not Health.FAILING:  # all queries of the last cycle succeeded
                self._unread_since.pop(signal, None)
        given_up = {
            signal for signal, since in self._unread_since.items() if wanted.last - since >= PATIENCE_STEPS
        }
        return {signal.profile_kind for signal in missing - given_up}

    def _update_past_owner_source(self, owner_source: str) -> None:
        if owner_source and owner_source != self._past_owner_source:
            log.info("past_pods_attributed", by=owner_source)
            self._past_owner_source = owner_source

    async def _collect_all_usage(
        self, planned: Mapping[Signal, PlannedQueries], context: QueryContext
    ) -> list[SignalState | None]:
        try:
            return await asyncio.gather(
                *(each.collect(planned[each.signal], context) for each in self._usage)
            )
        finally:
            context.usage_collected.set()
