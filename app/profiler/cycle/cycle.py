"""The profiling cycle, and the learned state that one leader's term keeps between cycles."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Identity
from app.domain.workloads import Connection
from app.errors import ClusterError
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import DroppedEdges, step_time
from app.history.usage_history import UsageHistory
from app.profiler.checkpoints import MAX_BYTES, Checkpoints
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.collected_samples import CollectedSamples, CollectionLimits
from app.profiler.cycle.collector import SampleCollector, newest_complete_step, wanted_steps
from app.profiler.cycle.container_roles import (
    added_container_check,
    ephemeral_container_check,
    init_container_check,
    with_roles,
)
from app.profiler.cycle.derivation import DerivedProfiles, ProfileDerivation, StoredValues
from app.profiler.cycle.need_limits import ABSURD_NEED, absurd_needs, without_absurd
from app.profiler.cycle.plan_aging import AgingPolicy
from app.profiler.cycle.plan_events import plan_events
from app.profiler.cycle.plan_policies import PolicyChange, with_policies
from app.profiler.cycle.policy_faults import policy_faults
from app.profiler.cycle.publisher import Publisher, PublishResult
from app.profiler.cycle.query_context import Progress
from app.profiler.cycle.reporter import Reporter
from app.profiler.cycle.request_changes import RequestChanges
from app.profiler.cycle.signals import Signal, SignalState
from app.profiler.cycle.source_replicas import with_replica_rates
from app.profiler.cycle.status_report import Reasons, question_faults, reasons_without_profile, signal_faults
from app.profiler.cycle.workload_states import memory_limits, with_states
from app.profiler.event_recorder import WorkloadEventRecorder
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.ports import ClusterPorts, UsageSource
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import RateLimiter
from app.profiler.workload_event import EventReason
from app.recommendation.active_containers import ContainerChecks
from app.recommendation.policy import LEARNING_DAYS, EstimationPolicy
from app.rightsizing.policy import SchedulingPolicy

InScope = Callable[[str], bool]
_USAGE_SIGNALS = (Signal.CPU, Signal.MEMORY)
RETAINED_DAYS = LEARNING_DAYS + 1  # closed days and today


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """Settings of a cycle: how much history it reads, and how it derives and writes profiles."""

    estimation: EstimationPolicy
    history_days: int
    timeslots: int
    aging: AgingPolicy = field(default_factory=AgingPolicy)
    max_profiles: int = 50_000
    writes_per_second: float = math.inf
    max_writes: float = math.inf
    limits: CollectionLimits = field(default_factory=CollectionLimits)
    shard_bytes: int = MAX_BYTES  # planned size of a check-point shard
    scheduling: SchedulingPolicy | None = None  # None if the webhook sets no requests


@dataclass(frozen=True, slots=True)
class CycleReport:
    """The outcome of one cycle: the `identities` it could derive, the `reasons` why others have no profile.

    `failed_namespaces` has the reason for each namespace whose query failed, and `faults` that of each fault
    that costs only a part of the work, by its subject.
    `stored` counts all profiles stored after it, derived in it or not; `left_out` those not stored because
    of the maximum, and `evicted` those removed for others; `refused` the objects whose last write was
    refused; `events_dropped` the Events on workloads over the rate limit; `lags_seconds` the age at which
    a step has samples of all writers, for each signal; `own_clusters` this cluster's label in a source that
    has several.
    """

    states: list[SignalState]
    identities: Collection[Identity]
    reasons: dict[str, str]
    failed_namespaces: Mapping[Signal, Mapping[str, str]]
    faults: Mapping[str, str]
    samples: int
    dropped_edges: DroppedEdges
    forgotten_workloads: int
    stored: int
    left_out: int
    evicted: int
    written: int
    failed_writes: int
    postponed_writes: int
    refused: int
    events_dropped: int
    checkpoints_written: int
    newest_step_times: Mapping[Signal, datetime]  # of each signal with a query result
    lags_seconds: Mapping[Signal, int]
    seconds: float
    own_clusters: Sequence[str] = ()


class ProfilingCycle:
    """The learned state of one leader's term; `run_once` brings it and the stored profiles up to date.

    *in_scope* is True for each namespace with workloads to profile. *query_scope* returns the namespaces that
    queries cover now; it is stored with check-points.
    """

    def __init__(
        self,
        source: UsageSource,
        cluster: ClusterPorts,
        policy: CyclePolicy,
        in_scope: InScope,
        query_scope: Callable[[], NamespaceSelection] = NamespaceSelection,
    ) -> None:
        self._policy, self._in_scope, self._query_scope = policy, in_scope, query_scope
        self._lister, self._watches = cluster.lister, cluster.watches
        self._asking_namespaces = cluster.asking_namespaces
        rate_limiter = RateLimiter(policy.writes_per_second)
        self._publisher = Publisher(
            cluster.store, policy.aging, policy.max_profiles, rate_limiter, max_writes=policy.max_writes
        )
        self._reporter = Reporter(cluster.sink)
        self._event_recorder = WorkloadEventRecorder(cluster.events)
        self._policy_events = FaultAnnouncer(cluster.events, EventReason.INVALID_POLICY)
        history = UsageHistory(timeslots=policy.timeslots, retained_days=RETAINED_DAYS)
        self._learned = LearnedState(history.state, ConnectionHistory())
        self._collector = SampleCollector(source, history, self._learned, policy.limits)
        self._derivation = ProfileDerivation(policy.estimation, self._learned)
        self._checkpoints = (
            Checkpoints(cluster.checkpoints, cluster.sink, source.retention_seconds, policy.shard_bytes)
            if cluster.checkpoints
            else None
        )
        self._is_restored = False

    def checkpoint_faults(self) -> Mapping[str, str]:
        """The reason of each check-point that was not restored, or of writes that fail."""
        return self._checkpoints.faults() if self._checkpoints else {}

    def report_faults(self) -> Mapping[str, str]:
        """The reason why the status report is not written, if it is not."""
        return self._reporter.faults()

    def forget_history(self, namespaces: Iterable[str]) -> None:
        """Forget *namespaces* that came into scope, so the next cycle reads their past and no other twice."""
        for namespace in namespaces:
            self._learned.forget(namespace)
        self._collector.forget_counts()

    async def run_once(self, now: datetime, progress: Progress = lambda _done, _total: None) -> CycleReport:
        """Collect samples, derive profiles, write what changed, report.

        Raises:
            ClusterError: check-points, workloads or stored profiles can't be read; nothing was written.
        """
        started = perf_counter()
        await self._restore()
        snapshot = await self._lister.snapshot()
        newest = newest_complete_step(now.timestamp())
        wanted = wanted_steps(newest, self._policy.history_days)
        unlisted = self._watches.unlisted_namespaces() if self._watches else {}
        collected = await self._collector.collect(wanted, snapshot, progress, unlisted)
        stored = await self._publisher.stored()
        stored_values = StoredValues(stored, now, snapshot.state_of, snapshot.policy_of)
        derived = await self._derive(collected, newest, snapshot, stored_values)
        absurd = list(absurd_needs(derived.profiles, self._policy.limits.needs))
        published = await self._publisher.publish(
            without_absurd(derived.profiles, absurd), now, frozen_kinds=collected.unread_past
        )
        policies = await self._publisher.apply_policies(snapshot, now)
        removed = await self._publisher.apply_aging(
            derived.newest_samples,
            lambda identity: collected.is_answered(identity) and _knows_usage(snapshot, identity),
            now,
        )
        collected.absurd_needs += absurd
        reasons = self._reasons(snapshot, collected, derived, published)
        faults = self._watch_faults() | question_faults(collected.failed)
        asking = frozenset(filter(self._in_scope, self._asking_namespaces()))
        collected.unheard_namespaces = () if self._policy.scheduling else asking
        collected.policy_faults = policy_faults(snapshot, stored, self._in_scope)
        await self._reporter.report(collected, reasons, faults, published, now)
        changes = self._request_changes(snapshot, asking, published.written, policies)
        events = plan_events(published.written, removed, snapshot.uids, self._in_scope, changes)
        dropped_events = len(await self._event_recorder.record(events, now))
        dropped_events += await self._policy_events.announce(collected.policy_faults, snapshot.uids, now)
        return CycleReport(
            states=collected.states,
            identities=derived.newest_samples.keys(),
            reasons=dict(reasons),
            failed_namespaces=collected.failed,
            faults=faults | signal_faults(collected.states),
            samples=collected.samples,
            dropped_edges=collected.dropped_edges,
            forgotten_workloads=len(collected.forgotten_workloads),
            stored=len(published.stored_identities),
            left_out=published.left_out,
            evicted=published.evicted,
            written=len(published.written),
            failed_writes=published.failed,
            postponed_writes=published.postponed,
            refused=published.refused,
            events_dropped=dropped_events,
            checkpoints_written=await self._save(now),
            newest_step_times=self._newest_step_times(),
            lags_seconds=collected.lags_seconds,
            seconds=perf_counter() - started,
            own_clusters=tuple(collected.own_clusters),
        )

    def _request_changes(
        self,
        snapshot: ClusterSnapshot,
        asking: Collection[str],
        written: Iterable[ProfileWrite],
        policies: Iterable[PolicyChange],
    ) -> Mapping[Identity, str]:
        if self._policy.scheduling is None:
            return {}
        return RequestChanges(self._policy.scheduling, snapshot, asking).of(written, policies)

    async def report_failure(self, error: ClusterError) -> None:
        """Report that cycles fail because of *error*."""
        await self._reporter.report_failure(
            self._watch_faults() | {"cycle": f"the last cycle failed: {error}"}
        )

    def _watch_faults(self) -> dict[str, str]:
        return dict(self._watches.faults()) if self._watches else {}

    def _newest_step_times(self) -> dict[Signal, datetime]:
        usage = self._learned.usage.histograms
        newest = {Signal.of(resource): histograms.newest_step for resource, histograms in usage.items()}
        newest[Signal.CONNECTIONS] = self._learned.connections.newest_read_step
        return {signal: step_time(step) for signal, step in newest.items() if step}

    async def _restore(self) -> None:
        if self._checkpoints and not self._is_restored:
            await self._checkpoints.restore(self._learned, self._query_scope())
        self._is_restored = True

    async def _save(self, now: datetime) -> int:
        if self._checkpoints is None:
            return 0
        return await self._checkpoints.save_if_due(self._learned, self._query_scope(), now)

    async def _derive(
        self, collected: CollectedSamples, newest: int, snapshot: ClusterSnapshot, stored: StoredValues
    ) -> DerivedProfiles:
        checks = ContainerChecks(
            init_container_check(snapshot.templates),
            ephemeral_container_check(snapshot.ephemeral),
            added_container_check(snapshot.templates),
            memory_limits(snapshot.state_of),
        )
        derived = await asyncio.to_thread(
            self._derivation.derive, collected.states, newest, self._in_scope, checks, stored
        )
        # The profiles of a namespace whose query failed stay as they are.
        profiles = [
            profile
            for profile in derived.profiles
            if not (collected.is_frozen(profile.identity) and stored.catalogue.get(profile.identity))
        ]
        profiles = with_states(with_roles(profiles, snapshot.templates), snapshot.state_of)
        profiles = list(with_policies(profiles, snapshot, stored.catalogue))
        return replace(derived, profiles=with_replica_rates(profiles, snapshot.ready_replicas))

    def _reasons(
        self,
        snapshot: ClusterSnapshot,
        collected: CollectedSamples,
        derived: DerivedProfiles,
        published: PublishResult,
    ) -> Reasons:
        expected = (workload for workload in snapshot.workloads if self._in_scope(workload.namespace))
        absurd = (need.identity for need in collected.absurd_needs)
        return reasons_without_profile(
            expected,
            published.stored_identities,
            derived.too_few,
            unstored={**published.unstored, **dict.fromkeys(absurd, ABSURD_NEED)},
            known_kinds=published.known_kinds,
            failed_namespaces={
                name for signal in _USAGE_SIGNALS for name in collected.failed.get(signal, ())
            },
            living=snapshot.living,
            min_samples=self._policy.estimation.min_samples,
            usage_queries_answered=collected.usage_queries_answered,
        )


def _knows_usage(snapshot: ClusterSnapshot, identity: Identity) -> bool:
    """True if the kinds of objects are read that show whether the subject still runs."""
    subject = identity.subject
    ends = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return all(map(snapshot.knows_usage_of, ends))
