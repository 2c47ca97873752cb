"""One profiling cycle: who is there, what is new, what is needed, what changed."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from app.domain.profiles import Identity, Profile
from app.estimation.policy import EstimationPolicy
from app.profiler.aging import AgingPolicy
from app.profiler.announcing import Announcer
from app.profiler.derivation import Derived, Knowledge
from app.profiler.gathering import Gathered, Gatherer, Progress, newest_complete_step, wanted_steps
from app.profiler.news import plan_news
from app.profiler.ports import Cluster, Directory, UsageSource
from app.profiler.publishing import Publisher
from app.profiler.report import reasons_without_profile
from app.profiler.reporting import Reporter
from app.profiler.roles import ending_in, with_roles
from app.profiler.signals import SignalState

InScope = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """How much is read and what is made of it."""

    estimation: EstimationPolicy
    history_days: int
    timeslots: int
    aging: AgingPolicy = field(default_factory=AgingPolicy)
    max_profiles: int = 50_000


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle did; `profiles` are those derived in it, `reasons` why others have none.

    `stored` counts all profiles that are stored after it, derived in it or not; `left_out` those that were
    not stored because there are enough; `news_dropped` the Events that were too many.
    """

    states: list[SignalState]
    profiles: list[Profile]
    reasons: dict[str, str]
    samples: int
    unknown_edges: int
    stored: int
    left_out: int
    written: int
    failed_writes: int
    news_dropped: int
    seconds: float


class ProfilingCycle:
    """Holds what was learned so far; `run_once` brings it and the stored profiles up to date."""

    def __init__(
        self,
        source: UsageSource,
        cluster: Cluster,
        policy: CyclePolicy,
        in_scope: InScope,
    ) -> None:
        self._source, self._policy, self._in_scope = source, policy, in_scope
        self._lister = cluster.lister
        self._publisher = Publisher(cluster.store, policy.aging, policy.max_profiles)
        self._reporter = Reporter(cluster.sink)
        self._announcer = Announcer(cluster.news)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Know nothing, so that the next cycle reads the whole past; the stored profiles stay meanwhile."""
        self._knowledge = Knowledge(self._policy.estimation, timeslots=self._policy.timeslots)
        self._gatherer = Gatherer(self._source, self._knowledge.usage, self._knowledge.connections)

    async def run_once(self, now: datetime, progress: Progress = lambda _done, _total: None) -> CycleReport:
        """Gather, derive, write, tell.

        Raises:
            ClusterError: workloads or stored profiles could not be read; nothing was written.
        """
        started = perf_counter()
        directory = await self._lister.directory()
        newest = newest_complete_step(now.timestamp())
        wanted = wanted_steps(newest, self._policy.history_days)
        gathered = await self._gatherer.gather(wanted, directory, progress)
        derived = await self._derive(gathered, newest, directory)
        published = await self._publisher.publish(derived.profiles, now)
        removed = await self._publisher.age(derived.profiles, gathered.answered_kinds, now)
        reasons = self._reasons(directory, gathered, derived, published.stored)
        await self._reporter.tell(gathered, reasons, published.stored, now)
        news = plan_news(published.written, removed, directory.uids, self._in_scope)
        return CycleReport(
            states=gathered.states,
            profiles=derived.profiles,
            reasons=reasons,
            samples=gathered.samples,
            unknown_edges=gathered.unknown_edges,
            stored=len(published.stored),
            left_out=published.left_out,
            written=len(published.written),
            failed_writes=published.failed,
            news_dropped=await self._announcer.tell(news, now),
            seconds=perf_counter() - started,
        )

    async def _derive(self, gathered: Gathered, newest: int, directory: Directory) -> Derived:
        ends = ending_in(directory.init_containers)
        derived = await asyncio.to_thread(
            self._knowledge.derive, gathered.states, newest, self._in_scope, ends
        )
        return Derived(with_roles(derived.profiles, directory.init_containers), derived.too_few)

    def _reasons(
        self, directory: Directory, gathered: Gathered, derived: Derived, stored: Collection[Identity]
    ) -> dict[str, str]:
        expected = (workload for workload in directory.workloads if self._in_scope(workload.namespace))
        return reasons_without_profile(
            expected,
            stored,
            derived.too_few,
            min_samples=self._policy.estimation.min_samples,
            answered=gathered.has_usage,
        )
