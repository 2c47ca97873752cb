"""Writes, marks and removes stored profiles; the next cycle plans a failed change again."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, Profile, ProfileKind, StoredProfile
from app.errors import ClusterError, ConflictError, UnavailableError
from app.profiler.cycle.plan_aging import AgingPolicy, plan_aging
from app.profiler.cycle.plan_writes import plan_writes, within_limit
from app.profiler.ports import ProfileStore
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)
_CONCURRENT_WRITES = 8
_ATTEMPTS = 3
_LONGEST_PAUSE_SECONDS = 60.0
Change = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The successful writes, the numbers of failed writes and left-out profiles, and all stored profiles."""

    written: list[ProfileWrite]
    failed: int
    left_out: int
    stored_identities: set[Identity]


class Publisher:
    """Carries out the plans, limited by *rate_limiter*."""

    def __init__(
        self,
        store: ProfileStore,
        aging: AgingPolicy,
        max_profiles: int,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._store, self._aging, self._max_profiles = store, aging, max_profiles
        self._rate_limiter = rate_limiter or RateLimiter(math.inf)

    async def publish(
        self, profiles: list[Profile], now: datetime, *, frozen_kinds: Collection[ProfileKind] = ()
    ) -> PublishResult:
        """Write new and changed profiles; raises ClusterError if the stored ones can't be read.

        Stored profiles of *frozen_kinds* stay: they are based on a past that was not read again yet.
        """
        catalogue = await self._store.stored()
        profiles = [
            profile
            for profile in profiles
            if profile.identity.kind not in frozen_kinds or catalogue.get(profile.identity) is None
        ]
        # In a thread: 200 ms for 5,000 profiles, in which a webhook in the same process could not answer.
        writes, left_out = await asyncio.to_thread(self._plan, profiles, catalogue, now)
        waiting, written = iter(writes), []

        async def write_waiting() -> None:
            for write in waiting:  # one task per write would take 80 MB for 50,000
                change = partial(self._store.write, write, now)
                if await self._try_change(change, "profile_not_written", name=write.name):
                    written.append(write)

        await asyncio.gather(*(write_waiting() for _ in range(_CONCURRENT_WRITES)))
        # The catalogue of a cluster contains a write only once the watch reports it.
        stored = {write.profile.identity for write in written} | {profile.identity for profile in catalogue}
        return PublishResult(written, len(writes) - len(written), left_out, stored)

    def _plan(
        self, profiles: list[Profile], catalogue: ProfileCatalogue, now: datetime
    ) -> tuple[list[ProfileWrite], int]:
        """The writes, largest relative change first, and how many new profiles are left out."""
        allowed, left_out = within_limit(profiles, catalogue, self._max_profiles)
        return sorted(
            plan_writes(allowed, catalogue, now), key=lambda write: -write.relative_change
        ), left_out

    async def stored(self) -> ProfileCatalogue:
        """The stored profiles; raises ClusterError if they can't be read."""
        return await self._store.stored()

    async def apply_aging(
        self,
        newest_samples: Mapping[Identity, datetime],
        is_answered: Callable[[Identity], bool],
        now: datetime,
    ) -> list[StoredProfile]:
        """Mark stale and fresh profiles, remove expired ones; returns the removed ones."""
        aging = plan_aging(await self._store.stored(), newest_samples, is_answered, self._aging, now)
        for profile in aging.turned_stale:
            await self._change_profile(profile, partial(self._store.mark, profile, stale=True, now=now))
        for profile in aging.turned_fresh:
            await self._change_profile(profile, partial(self._store.mark, profile, stale=False, now=now))
        removed = [
            profile
            for profile in aging.expired
            if await self._change_profile(profile, partial(self._store.remove, profile))
        ]
        for profile in removed:
            log.info("profile_expired", name=profile.name, of=str(profile.subject))
        return removed

    async def _change_profile(self, profile: StoredProfile, change: Change) -> bool:
        return await self._try_change(change, "profile_not_aged", name=profile.name)

    async def _try_change(self, change: Change, event: str, *, name: str) -> bool:
        """True if *change* succeeded, perhaps after a conflict or after waiting for Retry-After."""
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            await self._rate_limiter.acquire()
            try:
                await change()
            except (ConflictError, UnavailableError) as error:
                pause_seconds = getattr(error, "retry_after_seconds", 0.0)
                if pause_seconds is None or not attempts_left:
                    log.warning(event, name=name, error=str(error))
                    return False
                self._rate_limiter.pause(min(pause_seconds, _LONGEST_PAUSE_SECONDS))
            except ClusterError as error:
                log.warning(event, name=name, error=str(error))
                return False
            else:
                return True
        return False
