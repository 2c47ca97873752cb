"""Writes, marks and removes stored profiles; the next cycle plans a failed change again."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.fair_shares import take_turns
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import Identity, Profile, ProfileKind, StoredProfile
from app.errors import ClusterError, ConflictError, UnavailableError
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.plan_aging import AgingPolicy, plan_aging
from app.profiler.cycle.plan_limit import LimitPlan, plan_limit
from app.profiler.cycle.plan_policies import PolicyChange, plan_policies
from app.profiler.cycle.plan_writes import WriteOrder, order_writes, plan_writes
from app.profiler.ports import ProfileStore
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import RateLimiter
from app.profiler.refusals import Refusals

log = structlog.get_logger(__name__)
_CONCURRENT_WRITES = 8
_ATTEMPTS = 3
_LONGEST_PAUSE_SECONDS = 60.0
_LISTED_NAMESPACES = 10
_LISTED_IGNORED = 20
_POLICY_SETTLES = timedelta(hours=1)
MAX_PROFILES = "MaxProfiles: MAX_PROFILES is reached, and its namespace has no place left"
NAMES_TAKEN = "NamesTaken: other objects have the names that its profile can have"
NOT_WRITTEN = "NotWritten: the API server refused the profile, or did not answer (see the log)"
Change = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The outcome of the writes of one cycle.

    `left_out` counts the new profiles beyond the limit, `evicted` the stored ones that made room for others,
    `postponed` the writes that are left to the next cycle, `refused` the objects whose last write was
    refused, and `ignored` the objects that are no profile in use, of which some are named. `unstored` has the
    reason for each of the given profiles that is not stored. `known_kinds` are the kinds with stored profiles
    that can be read.
    """

    written: list[ProfileWrite]
    failed: int
    left_out: int
    stored_identities: set[Identity]
    evicted: int = 0
    postponed: int = 0
    refused: int = 0
    ignored: int = 0
    ignored_names: Sequence[str] = ()
    unstored: Mapping[Identity, str] = field(default_factory=dict)
    known_kinds: Collection[ProfileKind] = frozenset(ProfileKind)


@dataclass(frozen=True, slots=True)
class _Plan:
    order: WriteOrder
    limit: LimitPlan
    planned: Collection[Identity]

    def unstored(self, profiles: Iterable[Profile], stored: Collection[Identity]) -> dict[Identity, str]:
        """The reason for each of *profiles* that is not *stored* after the writes."""
        missing = [profile.identity for profile in profiles if profile.identity not in stored]
        allowed = {profile.identity for profile in self.limit.allowed} if missing else set()

        def reason(identity: Identity) -> str:
            if identity not in allowed:
                return MAX_PROFILES
            return NOT_WRITTEN if identity in self.planned else NAMES_TAKEN

        return {identity: reason(identity) for identity in missing}


class Publisher:
    """Carries out the plans, limited by *rate_limiter*.

    A cycle with more than *max_writes* leaves connections to the next one, which so begins on time.
    """

    def __init__(
        self,
        store: ProfileStore,
        aging: AgingPolicy,
        max_profiles: int,
        rate_limiter: RateLimiter | None = None,
        *,
        max_writes: float = math.inf,
    ) -> None:
        self._store, self._aging, self._max_profiles = store, aging, max_profiles
        self._rate_limiter, self._max_writes = rate_limiter or RateLimiter(math.inf), max_writes
        self._refusals = Refusals()
        self._policies: dict[tuple[str, tuple[PolicyRule, ...]], datetime] = {}  # the time of the last writes

    async def publish(
        self, profiles: list[Profile], now: datetime, *, frozen_kinds: Collection[ProfileKind] = ()
    ) -> PublishResult:
        """Write new and changed profiles; raises ClusterError if no stored ones can be read.

        Stored profiles of *frozen_kinds* stay: they are based on a past that was not read again yet. So do
        all of a kind that can't be read.
        """
        catalogue, known_kinds = await self._store.stored(), self._store.known_kinds
        profiles = [
            profile
            for profile in profiles
            if profile.identity.kind in known_kinds
            and (profile.identity.kind not in frozen_kinds or catalogue.get(profile.identity) is None)
        ]
        # In a thread: 200 ms for 5,000 profiles, in which a webhook in the same process could not answer.
        plan = await asyncio.to_thread(self._plan, profiles, catalogue, now)
        evicted = await self._evict([one for one in plan.limit.evicted if one.kind in known_kinds], now)
        waiting, written = iter(plan.order.writes), []

        async def write_waiting() -> None:
            for write in waiting:  # one task per write would take 80 MB for 50,000
                change = partial(self._store.write, write, now)
                if await self._try_change(change, "profile_not_written", name=write.name, now=now):
                    written.append(write)

        await asyncio.gather(*(write_waiting() for _ in range(_CONCURRENT_WRITES)))
        # The catalogue of a cluster contains a write only once the watch reports it.
        stored = {write.profile.identity for write in written} | {profile.identity for profile in catalogue}
        stored -= evicted
        ignored_names = await asyncio.to_thread(catalogue.ignored_names, _LISTED_IGNORED)
        return PublishResult(
            written,
            len(plan.order.writes) - len(written),
            plan.limit.left_out,
            stored,
            len(evicted),
            plan.order.postponed,
            len(self._refusals),
            catalogue.ignored_count,
            ignored_names,
            plan.unstored(profiles, stored),
            known_kinds,
        )

    def _plan(self, profiles: list[Profile], catalogue: ProfileCatalogue, now: datetime) -> _Plan:
        """The writes in their order, without those that are paused, and the stored profiles to remove."""
        limit = plan_limit(profiles, catalogue, self._max_profiles)
        planned = plan_writes(limit.allowed, catalogue, now)
        self._refusals.keep_only({write.name for write in planned} | catalogue.names)
        writes = (write for write in planned if not self._refusals.is_paused(write.name, now))
        order = order_writes(writes, self._max_writes, self._refusals.__contains__)
        return _Plan(order, limit, {write.profile.identity for write in planned})

    async def _evict(self, profiles: list[StoredProfile], now: datetime) -> set[Identity]:
        """Remove stored profiles of namespaces over their share; returns the removed ones."""
        evicted = {
            profile.identity
            for profile in profiles
            if await self._change_profile(profile, partial(self._store.remove, profile), now)
        }
        if evicted:
            namespaces = sorted({profile.tenant for profile in profiles})
            log.warning("profiles_evicted", profiles=len(evicted), namespaces=namespaces[:_LISTED_NAMESPACES])
        return evicted

    async def stored(self) -> ProfileCatalogue:
        """The stored profiles; raises ClusterError if they can't be read."""
        return await self._store.stored()

    async def apply_policies(self, snapshot: ClusterSnapshot, now: datetime) -> list[PolicyChange]:
        """Write the policies that differ from the annotations that hold now; returns those that are written.

        One that was written within the last hour is not written again: the watch may not have reported it
        yet, or the stored schema drops it.
        """
        catalogue, known_kinds = await self._store.stored(), self._store.known_kinds
        planned = await asyncio.to_thread(lambda: list(plan_policies(catalogue, snapshot)))
        settling = {
            (change.profile.name, change.rules): written_at
            for change in planned
            if (written_at := self._policies.get((change.profile.name, change.rules)))
            and now - written_at < _POLICY_SETTLES
        }
        due = [
            change
            for change in planned
            if change.profile.kind in known_kinds and (change.profile.name, change.rules) not in settling
        ]
        self._policies = settling
        if len(due) > self._max_writes:
            due = take_turns(due, lambda change: change.profile.tenant, int(self._max_writes))
        waiting, written = iter(due), []

        async def write_waiting() -> None:
            for change in waiting:
                profile, rules = change.profile, change.rules
                if await self._change_profile(profile, partial(self._store.set_policy, profile, rules), now):
                    settling[profile.name, rules] = now
                    written.append(change)

        await asyncio.gather(*(write_waiting() for _ in range(_CONCURRENT_WRITES)))
        return written

    async def apply_aging(
        self,
        newest_samples: Mapping[Identity, datetime],
        is_answered: Callable[[Identity], bool],
        now: datetime,
    ) -> list[StoredProfile]:
        """Mark stale and fresh profiles, remove expired ones; returns the removed ones."""
        catalogue, known_kinds = await self._store.stored(), self._store.known_kinds
        known = (profile for profile in catalogue if profile.kind in known_kinds)
        aging = plan_aging(known, newest_samples, is_answered, self._aging, now)
        for profile in aging.turned_stale:
            await self._change_profile(profile, partial(self._store.mark, profile, stale=True, now=now), now)
        for profile in aging.turned_fresh:
            await self._change_profile(profile, partial(self._store.mark, profile, stale=False, now=now), now)
        removed = [
            profile
            for profile in aging.expired
            if await self._change_profile(profile, partial(self._store.remove, profile), now)
        ]
        for profile in removed:
            log.info("profile_expired", name=profile.name, of=str(profile.subject))
        return removed

    async def _change_profile(self, profile: StoredProfile, change: Change, now: datetime) -> bool:
        if self._refusals.is_paused(profile.name, now):
            return False
        return await self._try_change(change, "profile_not_aged", name=profile.name, now=now)

    async def _try_change(self, change: Change, event: str, *, name: str, now: datetime) -> bool:
        """True if *change* succeeded, perhaps after a conflict or after waiting for Retry-After.

        A refusal pauses this object only. An API server that is away or throttles refuses none.
        """
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            await self._rate_limiter.acquire()
            try:
                await change()
            except (ConflictError, UnavailableError) as error:
                pause_seconds = getattr(error, "retry_after_seconds", 0.0)
                if pause_seconds is None or not attempts_left:
                    log.warning(event, name=name, error=str(error))
                    if isinstance(error, ConflictError):
                        self._refusals.add(name, now)
                    return False
                self._rate_limiter.pause(min(pause_seconds, _LONGEST_PAUSE_SECONDS))
            except ClusterError as error:
                log.warning(event, name=name, error=str(error))
                self._refusals.add(name, now)
                return False
            else:
                self._refusals.discard(name)
                return True
        return False
