"""Brings what is stored up to what was derived: writes, marks and removes; what fails is planned again."""

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
_WRITES_AT_ONCE = 8
_TRIES = 3
_LONGEST_PAUSE_SECONDS = 60.0
Change = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The writes that succeeded, how many did not, and every profile that is stored after them."""

    written: list[ProfileWrite]
    failed: int
    left_out: int
    stored: set[Identity]


class Publisher:
    """Carries out what the pure plans say, at the *pace* that the cluster is to bear."""

    def __init__(
        self, store: ProfileStore, aging: AgingPolicy, max_profiles: int, pace: RateLimiter | None = None
    ) -> None:
        self._store, self._aging, self._max_profiles = store, aging, max_profiles
        self._pace = pace or RateLimiter(math.inf)

    async def publish(
        self, profiles: list[Profile], now: datetime, *, newcomers_only: Collection[ProfileKind] = ()
    ) -> PublishResult:
        """Write what is new or has changed; raises ClusterError where what is stored can't be known.

        Of the kinds *newcomers_only* what is stored stays: it rests on a past that was not read again yet.
        """
        catalogue = await self._store.stored()
        profiles = [
            profile
            for profile in profiles
            if profile.identity.kind not in newcomers_only or catalogue.get(profile.identity) is None
        ]
        # In a thread: 200 ms for 5,000 profiles, in which a webhook of the same process would not answer.
        writes, left_out = await asyncio.to_thread(self._planned, profiles, catalogue, now)
        waiting, written = iter(writes), []

        async def work() -> None:
            for write in waiting:  # a task for each of 50,000 would take 80 MB
                change = partial(self._store.write, write, now)
                if await self._done(change, "profile_not_written", name=write.name):
                    written.append(write)

        await asyncio.gather(*(work() for _ in range(_WRITES_AT_ONCE)))
        # A cluster's catalogue hears of a write a little later.
        stored = {write.profile.identity for write in written} | {profile.identity for profile in catalogue}
        return PublishResult(written, len(writes) - len(written), left_out, stored)

    def _planned(
        self, profiles: list[Profile], catalogue: ProfileCatalogue, now: datetime
    ) -> tuple[list[ProfileWrite], int]:
        """What is to be written, the largest change first, and how many newcomers are left out."""
        allowed, left_out = within_limit(profiles, catalogue, self._max_profiles)
        return sorted(plan_writes(allowed, catalogue, now), key=lambda each: -each.relative_change), left_out

    async def stored(self) -> ProfileCatalogue:
        """What is stored; raises ClusterError where that can't be known."""
        return await self._store.stored()

    async def age(
        self,
        newest_samples: Mapping[Identity, datetime],
        answered_kinds: Collection[ProfileKind],
        now: datetime,
    ) -> list[StoredProfile]:
        """Mark what turned stale or fresh, remove what expired; returns what was removed."""
        aging = plan_aging(await self._store.stored(), newest_samples, answered_kinds, self._aging, now)
        for profile in aging.turned_stale:
            await self._change(profile, partial(self._store.mark, profile, stale=True, now=now))
        for profile in aging.turned_fresh:
            await self._change(profile, partial(self._store.mark, profile, stale=False, now=now))
        removed = [
            profile
            for profile in aging.expired
            if await self._change(profile, partial(self._store.remove, profile))
        ]
        for profile in removed:
            log.info("profile_expired", name=profile.name, of=str(profile.subject))
        return removed

    async def _change(self, profile: StoredProfile, change: Change) -> bool:
        return await self._done(change, "profile_not_aged", name=profile.name)

    async def _done(self, change: Change, fault: str, *, name: str) -> bool:
        """True where the change went through, perhaps only after a conflict or a pause that was asked for."""
        for tries_left in range(_TRIES - 1, -1, -1):
            await self._pace.turn()
            try:
                await change()
            except (ConflictError, UnavailableError) as error:
                pause_seconds = getattr(error, "retry_after_seconds", 0.0)
                if pause_seconds is None or not tries_left:
                    log.warning(fault, name=name, error=str(error))
                    return False
                self._pace.hold(min(pause_seconds, _LONGEST_PAUSE_SECONDS))
            except ClusterError as error:
                log.warning(fault, name=name, error=str(error))
                return False
            else:
                return True
        return False
