"""The recommender of VerticalPodAutoscalers: keeps the status of those that name it up to date.

All are compared once per period. One is looked at again only if it, a profile of its target, or the target's
object changed, so that a pass over unchanged ones costs next to nothing and sends no request.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.fair_shares import in_turn
from app.domain.profiles import Resource, StoredProfile
from app.domain.quantities import format_time
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.periodic import wait_synced
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.fault_events import MAX_LENGTH
from app.profiler.ports import AutoscalerStatusWriter
from app.profiler.registries.vertical_autoscalers import AutoscalerRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.named_faults import fault_of_object, named_faults
from app.profiler.vpa.paced_writes import PacedWrites
from app.rightsizing.policy import SchedulingPolicy
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.conclusions import conclude
from app.vpa.recommendation import target_facts, target_profiles
from app.vpa.status import AutoscalerStatus, to_manifest

log = structlog.get_logger(__name__)
_COMPARED_PER_BATCH = 100  # takes some milliseconds, in which the event loop runs nothing else
# A status that was written so recently is not written again: the watch may not have reported it yet, or the
# CRD's schema drops a field of it. If it was reported, and then is another one, another recommender
# wrote: a pass of VPA's own may end after the object named this one.
_SETTLES, _APPEARS = timedelta(hours=1), timedelta(seconds=30)
_NEEDS = {resource.profile_kind for resource in Resource}
_NO_PROFILES: tuple[StoredProfile | None, ...] = tuple(None for _ in Resource)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StatusBasis:
    """The objects that a status was concluded from; a changed one is another object."""

    autoscaler: VerticalAutoscaler
    profiles: tuple[StoredProfile | None, ...]
    record: WorkloadRecord | None
    is_known: bool

    def is_same(self, other: "StatusBasis | None") -> bool:
        """True if nothing changed."""
        return (
            other is not None
            and self.autoscaler is other.autoscaler
            and self.record is other.record
            and self.is_known == other.is_known
            and all(mine is its for mine, its in zip(self.profiles, other.profiles, strict=True))
        )


@dataclass(frozen=True, slots=True)
class _Write:
    autoscaler: VerticalAutoscaler
    status: AutoscalerStatus


@dataclass(slots=True)
class _Written:
    """The last write to the object *uid*, and whether the watch has reported this status since."""

    uid: str
    status: AutoscalerStatus
    at: datetime
    is_reported: bool = False

    def is_settling(self, now: datetime) -> bool:
        """True if the same is not to be written again yet."""
        return now - self.at < (_APPEARS if self.is_reported else _SETTLES)


@dataclass(eq=False)
class AutoscalerRecommender:
    """The recommender of one leader's term, under a *name*; `run` ends only by cancellation.

    *is_known* is True for a workload whose object is listed if it exists.
    """

    name: str
    autoscalers: AutoscalerRegistry
    catalogue: ProfileCatalogue
    workloads: WorkloadRegistry
    writer: AutoscalerStatusWriter
    policy: SchedulingPolicy
    limit_events: FaultAnnouncer
    _: KW_ONLY
    writes: PacedWrites
    period_seconds: float
    is_known: Callable[[Workload], bool] = lambda _workload: True
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _settled: dict[Key, StatusBasis] = field(default_factory=dict, init=False)
    _written: dict[Key, _Written] = field(default_factory=dict, init=False)
    _limits: dict[Key, str] = field(default_factory=dict, init=False)
    _disputed: dict[str, str] = field(default_factory=dict, init=False)

    def faults(self) -> Mapping[str, str]:
        """The reason of each status that was refused, and of each object that names several recommenders."""
        found = {**self.writes.reasons, **self._disputed}
        return named_faults(fault_of_object(name, reason) for name, reason in found.items())

    async def run(self, listed: Callable[[], bool]) -> None:
        """Write until cancelled, once workloads and objects are *listed* and profiles are known."""
        await wait_synced(lambda: listed() and self.catalogue.listed_kinds >= _NEEDS)
        while True:
            await self.run_once()
            await asyncio.sleep(self.period_seconds)

    async def run_once(self) -> int:
        """Bring all statuses up to date; returns the number of writes that succeeded."""
        now, served = self.clock(), self._served()
        self._forget_all_but({autoscaler.key for autoscaler in served})
        written = 0
        for start in range(0, len(served), _COMPARED_PER_BATCH):
            for autoscaler in served[start : start + _COMPARED_PER_BATCH]:
                if write := self._plan(autoscaler, now):
                    written += await self._write(write, now)
            await asyncio.sleep(0)
        await self._announce_limits(served, now)
        if written:
            log.info("vpa_statuses_written", written=written)
        return written

    async def _announce_limits(self, served: Iterable[VerticalAutoscaler], now: datetime) -> None:
        """Emit Events on targets with a limit that no recommendation gets beyond."""
        faults: dict[Workload, str] = {}
        uids: dict[Workload, str] = {}
        for autoscaler in served:
            record = self.workloads.record(autoscaler.target)
            if record and (limits := self._limits.get(autoscaler.key)):
                faults[record.workload] = f"VerticalPodAutoscaler {autoscaler.name}: {limits}"[:MAX_LENGTH]
                uids[record.workload] = record.uid
        await self.limit_events.announce(faults, uids, now)

    def _served(self) -> list[VerticalAutoscaler]:
        """The objects that name this recommender and no other, namespaces in turn.

        Two recommenders would overwrite each other.
        """
        named = [autoscaler for autoscaler in self.autoscalers if self.name in autoscaler.recommenders]
        self._disputed = {
            str(autoscaler): f"it names several recommenders ({', '.join(autoscaler.recommenders)[:200]}), so"
            f" {self.name} leaves it alone: name one"
            for autoscaler in named
            if len(autoscaler.recommenders) > 1
        }
        served = (autoscaler for autoscaler in named if str(autoscaler) not in self._disputed)
        return in_turn(served, lambda autoscaler: autoscaler.namespace)

    def _forget_all_but(self, keys: set[Key]) -> None:
        for of_objects in (self._settled, self._written, self._limits):
            for key in of_objects.keys() - keys:
                del of_objects[key]
        self.writes.keep_only({"/".join(key) for key in keys})

    def _plan(self, autoscaler: VerticalAutoscaler, now: datetime) -> _Write | None:
        key, basis = autoscaler.key, self._basis(autoscaler)
        if basis.is_same(self._settled.get(key)) or self.writes.is_paused(str(autoscaler), now):
            return None
        facts = target_facts(basis.profiles, basis.record, is_known=basis.is_known)
        conclusion = conclude(autoscaler, facts, self.policy)
        self._limits[key] = "; ".join(map(str, conclusion.limits))
        wanted, last = conclusion.status, self._written.get(key)
        is_last = last is not None and last.uid == autoscaler.uid and wanted.says_the_same(last.status)
        if wanted.says_the_same(autoscaler.status):
            self._settled[key] = basis
            if last and is_last:
                last.is_reported = True
            return None
        if last and is_last and last.is_settling(now):
            return None
        return _Write(autoscaler, wanted.at(format_time(now), autoscaler.status))

    def _basis(self, autoscaler: VerticalAutoscaler) -> StatusBasis:
        target = autoscaler.target
        profiles = target_profiles(self.catalogue, target) if autoscaler.has_target else _NO_PROFILES
        return StatusBasis(autoscaler, profiles, self.workloads.record(target), self.is_known(target))

    async def _write(self, write: _Write, now: datetime) -> bool:
        """True if the status was written."""
        key, autoscaler = write.autoscaler.key, write.autoscaler
        replaces = bool(autoscaler.status.recommendations)
        manifest = to_manifest(write.status, replaces_recommendation=replaces)
        is_written = await self.writes.send(
            str(autoscaler), lambda: self.writer.write_status(autoscaler, manifest), now
        )
        if is_written:
            self._written[key] = _Written(autoscaler.uid, write.status, now)
        return is_written
