"""A real Prometheus with past usage, and measured cycles: shared by the benchmarks of the cycle."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import httpx

from app.domain.connection_providers import AUTO
from app.history.samples import STEP_SECONDS, step_time
from app.profiler.cycle.collector import GRACE_SECONDS
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
from app.profiler.cycle.signals import Signal
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles, LoggedReport
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.prometheus_api import CONCURRENT_QUERIES
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from benchmarks.rig import ROOT
from tests.cluster.loopback_http import request_json
from tests.cluster.prometheus import Prometheus

WRITER = ROOT.parent / "shared" / "bench" / "prometheus_history.py"
# Runs the writer at a given time, because scrapes every 300 s give rates only if they are on the grid of
# steps. Names are hashed with a salt; otherwise two of 150,000 Pods would have the same name. Adds `up` of
# the proxies, which distinguishes a silent client from one that was not scraped, and what scrapers write
# beside it: that no scrape had a new series. In place of Linkerd's edges, the same ones of Istio may be
# written, as sidecars of both ends report them: requests, and the bytes of their bodies.
_AT_TIME = """
import hashlib, mmap, runpy, sys, time
now, script, mesh, text = float(sys.argv[1]), sys.argv[2], sys.argv.pop(3), sys.argv[-1]
time.time = lambda: now
sha1 = hashlib.sha1
hashlib.sha1 = lambda text: sha1(b"1" + text)
sys.argv[:2] = []
made = runpy.run_path(script)
fam, one, t1, pods, deps, replicas = (made[name] for name in ("fam", "one", "t1", "pods", "deps", "R"))
labels = {
    "linkerd": 'job="linkerd-proxy",control_plane_ns="linkerd",namespace="{n}",pod="{p}",deployment="{d}"',
    "istio": 'job="envoy-stats",namespace="{n}",pod="{p}"',
}[mesh]

def istio_edges(per_scrape):
    for i, (n, d, _, p) in enumerate(pods):
        for k in range(1, min(3, len(deps) - 1) + 1):
            j = (i // replicas + k) % len(deps)
            dn, dd = deps[j]
            server = pods[j * replicas + i % replicas][3]
            for reporter, namespace, pod in ("source", n, p), ("destination", dn, server):
                yield (
                    f'job="envoy-stats",namespace="{namespace}",pod="{pod}",reporter="{reporter}",'
                    f'source_workload_namespace="{n}",source_workload="{d}",source_app="{d}",'
                    f'destination_workload_namespace="{dn}",destination_workload="{dd}",'
                    f'destination_service="{dd}.{dn}.svc.cluster.local",request_protocol="http",'
                    f'response_code="200",response_flags="-",client="{p}"',
                    per_scrape * k * (one(t1).cumsum()), t1,
                )

with open(text, "r+") as file:
    file.seek(file.seek(0, 2) - len("# EOF\\n"))
    if mesh == "istio":
        with mmap.mmap(file.fileno(), 0) as written:
            file.seek(written.rfind(b"# TYPE request counter"))
        file.truncate()
        fam(file, "istio_requests_total", "counter", istio_edges(2.0))
        for metric in "istio_request_bytes_sum", "istio_response_bytes_sum":
            fam(file, metric, "gauge", istio_edges(300.0))
    for metric, value in ("up", 1.0), ("scrape_series_added", 0.0):
        fam(file, metric, "gauge", (
            (labels.format(n=n, p=p, d=d), one(t1) * value, t1) for n, d, _, p in pods
        ))
    file.write("# EOF\\n")
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Number of Deployments, Pods of each, days of usage, scrape interval, and the mesh of all Pods."""

    workloads: int
    replicas: int
    days: float
    scrape_seconds: int
    mesh: str = "linkerd"


def size_options(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark that repeats rounds on one past."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--scrape-seconds", type=int, default=30)
    return parser


def size_of(options: argparse.Namespace, mesh: str = "linkerd") -> Size:
    """The size that the *options* of `size_options` ask for."""
    return Size(options.workloads, options.replicas, options.days, options.scrape_seconds, mesh)


@dataclass(frozen=True, slots=True)
class RunningPast:
    """A running Prometheus, and the newest step of its samples."""

    url: str
    pid: int
    newest_step: int

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of the server's process."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def past_of(size: Size, directory: Path, *, ahead_steps: int = 0) -> Iterator[RunningPast]:
    """Writes past usage to a new Prometheus and runs it.

    The usage ends *ahead_steps* in the future, so that a profiler finds a new step every five minutes.
    """
    end = (int(datetime.now(UTC).timestamp()) // STEP_SECONDS + ahead_steps) * STEP_SECONDS
    text = directory / "history.openmetrics"
    days = size.days + 0.5 / 86400  # the writer rounds it down to whole seconds
    numbers = [f"{number:g}" for number in (size.workloads, size.replicas, days, size.scrape_seconds)]
    subprocess.run([sys.executable, "-c", _AT_TIME, str(end), WRITER, size.mesh, *numbers, text], check=True)
    with Prometheus(directory / "prometheus", text) as prometheus:
        text.unlink()
        assert prometheus.pid
        yield RunningPast(prometheus.url, prometheus.pid, end // STEP_SECONDS)


def newest_labels(past: RunningPast, metric: str) -> list[Mapping[str, str]]:
    """The labels of each series that *metric* has at the newest step."""
    query = f"query={metric}&time={past.newest_step * STEP_SECONDS}"
    series = request_json(f"{past.url}/api/v1/query?{query}")["data"]["result"]
    return [one_series["metric"] for one_series in series]


def owned_pods(past: RunningPast) -> dict[tuple[str, str], str]:
    """The ReplicaSet of each (namespace, Pod)."""
    owners = newest_labels(past, "kube_pod_owner")
    return {(labels["namespace"], labels["pod"]): labels["owner_name"] for labels in owners}


class _Wire(httpx.AsyncHTTPTransport):
    """An HTTP transport that records the forms of all requests."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Records the form and sends the request."""
        self.forms.append(request.content)
        return await super().handle_async_request(request)


@dataclass(frozen=True, slots=True)
class Run:
    """One cycle, with its time, server CPU and query forms."""

    report: CycleReport
    seconds: float
    server_cpu_seconds: float
    forms: list[bytes]


@dataclass(slots=True)
class Profiler:
    """A leader that starts without history; profiles are kept in memory instead of the API server.

    A fault of one of *signals* ends the run: of others the past may have nothing.
    """

    past: RunningPast
    signals: Collection[Signal] = frozenset(Signal)
    traffic: QueryCosts = field(default_factory=QueryCosts)
    profiles: InMemoryProfiles = field(default_factory=lambda: InMemoryProfiles("profiling"))
    _wire: _Wire = field(default_factory=_Wire)
    _cycle: ProfilingCycle | None = None

    @asynccontextmanager
    async def opened(
        self,
        history_days: int,
        *,
        network_providers: Collection[str] = (AUTO,),
        service_graph_sampling: float | None = None,
    ) -> AsyncIterator["Profiler"]:
        """Opens the source with *history_days*, *network_providers*, and else default settings."""
        async with PrometheusSource(
            self.past.url,
            scope=Scope(excluded=("kube-system", "kube-public", "kube-node-lease", "profiling")),
            network_providers=network_providers,
            service_graph_sampling=service_graph_sampling,
            observer=self.traffic,
            transport=self._wire,
        ) as source:
            cluster = ClusterPorts(FixedSnapshot(), self.profiles, LoggedReport())
            policy = CyclePolicy(EstimationPolicy(), history_days, timeslots=4)
            self._cycle = ProfilingCycle(source, cluster, policy, lambda _namespace: True)
            yield self

    async def run(self, newest_step: int) -> Run:
        """Runs a cycle at the time when *newest_step* is complete."""
        assert self._cycle
        before, used = len(self._wire.forms), self.past.cpu_seconds
        started = perf_counter()
        report = await self._cycle.run_once(step_time(newest_step) + timedelta(seconds=GRACE_SECONDS))
        seconds = perf_counter() - started
        faults = [state for state in report.states if state.health.is_fault and state.signal in self.signals]
        if faults:
            raise RuntimeError(f"a signal failed: {faults}")
        return Run(report, seconds, self.past.cpu_seconds - used, self._wire.forms[before:])


def curl_seconds(url: str, forms: Sequence[bytes], directory: Path) -> float:
    """The time that curl needs for the same queries, with the profiler's number of concurrent queries."""
    config = directory / "curl.conf"
    lines = [
        f'url = "{url}/api/v1/query_range"\ndata = {json.dumps(form.decode())}\noutput = "/dev/null"\nfail'
        for form in forms
    ]
    config.write_text("\nnext\n".join(lines))
    command = ["curl", "--silent", "--no-progress-meter", "--parallel", "--parallel-max"]
    command += [str(CONCURRENT_QUERIES), "--config", str(config)]
    started = perf_counter()
    subprocess.run(command, check=True)
    return perf_counter() - started
