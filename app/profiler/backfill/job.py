"""Back-fill: repairs annotations of running Pods that are missing or out of date.

All Pods are compared once per period, and soon after profiles changed; each comparison replaces the queue of
repairs, so that the newest Pods are always repaired first. Only annotations are changed.
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

_MAX_CONCURRENT_REPAIRS = 16
_COMPARED_PER_BATCH = 2000  # takes some milliseconds, in which the event loop runs nothing else
# Profiles that are written shortly after one another lead to one comparison.
_SETTLE_SECONDS, _MAX_SETTLE_SECONDS = 1.0, 10.0
# A rejected Pod is retried in the next period, then after twice as long each time: the cause often lasts.
_LONGEST_REJECTED_SECONDS = 3600.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.2


class ProfileChanges:
    """Waits for changes of the stored profiles; lives as long as the process, as the catalogue does."""

    def __init__(self, catalogue: ProfileCatalogue) -> None:
        self._changed = asyncio.Event()
        catalogue.subscribe(self._on_change)

    def _on_change(self, _identity: Identity) -> None:
        self._changed.set()

    async def wait(self, within_seconds: float) -> bool:
        """True after a change since the last call; False if there was none in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The last failure of a Pod's repair, and the pause after it."""

    namespace: str
    reason: str
    pause_seconds: float


@dataclass(eq=False)
class Backfill:
    """The back-fill of one leader's term; `run` ends only by cancellation."""

    pods: PodRegistry
    planner: RepairPlanner
    annotator: PodAnnotator
    changes: ProfileChanges
    metrics: BackfillMetrics
    _: KW_ONLY
    rate_limiter: RateLimiter
    period_seconds: float
    clock: Callable[[], float] = monotonic
    settle_seconds: float = _SETTLE_SECONDS
    _queue: deque[PodRepair] = field(default_factory=deque, init=False)
    _has_work: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _in_progress: set[str] = field(default_factory=set, init=False)  # UIDs
    _postponed: dict[str, float] = field(default_factory=dict, init=False)  # until when, by UID
    _refusals: dict[str, _Refusal] = field(default_factory=dict, init=False)  # by UID

    def __post_init__(self) -> None:
        self._backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)

    def faults(self) -> dict[str, str]:
        """The reason for each namespace with a Pod whose last repair failed."""
        reasons: dict[str, str] = {}
        for refusal in self._refusals.values():
            reasons.setdefault(f"back-fill of namespace {refusal.namespace}", refusal.reason)
        return reasons

    async def run(self, listed: Callable[[], bool]) -> None:
        """Compare and repair, once the Pods are *listed* and all profiles are known."""
        await wait_synced(lambda: listed() and self.planner.is_ready)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run_comparisons())
                tasks.create_task(self._run_repairs())
        finally:
            self.metrics.set_pending(0)

    async def _run_comparisons(self) -> None:
        while True:
            self._replace_queue(await self._compare())
            if await self.changes.wait(self.period_seconds):
                await self._settle()

    async def _settle(self) -> None:
        """Wait until profiles stop changing, though not for long."""
        deadline = self.clock() + _MAX_SETTLE_SECONDS
        while self.clock() < deadline and await self.changes.wait(self.settle_seconds):
            pass

    async def _compare(self) -> list[PodRepair]:
        repairs: list[PodRepair] = []
        now, pods = self.clock(), list(self.pods)
        for start in range(0, len(pods), _COMPARED_PER_BATCH):
            repairs += self.planner.plan(pods[start : start + _COMPARED_PER_BATCH], now)
            await asyncio.sleep(0)
        return newest_first(repairs)

    def _replace_queue(self, repairs: list[PodRepair]) -> None:
        now = self.clock()
        self._postponed = {uid: until for uid, until in self._postponed.items() if until > now}
        due = {repair.pod.uid for repair in repairs}
        self._refusals = {uid: refusal for uid, refusal in self._refusals.items() if uid in due}
        skipped = self._in_progress | self._postponed.keys()
        self._queue = deque(repair for repair in repairs if repair.pod.uid not in skipped)
        if self._queue:
            log.info("backfill_due", pods=len(self._queue))
            self._has_work.set()
        self._count_pending()

    async def _run_repairs(self) -> None:
        slots = asyncio.Semaphore(_MAX_CONCURRENT_REPAIRS)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._has_work.wait()
                await slots.acquire()
                await self.rate_limiter.acquire()
                if repair := self._next():
                    self._in_progress.add(repair.pod.uid)
                    tasks.create_task(self._repair(repair)).add_done_callback(lambda _: slots.release())
                else:
                    self._has_work.clear()
                    slots.release()

    def _next(self) -> PodRepair | None:
        """The next repair of a Pod that has not changed since the comparison."""
        while self._queue:
            repair = self._queue.popleft()
            if self.pods.is_current(repair.pod):
                return repair
        return None

    async def _repair(self, repair: PodRepair) -> None:
        try:
            await self.annotator.annotate(repair.pod, repair.changes)
        except (NotFoundError, ConflictError):
            log.debug("backfill_pod_gone", pod=_name(repair.pod))
        except UnavailableError as error:
            self._retry_later(repair, error)
        except ClusterError as error:
            before = self._refusals.get(repair.pod.uid)
            pause = 2 * before.pause_seconds if before else self.period_seconds
            self._postpone(repair, min(pause, _LONGEST_REJECTED_SECONDS), error)
        else:
            self._backoff.reset()
            self._refusals.pop(repair.pod.uid, None)
            self.pods.set_annotations(repair.pod, repair.annotations)
            self.metrics.count(repair)
        finally:
            self._in_progress.discard(repair.pod.uid)
            self._count_pending()

    def _retry_later(self, repair: PodRepair, error: UnavailableError) -> None:
        """Pause as long as the server requests; without Retry-After, only this Pod may be at fault."""
        if error.retry_after_seconds is not None:
            self.rate_limiter.pause(error.retry_after_seconds)
            self._queue.appendleft(repair)
            self._has_work.set()
            return
        self.rate_limiter.pause(self._backoff.next_pause())
        self._postpone(repair, self.period_seconds, error)

    def _postpone(self, repair: PodRepair, seconds: float, error: ClusterError) -> None:
        """Retry the Pod after *seconds*; Pods often share a cause, so only the first one is a warning."""
        write_log = log.debug if self._postponed else log.warning
        write_log("backfill_put_off", pod=_name(repair.pod), seconds=seconds, error=str(error))
        self._postponed[repair.pod.uid] = self.clock() + seconds
        self._refusals[repair.pod.uid] = _Refusal(repair.pod.namespace, str(error), seconds)

    def _count_pending(self) -> None:
        self.metrics.set_pending(len(self._queue) + len(self._in_progress) + len(self._postponed))


def _name(pod: PodRecord) -> str:
    return f"{pod.namespace}/{pod.name}"
