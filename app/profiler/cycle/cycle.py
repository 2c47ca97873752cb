"""One profiling cycle: who is there, what is new, what is needed, what changed."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Identity
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import step_time
from app.history.usage_history import UsageHistory
from app.profiler.checkpoints import MAX_BYTES, Checkpoints
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.collector import (
    CollectedSamples,
    Progress,
    SampleCollector,
    newest_complete_step,
    wanted_steps,
)
from app.profiler.cycle.container_roles import init_containers_of, with_roles
from app.profiler.cycle.derivation import DerivedProfiles, ProfileDerivation, StoredValues
from app.profiler.cycle.event_recorder import WorkloadEventRecorder
from app.profiler.cycle.plan_aging import AgingPolicy
from app.profiler.cycle.plan_events import plan_news
from app.profiler.cycle.publisher import Publisher
from app.profiler.cycle.reporter import Reporter
from app.profiler.cycle.signals import Signal, SignalState
from app.profiler.cycle.status_report import reasons_without_profile
from app.profiler.ports import ClusterPorts, UsageSource
from app.profiler.rate_limiter import RateLimiter
from app.recommendation.policy import EstimationPolicy

InScope = Callable[[str], bool]
RETAINED_DAYS = 15  # of usage


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """How much is read and what is made of it."""

    estimation: EstimationPolicy
    history_days: int
    timeslots: int
    aging: AgingPolicy = field(default_factory=AgingPolicy)
    max_profiles: int = 50_000
    writes_per_second: float = math.inf
    shard_bytes: int = MAX_BYTES  # planned size of a check-point's shard


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle did: the `identities` of what it could derive, `reasons` why others have no profile.

    `stored` counts all profiles that are stored after it, derived in it or not; `left_out` those that were
    not stored because there are enough; `news_dropped` the Events that were too many.
    """

    states: list[SignalState]
    identities: Collection[Identity]
    reasons: dict[str, str]
    samples: int
    unknown_edges: int
    stored: int
    left_out: int
    written: int
    failed_writes: int
    news_dropped: int
    checkpoints_written: int
    newest_answers: Mapping[Signal, datetime]  # of each signal that was answered yet
    seconds: float


class ProfilingCycle:
    """Holds what was learned so far; `run_once` brings it and the stored profiles up to date."""

    def __init__(
        self,
        source: UsageSource,
        cluster: ClusterPorts,
        policy: CyclePolicy,
        in_scope: InScope,
        asked: Callable[[], NamespaceSelection] = NamespaceSelection,
    ) -> None:
        self._policy, self._in_scope, self._asked = policy, in_scope, asked
        self._lister = cluster.lister
        pace = RateLimiter(policy.writes_per_second)
        self._publisher = Publisher(cluster.store, policy.aging, policy.max_profiles, pace)
        self._reporter = Reporter(cluster.sink)
        self._announcer = WorkloadEventRecorder(cluster.news)
        history = UsageHistory(timeslots=policy.timeslots, retained_days=RETAINED_DAYS)
        self._learned = LearnedState(history.state, ConnectionHistory())
        self._collector = SampleCollector(source, history, self._learned.connections)
        self._derivation = ProfileDerivation(policy.estimation, self._learned)
        self._checkpoints = (
            Checkpoints(cluster.checkpoints, cluster.sink, source.retention_seconds, policy.shard_bytes)
            if cluster.checkpoints
            else None
        )
        self._is_restored = False

    def admit(self, namespaces: Iterable[str]) -> None:
        """These came into scope: the next cycle reads their past, and folds nothing twice of the others."""
        for namespace in namespaces:
            self._learned.forget(namespace)

    async def run_once(self, now: datetime, progress: Progress = lambda _done, _total: None) -> CycleReport:
        """Gather, derive, write, tell.

        Raises:
            ClusterError: check-points, workloads or stored profiles could not be read; nothing was written.
        """
        started = perf_counter()
        await self._restore()
        directory = await self._lister.directory()
        newest = newest_complete_step(now.timestamp())
        wanted = wanted_steps(newest, self._policy.history_days)
        gathered = await self._collector.collect(wanted, directory, progress)
        stored = StoredValues(await self._publisher.stored(), now)
        derived = await self._derive(gathered, newest, directory, stored)
        published = await self._publisher.publish(derived.profiles, now, newcomers_only=gathered.unread_past)
        removed = await self._publisher.age(derived.newest_samples, gathered.answered_kinds, now)
        reasons = self._reasons(directory, gathered, derived, published.stored)
        await self._reporter.tell(gathered, reasons, published.stored, now)
        news = plan_news(published.written, removed, directory.uids, self._in_scope)
        return CycleReport(
            states=gathered.states,
            identities=derived.newest_samples.keys(),
            reasons=reasons,
            samples=gathered.samples,
            unknown_edges=gathered.unknown_edges,
            stored=len(published.stored),
            left_out=published.left_out,
            written=len(published.written),
            failed_writes=published.failed,
            news_dropped=await self._announcer.tell(news, now),
            checkpoints_written=await self._save(now),
            newest_answers=self._newest_answers(),
            seconds=perf_counter() - started,
        )

    def _newest_answers(self) -> dict[Signal, datetime]:
        rows = {
            Signal.of(resource): rows.coverage for resource, rows in self._learned.usage.histograms.items()
        }
        every = rows | {Signal.CONNECTIONS: self._learned.connections.coverage}
        return {
            signal: step_time(coverage.newest_step)
            for signal, coverage in every.items()
            if coverage.newest_step
        }

    async def _restore(self) -> None:
        if self._checkpoints and not self._is_restored:
            await self._checkpoints.restore(self._learned, self._asked())
        self._is_restored = True

    async def _save(self, now: datetime) -> int:
        if self._checkpoints is None:
            return 0
        return await self._checkpoints.save_if_due(self._learned, self._asked(), now)

    async def _derive(
        self, gathered: CollectedSamples, newest: int, directory: ClusterSnapshot, stored: StoredValues
    ) -> DerivedProfiles:
        is_init_container = init_containers_of(directory.init_containers)
        derived = await asyncio.to_thread(
            self._derivation.derive, gathered.states, newest, self._in_scope, is_init_container, stored
        )
        return replace(derived, profiles=with_roles(derived.profiles, directory.init_containers))

    def _reasons(
        self,
        directory: ClusterSnapshot,
        gathered: CollectedSamples,
        derived: DerivedProfiles,
        stored: Collection[Identity],
    ) -> dict[str, str]:
        expected = (workload for workload in directory.workloads if self._in_scope(workload.namespace))
        return reasons_without_profile(
            expected,
            stored,
            derived.too_few,
            min_samples=self._policy.estimation.min_samples,
            answered=gathered.has_usage,
        )
