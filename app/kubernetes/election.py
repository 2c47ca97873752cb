"""Leader election on a Lease: at most one replica works at a time.

A leader stops `renew_deadline` after it *sent* its last renewal; the other candidates wait `duration` after
they *saw* that renewal. The leader's work has the difference between the two to terminate.
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
    """`retry_period` < `renew_deadline` < `duration`; one attempt may take half of `renew_deadline`."""

    duration_seconds: float = 15
    renew_deadline_seconds: float = 10
    retry_period_seconds: float = 2


class _Outcome(Enum):
    HELD = auto()
    TAKEN = auto()
    UNKNOWN = auto()


class LeaderElector:
    """Contends for a Lease, and works while it holds the Lease; *identity* must be unique among replicas."""

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
        self._title = f"Lease {namespace}/{name}"
        self._contact = contact_log(log, self._title)
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)
        self._leads = False

    def faults(self) -> dict[str, str]:
        """The reason why the Lease can't be read or written, if it can't."""
        return self._contact.faults(self._title)

    @property
    def is_leader(self) -> bool:
        """True while the Lease is held; the clock decides, so a stalled leader that resumes gets False."""
        return self._leads and self._remaining_seconds() > 0

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Contend until cancelled; `lead()` runs while the Lease is held and is cancelled when it is lost.

        Returns when `lead()` returns, and raises what `lead()` raises; neither is expected. In each case
        `lead()` has terminated first, and a held Lease has been released.
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
        """True if `lead()` terminated, False if the Lease was lost."""
        self._leads = True
        self._log.info("leadership_gained")
        work = asyncio.create_task(lead())
        renewals = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({work, renewals}, return_when=asyncio.FIRST_COMPLETED)
            is_done = work.done()
        finally:
            await self._step_down(work, renewals)
        for task in (renewals, work):
            if not task.cancelled():
                task.result()
        return is_done

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
        """Terminate the work while renewals go on; then release the Lease, unless it was lost."""
        try:
            await _cancel_and_wait(work)
        finally:
            is_lost = renewals.done()
            await _cancel_and_wait(renewals)
            self._leads = False
            if not is_lost:
                await self._release()

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._attempt_seconds):
                await self._lock.release()
        except (ClusterError, TimeoutError) as error:
            self._log.warning("lease_not_released", reason=str(error) or "no response in time")
        else:
            self._log.info("leadership_released")


async def _cancel_and_wait(task: asyncio.Task[None]) -> None:
    """Cancel *task* and wait until it has terminated, even if this call is itself cancelled."""
    task.cancel()
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            interruption = error
    if interruption:
        raise interruption
