"""Brings what is stored up to what was derived: writes, marks and removes; what fails is planned again."""

import asyncio
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.domain.profiles import Identity, Profile, StoredProfile
from app.errors import ClusterError
from app.profiler.aging import AgingPolicy, plan_aging
from app.profiler.ports import ProfileStore
from app.profiler.publication import Write, plan_writes, within_limit

log = structlog.get_logger(__name__)
_WRITES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Published:
    """The writes that succeeded, how many did not, and every profile that is stored after them."""

    written: list[Write]
    failed: int
    left_out: int
    stored: set[Identity]


class Publisher:
    """Carries out what the pure plans say."""

    def __init__(self, store: ProfileStore, aging: AgingPolicy, max_profiles: int) -> None:
        self._store, self._aging, self._max_profiles = store, aging, max_profiles

    async def publish(self, profiles: list[Profile], now: datetime) -> Published:
        """Write what is new or has changed; raises ClusterError where what is stored can't be known."""
        catalogue = await self._store.stored()
        allowed, left_out = within_limit(profiles, catalogue, self._max_profiles)
        writes = plan_writes(allowed, catalogue, now)
        turns = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def attempt(write: Write) -> bool:
            async with turns:
                return await _done(self._store.write(write, now), "profile_not_written", name=write.name)

        succeeded = await asyncio.gather(*map(attempt, writes))
        written = [write for write, done in zip(writes, succeeded, strict=True) if done]
        # A cluster's catalogue hears of a write a little later.
        stored = {write.profile.identity for write in written} | {profile.identity for profile in catalogue}
        return Published(written, len(writes) - len(written), left_out, stored)

    async def age(
        self, profiles: list[Profile], answered_kinds: Collection[str], now: datetime
    ) -> list[StoredProfile]:
        """Mark what turned stale or fresh, remove what expired; returns what was removed."""
        newest = {profile.identity: profile.basis.window_end for profile in profiles}
        aging = plan_aging(await self._store.stored(), newest, answered_kinds, self._aging, now)
        for profile in aging.turned_stale:
            await self._change(profile, self._store.mark(profile, stale=True, now=now))
        for profile in aging.turned_fresh:
            await self._change(profile, self._store.mark(profile, stale=False, now=now))
        removed = [
            profile for profile in aging.expired if await self._change(profile, self._store.remove(profile))
        ]
        for profile in removed:
            log.info("profile_expired", name=profile.name, of=str(profile.identity[1]))
        return removed

    @staticmethod
    async def _change(profile: StoredProfile, change: Awaitable[None]) -> bool:
        return await _done(change, "profile_not_aged", name=profile.name)


async def _done(action: Awaitable[None], fault: str, *, name: str) -> bool:
    """True where the action went through."""
    try:
        await action
    except ClusterError as error:
        log.warning(fault, name=name, error=str(error))
        return False
    return True
