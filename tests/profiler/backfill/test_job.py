"""The back-fill job: its rate, rejections, Retry-After, and no writes if all annotations are right."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.pod_record import PodRecord
from app.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from app.profiler.backfill.job import Backfill, ProfileChanges
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.backfill.plan import RepairPlanner
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.pods import PodRegistry
from tests.kubernetes.polling import Clock, until
from tests.profiler.pods import DEBUG, running
from tests.webhook.profiles import WEB_ANNOTATIONS, kind_of, synced_catalogue, web_profiles


class Cluster:
    """The Pods of an API server and the port that back-fill writes to; each fault of a Pod occurs once."""

    def __init__(self, *pods: PodRecord) -> None:
        self.written: list[tuple[str, Mapping[str, str | None]]] = []
        self.faults: dict[str, list[Exception]] = {}
        self.registry = PodRegistry(Clock())
        for pod in pods:
            self.registry.put(pod)

    async def annotate(self, pod: PodRecord, changes: Mapping[str, str | None]) -> None:
        """Record the attempt, then raise the next fault of the Pod, if any."""
        self.written.append((pod.name, changes))
        if faults := self.faults.get(pod.name):
            raise faults.pop(0)

    @property
    def names(self) -> list[str]:
        """The Pods of all attempts, in order."""
        return [name for name, _ in self.written]


class Term:
    """The back-fill of one leader's term; `clock` decides when postponed Pods are retried."""

    def __init__(
        self, cluster: Cluster, catalogue: ProfileCatalogue | None = None, rate: float = 1000
    ) -> None:
        self.catalogue = catalogue or synced_catalogue(*web_profiles())
        self.registry = CollectorRegistry()
        self.clock = Clock()
        self.backfill = Backfill(
            cluster.registry,
            RepairPlanner(AnnotationIndex(self.catalogue, max_connections=64), lambda _: True),
            cluster,
            ProfileChanges(self.catalogue),
            BackfillMetrics(self.registry),
            rate_limiter=RateLimiter(rate),
            period_seconds=0.02,
            clock=self.clock,
            settle_seconds=0.01,
        )

    @asynccontextmanager
    async def leading(self, *, listed: bool = True) -> AsyncIterator[None]:
        """Runs the back-fill until cancelled."""
        task = asyncio.create_task(self.backfill.run(lambda: listed))
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.wait({task})

    def counted(self, name: str) -> float | None:
        """The value of a metric."""
        return self.registry.get_sample_value(f"job_profiler_{name}")


async def rest() -> None:
    """Waits for several comparisons."""
    await asyncio.sleep(0.15)


async def test_each_pod_is_written_once_the_newest_first() -> None:
    """Three Pods are written, then none: the registry has the annotations before the watch reports them."""
    days = {"old": "2026-03-01T12:00:00Z", "newest": "2026-03-03T12:00:00Z", "new": "2026-03-02T12:00:00Z"}
    cluster = Cluster(*(running(name, created_at=day) for name, day in days.items()))
    term = Term(cluster)

    async with term.leading():
        await until(lambda: len(cluster.written) == 3)
        await rest()

    assert cluster.written == [(name, WEB_ANNOTATIONS) for name in ("newest", "new", "old")]
    assert (term.counted("backfilled_total"), term.counted("missed_total")) == (3, 3)
    assert term.counted("backfill_pending") == 0


async def test_correct_pods_are_not_written() -> None:
    """Correct annotations cause no write and are not counted."""
    cluster = Cluster(running(annotations=WEB_ANNOTATIONS))
    term = Term(cluster)

    async with term.leading():
        await rest()

    assert (cluster.written, term.counted("backfilled_total")) == ([], 0)


@pytest.mark.parametrize("unknown", ["pods", "profiles"])
async def test_nothing_is_done_before_pods_and_profiles_are_listed(unknown: str) -> None:
    """A forged name stays until all Pods and profiles are known."""
    cluster = Cluster(running(annotations={"liqo.io/cpuProfile": "theirs"}, workload=DEBUG))
    term = Term(cluster, ProfileCatalogue() if unknown == "profiles" else None)

    async with term.leading(listed=unknown != "pods"):
        await rest()

    assert cluster.written == []


async def test_new_profiles_start_a_comparison() -> None:
    """The period is an hour; five profiles are stored one after the other, and the Pod is written once."""
    cluster = Cluster(running())
    term = Term(cluster, synced_catalogue())
    term.backfill.period_seconds = 3600

    async with term.leading():
        await rest()
        for manifest in web_profiles():
            term.catalogue.upsert(kind_of(manifest), manifest)
            await asyncio.sleep(0)
        await until(lambda: bool(cluster.written))
        await rest()

    assert cluster.written == [("web-0", WEB_ANNOTATIONS)]


@pytest.mark.parametrize("fault", [NotFoundError("gone"), ConflictError("another uid")])
async def test_a_deleted_pod_is_not_retried(fault: Exception) -> None:
    """A deleted or recreated Pod causes no warning and is not counted: the watch will report it."""
    cluster = Cluster(pod := running())
    cluster.faults["web-0"] = [fault]
    term = Term(cluster)

    with capture_logs() as lines:
        async with term.leading():
            await until(lambda: bool(cluster.written))
            cluster.registry.remove(pod)
            await rest()

    assert cluster.names == ["web-0"]
    assert [line for line in lines if line["log_level"] == "warning"] == []
    assert term.counted("backfilled_total") == 0


async def test_retry_after_pauses_all_writes() -> None:
    """After a 429 with Retry-After no Pod is written for that time; then the same Pod comes first."""
    cluster = Cluster(running("a"), running("b"))
    cluster.faults["a"] = [UnavailableError("too many requests", retry_after_seconds=0.3)]
    term = Term(cluster, rate=50)
    term.backfill.period_seconds = 3600
    loop = asyncio.get_running_loop()

    async with term.leading():
        await until(lambda: bool(cluster.written))
        began = loop.time()
        await until(lambda: len(cluster.written) == 3)
        paused_seconds = loop.time() - began

    assert cluster.names == ["a", "a", "b"]
    assert paused_seconds >= 0.3
    assert term.counted("backfilled_total") == 2


@pytest.mark.parametrize("fault", [ForbiddenError("not allowed"), UnavailableError("webhook fails")])
async def test_a_refused_pod_does_not_delay_others(fault: Exception) -> None:
    """The newest Pod is refused, the other is written; the retry follows after a period.

    The refusal is one warning, and the Pod counts as pending. Its namespace is named until it succeeds.
    """
    cluster = Cluster(running("a", created_at="2026-03-02T12:00:00Z"), running("b"))
    cluster.faults["a"] = [fault]
    term = Term(cluster)

    with capture_logs() as lines:
        async with term.leading():
            await until(lambda: len(cluster.written) == 2)
            term.clock.now = 0.0198
            await rest()
            assert cluster.names == ["a", "b"]
            assert term.counted("backfill_pending") == 1
            assert term.backfill.faults() == {"back-fill of namespace emojivoto": str(fault)}
            term.clock.now = 0.02
            await until(lambda: len(cluster.written) == 3)
            await until(lambda: not term.backfill.faults())

    assert cluster.names == ["a", "b", "a"]
    assert [line["pod"] for line in lines if line["log_level"] == "warning"] == ["emojivoto/a"]
    assert term.counted("backfilled_total") == 2


async def test_a_pod_that_is_refused_again_is_tried_less_often() -> None:
    """A period is 0.02 s: after it, the pause doubles with each refusal, up to an hour."""
    cluster = Cluster(running("a"))
    cluster.faults["a"] = [ForbiddenError("not allowed")] * 30
    term = Term(cluster)

    def has_tried(times: int) -> bool:
        return len(cluster.written) == times

    async with term.leading():
        for attempt in range(1, 22):
            await until(partial(has_tried, attempt))
            await asyncio.sleep(0)
            [until_seconds] = term.backfill._postponed.values()
            pause = until_seconds - term.clock.now
            assert pause == pytest.approx(min(0.02 * 2 ** (attempt - 1), 3600))
            term.clock.now = until_seconds


async def test_a_newer_pod_overtakes_waiting_ones() -> None:
    """100 Pods wait at 20 per second; a Pod that is created meanwhile is written among the first 20."""
    cluster = Cluster(*(running(f"old-{number:03}") for number in range(100)))
    term = Term(cluster, rate=20)

    async with term.leading():
        await until(lambda: bool(cluster.written))
        cluster.registry.put(running("new", created_at="2026-03-02T12:00:00Z"))
        await until(lambda: "new" in cluster.names)

    assert len(cluster.written) < 20


async def test_writes_stop_at_the_end_of_the_term() -> None:
    """Of 100 Pods at 50 per second few are written by then, and none later."""
    cluster = Cluster(*(running(f"web-{number}") for number in range(100)))
    term = Term(cluster, rate=50)

    async with term.leading():
        await until(lambda: len(cluster.written) > 2)
    written = len(cluster.written)
    await rest()

    assert len(cluster.written) == written < 20
    assert term.counted("backfill_pending") == 0


class Timeline:
    """A clock, and a sleep that advances it slightly too far, as an event loop does."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The current time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Advance the clock by 2 ms more than requested."""
        self.now += seconds + 0.002


async def test_the_rate_is_held_and_not_exceeded() -> None:
    """At 50 per second, 501 permits take 10 s, although each sleep takes too long."""
    timeline = Timeline()
    pace = RateLimiter(50, timeline, timeline.sleep)
    for _ in range(501):
        await pace.acquire()

    assert timeline.now - 100 == pytest.approx(10, abs=0.01)


async def test_unused_time_is_not_made_up_for() -> None:
    """After a minute without permits, 5 are granted at once: at 45 per second 0.1 s are 4.5 intervals."""
    timeline = Timeline()
    pace = RateLimiter(45, timeline, timeline.sleep)
    await pace.acquire()
    timeline.now += 60
    rested = timeline.now
    turns = 0
    while timeline.now == rested:
        await pace.acquire()
        turns += 1

    assert turns - 1 == 5


async def test_a_pause_delays_the_next_permit() -> None:
    """After a pause of five seconds the next permit is granted."""
    timeline = Timeline()
    pace = RateLimiter(50, timeline, timeline.sleep)
    pace.pause(5)
    await pace.acquire()

    assert timeline.now - 100 == pytest.approx(5, abs=0.01)
