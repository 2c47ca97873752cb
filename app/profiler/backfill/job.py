"""Back-fill: sets the annotations of Pods right that admission did not, or not as they have to be by now.

All Pods are compared once per period, and soon after profiles changed; each comparison replaces what was
still to be done, so that the newest Pods always come first. Nothing but annotations is ever changed.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from time import monotonic

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.pod_record import PodRecord
from app.domain.profiles import Identity
from app.errors import ClusterError, ConflictError, NotFoundError, UnavailableError
from app.periodic import Backoff, wait_synced
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.backfill.plan import PodRepair, RepairPlanner, newest_first
from app.profiler.ports import PodAnnotator
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.pods import PodRegistry

log = structlog.get_logger(__name__)

_AT_ONCE = 16
_COMPARED_AT_ONCE = 2000  # some milliseconds, in which nothing else of the process goes on
# Profiles that are written one after the other are taken together.
_SETTLED_SECONDS, _UNSETTLED_SECONDS = 1.0, 10.0
# A Pod that the cluster refuses to change gives way to the others: its reasons last.
_REFUSED_SECONDS = 3600.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.2


class ProfileChanges:
    """Tells when the stored profiles change; for the life of the process, as the catalogue is."""

    def __init__(self, catalogue: ProfileCatalogue) -> None:
        self._changed = asyncio.Event()
        catalogue.subscribe(self._note)

    def _note(self, _identity: Identity) -> None:
        self._changed.set()

    async def wait(self, within_seconds: float) -> bool:
        """True after a change since the last call, False where none came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed


@dataclass(eq=False)
class Backfill:
    """One leader's back-fill; `run` ends by cancellation alone."""

    pods: PodRegistry
    planner: RepairPlanner
    annotator: PodAnnotator
    changes: ProfileChanges
    metrics: BackfillMetrics
    _: KW_ONLY
    pace: RateLimiter
    period_seconds: float
    clock: Callable[[], float] = monotonic
    settled_seconds: float = _SETTLED_SECONDS
    _due: deque[PodRepair] = field(default_factory=deque, init=False)
    _filled: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _under_way: set[str] = field(default_factory=set, init=False)
    _put_off: dict[str, float] = field(default_factory=dict, init=False)  # until when, by uid

    def __post_init__(self) -> None:
        self._backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)

    async def run(self, listed: Callable[[], bool]) -> None:
        """Compare and mend; begins when all Pods are *listed* and all profiles are known."""
        await wait_synced(lambda: listed() and self.planner.is_ready)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._compare_for_ever())
                tasks.create_task(self._mend_for_ever())
        finally:
            self.metrics.pending(0)

    async def _compare_for_ever(self) -> None:
        while True:
            self._fill(await self._compare())
            if await self.changes.wait(self.period_seconds):
                await self._settle()

    async def _settle(self) -> None:
        """Wait while profiles change, though not for long."""
        deadline = self.clock() + _UNSETTLED_SECONDS
        while self.clock() < deadline and await self.changes.wait(self.settled_seconds):
            pass

    async def _compare(self) -> list[PodRepair]:
        mends: list[PodRepair] = []
        now, pods = self.clock(), list(self.pods)
        for start in range(0, len(pods), _COMPARED_AT_ONCE):
            mends += self.planner.plan(pods[start : start + _COMPARED_AT_ONCE], now)
            await asyncio.sleep(0)
        return newest_first(mends)

    def _fill(self, mends: list[PodRepair]) -> None:
        now = self.clock()
        self._put_off = {uid: until for uid, until in self._put_off.items() if until > now}
        kept_out = self._under_way | self._put_off.keys()
        self._due = deque(mend for mend in mends if mend.pod.uid not in kept_out)
        if self._due:
            log.info("backfill_due", pods=len(self._due))
            self._filled.set()
        self._tell()

    async def _mend_for_ever(self) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._filled.wait()
                await slots.acquire()
                await self.pace.turn()
                if mend := self._next():
                    self._under_way.add(mend.pod.uid)
                    tasks.create_task(self._mend(mend)).add_done_callback(lambda _: slots.release())
                else:
                    self._filled.clear()
                    slots.release()

    def _next(self) -> PodRepair | None:
        """The next Pod that still is as it was when it was compared."""
        while self._due:
            mend = self._due.popleft()
            if self.pods.holds(mend.pod):
                return mend
        return None

    async def _mend(self, mend: PodRepair) -> None:
        try:
            await self.annotator.annotate(mend.pod, mend.changes)
        except (NotFoundError, ConflictError):
            log.debug("backfill_pod_gone", pod=_name(mend.pod))
        except UnavailableError as error:
            self._try_later(mend, error)
        except ClusterError as error:
            self._give_way(mend, _REFUSED_SECONDS, error)
        else:
            self._backoff.reset()
            self.pods.annotated(mend.pod, mend.annotations)
            self.metrics.done(mend)
        finally:
            self._under_way.discard(mend.pod.uid)
            self._tell()

    def _try_later(self, mend: PodRepair, error: UnavailableError) -> None:
        """A server that is busy says when; where nothing is said, the fault may be this Pod's alone."""
        if error.retry_after_seconds is not None:
            self.pace.hold(error.retry_after_seconds)
            self._due.appendleft(mend)
            self._filled.set()
            return
        self.pace.hold(self._backoff.next_pause())
        self._give_way(mend, self.period_seconds, error)

    def _give_way(self, mend: PodRepair, seconds: float, error: ClusterError) -> None:
        """Try the Pod again only after some time; what holds for one often holds for all: one is told."""
        say = log.debug if self._put_off else log.warning
        say("backfill_put_off", pod=_name(mend.pod), seconds=seconds, error=str(error))
        self._put_off[mend.pod.uid] = self.clock() + seconds

    def _tell(self) -> None:
        self.metrics.pending(len(self._due) + len(self._under_way) + len(self._put_off))


def _name(pod: PodRecord) -> str:
    return f"{pod.namespace}/{pod.name}"
