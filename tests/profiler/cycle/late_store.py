"""Two Prometheus agents whose samples reach a real Prometheus late, and leaders that read it.

Both scrape every 15 s: that of node-a has the kubelet's cAdvisor of web's Pod and the Pod's Linkerd proxy,
that of node-b has cart's. Usage differs in every step, and a part of each step is throttled: of the first
minute 20 % of the periods, of the whole step 4 %, which is too little to count. In nine steps before and
after midnight, web is throttled in half of all periods.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

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
from tests.sources.remote_write import Written, remote_write

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
    before, after = _risen(full, changes), _risen(full + 1, changes)
    return per_second * (300 * before + rest * (after - before))


@cache
def _risen(steps: int, changes: float) -> float:
    """The sum of the rates of the first *steps*."""
    return sum(1 + changes * math.sin(1.7 * step) for step in range(steps))


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
        self.source = PrometheusSource(store.url, scope=Scope(), network_providers=("linkerd",))
        self.sink = RecordingSink()
        self.checkpoints = checkpoints or MemoryCheckpoints()
        ports = ClusterPorts(
            FixedSnapshot(DIRECTORY), InMemoryProfiles("profiling"), self.sink, checkpoints=self.checkpoints
        )
        policy = CyclePolicy(EstimationPolicy(min_samples=1), history_days=1, timeslots=4)
        self.cycle = ProfilingCycle(self.source, ports, policy, lambda _namespace: True)

    async def read(self, newest_step: int) -> CycleReport:
        """One cycle, a minute after the end of *newest_step*."""
        return await self.read_at(newest_step * 300 + 60)

    async def read_at(self, now: float) -> CycleReport:
        """One cycle at a time."""
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
