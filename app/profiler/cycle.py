"""One profiling cycle: who is there, what is new, what is needed, what changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

import structlog

from app.domain.profiles import Identity, Profile
from app.errors import ClusterError
from app.estimation.policy import EstimationPolicy
from app.profiler.aging import AgingPolicy, plan_aging
from app.profiler.derivation import Derived, Knowledge
from app.profiler.gathering import Gathered, Gatherer, Progress, newest_complete_step, wanted_steps
from app.profiler.ports import Cluster, Directory, UsageSource
from app.profiler.publication import Write, plan_writes, within_limit
from app.profiler.report import build_report, reasons_without_profile
from app.profiler.signals import SignalBoard, SignalState

log = structlog.get_logger(__name__)
InScope = Callable[[str], bool]
_WRITES_AT_ONCE = 8


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
    not stored because there are enough.
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
    seconds: float


@dataclass(frozen=True, slots=True)
class _Published:
    """What became of the writes, and every profile that is stored after them."""

    written: int
    failed: int
    left_out: int
    stored: set[Identity]


class ProfilingCycle:
    """Holds what was learned so far; `run_once` brings it and the stored profiles up to date."""

    def __init__(
        self,
        source: UsageSource,
        cluster: Cluster,
        policy: CyclePolicy,
        in_scope: InScope,
    ) -> None:
        self._lister, self._store, self._sink = cluster.lister, cluster.store, cluster.sink
        self._policy, self._in_scope = policy, in_scope
        self._knowledge = Knowledge(policy.estimation, timeslots=policy.timeslots)
        self._gatherer = Gatherer(source, self._knowledge.usage, self._knowledge.connections)
        self._board = SignalBoard()
        self._unattributed: set[str] = set()
        self._told: dict[str, Any] | None = None

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
        derived = await asyncio.to_thread(self._knowledge.derive, gathered.states, newest, self._in_scope)
        published = await self._publish(derived.profiles, now)
        await self._age(derived.profiles, gathered, now)
        reasons = self._reasons(directory, gathered, derived, published.stored)
        await self._tell(gathered, reasons, published.stored, now)
        return CycleReport(
            states=gathered.states,
            profiles=derived.profiles,
            reasons=reasons,
            samples=gathered.samples,
            unknown_edges=gathered.unknown_edges,
            stored=len(published.stored),
            left_out=published.left_out,
            written=published.written,
            failed_writes=published.failed,
            seconds=perf_counter() - started,
        )

    async def _publish(self, profiles: list[Profile], now: datetime) -> _Published:
        catalogue = await self._store.stored()
        allowed, left_out = within_limit(profiles, catalogue, self._policy.max_profiles)
        writes = plan_writes(allowed, catalogue, now)
        turns = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def attempt(write: Write) -> bool:
            async with turns:
                return await self._attempt(write, now)

        succeeded = await asyncio.gather(*map(attempt, writes))
        written = {write.profile.identity for write, done in zip(writes, succeeded, strict=True) if done}
        # A cluster's catalogue hears of a write a little later.
        stored = written | {profile.identity for profile in catalogue}
        return _Published(len(written), len(writes) - len(written), left_out, stored)

    async def _age(self, profiles: list[Profile], gathered: Gathered, now: datetime) -> None:
        """Mark what turned stale or fresh, remove what expired; what fails is planned again."""
        newest = {profile.identity: profile.basis.window_end for profile in profiles}
        catalogue = await self._store.stored()
        aging = plan_aging(catalogue, newest, gathered.answered_kinds, self._policy.aging, now)
        actions = [
            *(self._store.mark(profile, stale=True, now=now) for profile in aging.turned_stale),
            *(self._store.mark(profile, stale=False, now=now) for profile in aging.turned_fresh),
            *(self._store.remove(profile) for profile in aging.expired),
        ]
        for action in actions:
            try:
                await action
            except ClusterError as error:
                log.warning("profile_not_aged", error=str(error))
        for profile in aging.expired:
            log.info("profile_expired", name=profile.name, of=str(profile.identity[1]))

    async def _attempt(self, write: Write, now: datetime) -> bool:
        """A write that fails is planned again by the next cycle."""
        try:
            await self._store.write(write, now)
        except ClusterError as error:
            log.warning("profile_not_written", name=write.name, error=str(error))
            return False
        return True

    def _reasons(
        self, directory: Directory, gathered: Gathered, derived: Derived, stored: set[Identity]
    ) -> dict[str, str]:
        expected = (workload for workload in directory.workloads if self._in_scope(workload.namespace))
        return reasons_without_profile(
            expected,
            stored,
            derived.too_few,
            min_samples=self._policy.estimation.min_samples,
            answered=gathered.has_usage,
        )

    async def _tell(
        self, gathered: Gathered, reasons: dict[str, str], stored: set[Identity], now: datetime
    ) -> None:
        """Say what changed: one log line and Event per change of state, the report only when it differs."""
        for state in self._board.update(gathered.states, now):
            say = log.warning if state.state.is_fault else log.info
            say("signal_changed", signal=state.signal, state=state.state.value, message=state.message)
            text = f"{state.signal}: {state.message or 'answers again'}"
            await _told(self._sink.announce(state.reason, text, warning=state.state.is_fault))
        self._unattributed |= gathered.unattributed_namespaces
        report = build_report(
            self._board.as_report(),
            reasons,
            profiles=stored,
            unattributed_namespaces=self._unattributed,
            past_pods_by=gathered.past_pods_by,
        )
        if report != self._told and await _told(self._sink.tell(report)):
            self._told = report


async def _told(telling: Awaitable[None]) -> bool:
    """True where the telling went through; a report that can't be written must not stop the profiles."""
    try:
        await telling
    except ClusterError as error:
        log.warning("report_not_written", error=str(error))
        return False
    return True
