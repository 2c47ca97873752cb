"""A real Prometheus that receives samples late, by remote write: it ends with what one on time ends with.

Two Prometheus agents scrape every 15 s: that of node-a has the kubelet's cAdvisor of web's Pod and the Pod's
Linkerd proxy, that of node-b has cart's. Usage differs in every step, and a part of each step is throttled:
of the first minute 20 % of the periods, of the whole step 4 %, which is too little to count. In nine steps
before and after midnight, web is throttled in half of all periods.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.command_line.status_findings import finding_lines
from app.domain.profiles import Identity, Pressure, ProfileKind, Resource
from app.domain.workloads import Workload
from app.history.samples import StepRange
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.profiler.memory_checkpoints import MemoryCheckpoints
from tests.profiler.scenario import RecordingSink, learned_by
from tests.recommendation.learning import facts
from tests.sources.remote_write import RECEIVER, Written, remote_write

pytestmark = pytest.mark.prometheus

# Ten steps before midnight, so that a day closes while its last steps are open.
BEGIN = int(datetime(2026, 3, 1, 23, 10, tzinfo=UTC).timestamp())
FIRST = BEGIN // 300 + 1
READ_FIRST = FIRST + 2  # the newest step of the first cycle
LAST = FIRST + 23
SCRAPE_SECONDS = 15
PODS = {"node-a": ("web", "web-6b6f9d7d5c-2x8qz"), "node-b": ("cart", "cart-5f5b555dff-fcg7c")}
OTHER = {"web": "cart", "cart": "web"}
DIRECTORY = ClusterSnapshot(
    {("shop", pod): Workload("shop", name) for name, pod in PODS.values()},
    tuple(Workload("shop", name) for name, _ in PODS.values()),
)
Lag = Callable[[str], float]  # in seconds, of each node


def rises(times: int, per_second: float, changes: float = 0.0) -> float:
    """A counter with another rate in each step."""
    full, rest = divmod(times - BEGIN + 3000, 300)
    rates = [per_second * (1 + changes * math.sin(1.7 * step)) for step in range(full + 1)]
    return 300 * sum(rates[:full]) + rest * rates[full]


def throttled_periods(seconds: int, *, often: bool) -> float:
    """Of ten periods a second 20 % in the first minute of a step; 50 % of all in nine steps if *often*."""
    step, rest = divmod(seconds - BEGIN, 300)
    steps_before = min(max(step - 5, 0), 9) if often else 0
    is_often = often and 5 <= step < 14
    return (
        120.0 * (step - steps_before)
        + 1500.0 * steps_before
        + (5.0 * rest if is_often else 2.0 * min(rest, 60))
    )


def series_of(node: str, seconds: int) -> Iterator[tuple[dict[str, str], float]]:
    """What the agent of *node* scrapes at a time."""
    name, pod = PODS[node]
    kubelet = {
        "job": "kubelet",
        "metrics_path": "/metrics/cadvisor",
        "instance": f"{node}:10250",
        "node": node,
        "namespace": "shop",
        "pod": pod,
        "container": "app",
        "id": f"/kubepods/burstable/pod-{name}/app",
        "image": f"registry/shop/{name}:1",
    }
    yield (
        {"__name__": "container_cpu_usage_seconds_total", "cpu": "total", **kubelet},
        rises(seconds, 0.2, 0.5),
    )
    memory = 1e8 * (1 + 0.3 * math.sin(seconds / 700))
    yield {"__name__": "container_memory_working_set_bytes", **kubelet}, round(memory)
    yield {"__name__": "container_cpu_cfs_periods_total", **kubelet}, rises(seconds, 10)
    throttled = throttled_periods(seconds, often=name == "web")
    yield {"__name__": "container_cpu_cfs_throttled_periods_total", **kubelet}, throttled
    proxy = {
        "job": "linkerd-proxy",
        "instance": f"{pod}:4191",
        "control_plane_ns": "linkerd",
        "namespace": "shop",
        "pod": pod,
        "deployment": name,
        "direction": "outbound",
        "dst_namespace": "shop",
        "dst_deployment": OTHER[name],
    }
    yield {"__name__": "request_total", **proxy}, rises(seconds, 2, 0.8)
    yield {"__name__": "response_total", "status_code": "200", **proxy}, rises(seconds, 2, 0.8)
    for metric in ("tcp_write_bytes_total", "tcp_read_bytes_total"):
        yield {"__name__": metric, "peer": "dst", **proxy}, rises(seconds, 1000, 0.8)


class LateStore:
    """A Prometheus, and agents whose samples reach it *lag* seconds late."""

    def __init__(self, prometheus: Prometheus, lag: Lag) -> None:
        self.url, self._lag = prometheus.url, lag
        self._sent_until = dict.fromkeys(PODS, BEGIN)

    def send_until(self, now: float) -> None:
        """Send what has arrived by *now*."""
        for node in PODS:
            until = int((now - self._lag(node)) // SCRAPE_SECONDS) * SCRAPE_SECONDS
            written: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
            for seconds in range(self._sent_until[node] + SCRAPE_SECONDS, until + 1, SCRAPE_SECONDS):
                for labels, value in series_of(node, seconds):
                    written.setdefault(tuple(labels.items()), []).append((seconds, value))
            if written:
                remote_write(self.url, (Written(dict(labels), of) for labels, of in written.items()))
                self._sent_until[node] = until

    def catch_up(self) -> None:
        """From now on, nothing is late."""
        self._lag = lambda _node: 0


class Leader:
    """One term; a store of check-points outlives it."""

    def __init__(self, store: LateStore, checkpoints: MemoryCheckpoints | None = None) -> None:
        self._store = store
        self.source = PrometheusSource(store.url, scope=Scope(), network_provider="linkerd")
        self.sink = RecordingSink()
        self.checkpoints = checkpoints or MemoryCheckpoints()
        ports = ClusterPorts(
            FixedSnapshot(DIRECTORY), InMemoryProfiles("profiling"), self.sink, checkpoints=self.checkpoints
        )
        policy = CyclePolicy(EstimationPolicy(min_samples=1), history_days=1, timeslots=4)
        self.cycle = ProfilingCycle(self.source, ports, policy, lambda _namespace: True)

    async def read(self, newest_step: int) -> CycleReport:
        """One cycle, a minute after the end of *newest_step*."""
        now = newest_step * 300 + 60
        self._store.send_until(now)
        return await self.cycle.run_once(datetime.fromtimestamp(now, tz=UTC))

    def outcome(self, newest_step: int) -> dict[str, Any]:
        """Samples, covered steps, and freshly derived profiles."""
        learned, past = self.cycle._learned, StepRange(FIRST, newest_step)
        histories = [*learned.usage.histories(), learned.connections]
        now = datetime.fromtimestamp(newest_step * 300 + 60, tz=UTC)
        return {
            "samples": facts(learned),
            "missing": [history.coverage.missing(past) for history in histories],
            "profiles": learned_by(self.cycle, now),
        }


async def followed(directory: Path, lag: Lag, *, until: int = LAST) -> tuple[Leader, dict[str, Any]]:
    """The leader and the outcome of cycles on a store with *lag*, which caught up before the last two."""
    with Prometheus(directory, flags=(RECEIVER,)) as prometheus:
        store = LateStore(prometheus, lag)
        leader = Leader(store)
        async with leader.source:
            for newest in range(READ_FIRST, until + 1):
                await leader.read(newest)
            before = leader.cycle._collector._collectors[0].arrival.lag_seconds
            store.catch_up()
            for newest in (until + 1, until + 2):
                await leader.read(newest)
        return leader, leader.outcome(until + 2) | {"lag": before}


@pytest.fixture(scope="module")
def on_time(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome on a store that is on time."""
    _, outcome = asyncio.run(followed(tmp_path_factory.mktemp("on_time"), lambda _node: 0))
    return outcome


def test_the_outcome_on_time(on_time: dict[str, Any]) -> None:
    """All steps but the two that are open; half of nine steps in pressure, five of them before midnight."""
    assert on_time["lag"] == 0
    histories = len(Resource) + len(Pressure) + 1
    assert on_time["missing"] == [[StepRange(LAST + 1, LAST + 2)]] * histories
    web = on_time["samples"][Pressure.CPU_THROTTLING, (Workload("shop", "web"), "app")]
    cart = on_time["samples"][Pressure.CPU_THROTTLING, (Workload("shop", "cart"), "app")]
    before_midnight = (LAST + 1) // 288 - 1
    assert web == (FIRST + 13, {before_midnight: 25_000, before_midnight + 1: 20_000})
    assert cart[1] == {}


@pytest.mark.parametrize("seconds", [240, 420, 600])
async def test_a_whole_store_up_to_ten_minutes_behind(
    tmp_path: Path, on_time: dict[str, Any], seconds: int
) -> None:
    """The same samples, coverage and values; the lag is shown in whole steps."""
    _, outcome = await followed(tmp_path, lambda _node: seconds)

    assert outcome | {"lag": 0} == on_time
    assert outcome["lag"] == (300 if seconds > 300 else 0)


@pytest.mark.parametrize("seconds", [240, 420, 600])
async def test_one_writer_up_to_ten_minutes_behind(
    tmp_path: Path, on_time: dict[str, Any], seconds: int
) -> None:
    """The same samples, coverage and values, although each step has cart's samples only when read again."""
    _, outcome = await followed(tmp_path, lambda node: seconds if node == "node-b" else 0)

    assert outcome | {"lag": 0} == on_time
    assert outcome["lag"] == (300 if seconds > 300 else 0)


async def test_a_whole_store_25_minutes_behind(tmp_path: Path, on_time: dict[str, Any]) -> None:
    """No step settles before its samples are there: the values are the same, and the lag is shown.

    The newest sample is a minute after the end of the step five before the newest: there, a rate begins.
    """
    leader, outcome = await followed(tmp_path, lambda _node: 25 * 60)

    assert outcome["profiles"] == on_time["profiles"]
    assert outcome["lag"] == 4 * 300
    assert {signal["state"] for signal in leader.sink.signals.values()} == {"Ok"}
    (line,) = finding_lines(leader.sink.reports[-1])
    assert line.startswith("Samples reach Prometheus late: cpu up to 20 minutes, memory up to 20 minutes")


async def test_one_writer_25_minutes_behind(tmp_path: Path) -> None:
    """The review after an hour finds cart's samples, names them, and later steps wait for them.

    Those up to the step that settled last before are lost. A new leader waits too, since check-points of
    version 2 have the number of open steps. The next review finds nothing that was lost.
    """
    review = READ_FIRST + 12
    with Prometheus(tmp_path, flags=(RECEIVER,)) as prometheus:
        store = LateStore(prometheus, lambda node: 25 * 60 if node == "node-b" else 0)
        leader = Leader(store)
        async with leader.source:
            for newest in range(READ_FIRST, review + 1):
                await leader.read(newest)
            signal = leader.sink.signals["cpu"]
            assert (signal["state"], signal["reason"]) == ("Degraded", "LateSamples")
            assert signal["message"] == (
                "samples reached Prometheus too late to count, in the namespaces shop;"
                " from now on samples may be 25 minutes late"
            )
            for newest in range(review + 1, review + 7):
                await leader.read(newest)
        [(_, stored)] = leader.checkpoints.shards.values()
        assert stored[4:6] == b"\x02\x00"
        new_leader = Leader(store, leader.checkpoints)
        async with new_leader.source:
            for newest in range(review + 7, review + 21):
                await new_leader.read(newest)

    seen = facts(new_leader.cycle._learned)[Resource.CPU, (Workload("shop", "cart"), "app"), "seen"]
    assert isinstance(seen, tuple)
    assert seen[:2] == (review - 1, review + 20 - 5)
    cart, web = (
        new_leader.outcome(review + 20)["profiles"][Identity(ProfileKind.CPU, Workload("shop", name))]
        for name in ("cart", "web")
    )
    assert web.basis.samples - cart.basis.samples == review - 1 - FIRST + 4
    assert {signal["state"] for signal in new_leader.sink.signals.values()} == {"Ok"}
