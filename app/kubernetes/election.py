"""Leader election: one replica works at a time, and none works on after its claim has lapsed.

A leader stops `renew_deadline` after its last renewal was *sent*; the others wait `duration` after they *saw*
it. The time between the two is what the work has to end in.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import structlog

from app.errors import ClusterError, ConflictError
from app.kubernetes.client import ClusterClient
from app.kubernetes.leases import LeaseLock
from app.outage_log import contact_log

log = structlog.get_logger(__name__)

_CONTENTION_JITTER = 1.2


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """`retry_period` < `renew_deadline` < `duration`; an attempt may take half the deadline."""

    duration_seconds: float = 15
    renew_deadline_seconds: float = 10
    retry_period_seconds: float = 2


class _Outcome(Enum):
    HELD = auto()
    TAKEN = auto()
    UNKNOWN = auto()


class LeaderElector:
    """Contends for a Lease for ever and works while it holds it; *identity* must be no other replica's."""

    def __init__(
        self,
        client: ClusterClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        timing: LeaseTiming | None = None,
    ) -> None:
        self._timing = timing or LeaseTiming()
        self._lock = LeaseLock(
            client, namespace, name, identity, duration_seconds=self._timing.duration_seconds
        )
        self._attempt_seconds = self._timing.renew_deadline_seconds / 2
        self._contact = contact_log(log, f"Lease {namespace}/{name}")
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)
        self._leads = False

    @property
    def is_leader(self) -> bool:
        """True while the claim stands; by the clock, so a process that was held up learns it at once."""
        return self._leads and self._remaining_seconds() > 0

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Contend until cancelled; `lead()` runs while the Lease is held and is cancelled when it is lost.

        Returns when `lead()` returns, and raises what it raises: it is not meant to end by itself. However
        this ends, `lead()` has ended before, and a Lease that was held is free.
        """
        while True:
            await self._acquire()
            if await self._lead(lead):
                return

    async def _acquire(self) -> None:
        while await self._attempt(self._attempt_seconds) is not _Outcome.HELD:
            jitter = random.uniform(1, _CONTENTION_JITTER)  # noqa: S311 - keeps candidates apart
            await asyncio.sleep(self._timing.retry_period_seconds * jitter)

    async def _lead(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """True where `lead()` ended by itself, False where the Lease was lost."""
        self._leads = True
        self._log.info("leadership_gained")
        work = asyncio.create_task(lead())
        renewals = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({work, renewals}, return_when=asyncio.FIRST_COMPLETED)
            ended = work.done()
        finally:
            await self._step_down(work, renewals)
        for task in (renewals, work):
            if not task.cancelled():
                task.result()
        return ended

    async def _renew(self) -> None:
        """Returns when the Lease is lost."""
        while (remaining := self._remaining_seconds()) > 0:
            await asyncio.sleep(min(self._timing.retry_period_seconds, remaining))
            limit_seconds = min(self._attempt_seconds, self._remaining_seconds())
            if await self._attempt(limit_seconds) is _Outcome.TAKEN:
                break
        self._leads = False
        self._log.warning("leadership_lost")

    async def _attempt(self, limit_seconds: float) -> _Outcome:
        try:
            async with asyncio.timeout(limit_seconds):
                held = await self._lock.try_to_hold()
        except ConflictError:
            return _Outcome.UNKNOWN
        except (ClusterError, TimeoutError) as error:
            self._contact.failed(error)
            return _Outcome.UNKNOWN
        self._contact.succeeded()
        return _Outcome.HELD if held else _Outcome.TAKEN

    def _remaining_seconds(self) -> float:
        return self._lock.claimed_at + self._timing.renew_deadline_seconds - time.monotonic()

    async def _step_down(self, work: asyncio.Task[None], renewals: asyncio.Task[None]) -> None:
        """End the work first and renew until it has ended; free the Lease, unless it was lost already."""
        try:
            await _end(work)
        finally:
            lost = renewals.done()
            await _end(renewals)
            self._leads = False
            if not lost:
                await self._release()

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._attempt_seconds):
                await self._lock.release()
        except (ClusterError, TimeoutError) as error:
            self._log.warning("lease_not_released", reason=str(error) or "no answer in time")
        else:
            self._log.info("leadership_released")


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel *task* and wait until it has ended, even where the waiting itself is cancelled."""
    task.cancel()
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            interruption = error
    if interruption:
        raise interruption
