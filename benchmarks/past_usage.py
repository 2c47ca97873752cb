"""A real Prometheus with a past, and what is measured of it: shared by the benchmarks of the cycle."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import httpx

from app.history.samples import STEP_SECONDS, step_time
from app.profiler.cycle.collector import GRACE_SECONDS
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
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
# Runs the writer at a given time: with 300 s between two scrapes, only those on the grid make rates. Names
# are hashed with a salt, without which two of 150,000 Pods would share theirs. The scrapes of the proxies, by
# which silence is told from ignorance, come on top.
_AT_TIME = """
import hashlib, runpy, sys, time
now, script, text = float(sys.argv[1]), sys.argv[2], sys.argv[-1]
time.time = lambda: now
sha1 = hashlib.sha1
hashlib.sha1 = lambda text: sha1(b"1" + text)
sys.argv[:2] = []
made = runpy.run_path(script)
with open(text, "r+") as file:
    file.seek(file.seek(0, 2) - len("# EOF\\n"))
    made["fam"](file, "up", "gauge", (
        (f'job="linkerd-proxy",control_plane_ns="linkerd",namespace="{n}",pod="{p}",deployment="{d}"',
         made["one"](made["t1"]), made["t1"])
        for n, d, _, p in made["pods"]
    ))
    file.write("# EOF\\n")
"""


@dataclass(frozen=True, slots=True)
class Size:
    """So many Deployments of so many Pods, for so many days, scraped every so many seconds."""

    workloads: int
    replicas: int
    days: float
    scrape_seconds: int


@dataclass(frozen=True, slots=True)
class RunningPast:
    """A server that runs, and the newest step that it knows."""

    url: str
    pid: int
    newest_step: int

    @property
    def cpu_seconds(self) -> float:
        """What the server's process used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def past_of(size: Size, directory: Path, *, ahead_steps: int = 0) -> Iterator[RunningPast]:
    """Write the history, fill a server with it, and serve it.

    With *ahead_steps* it ends so far in the future: who goes by the clock finds a new step each five minutes.
    """
    end = (int(datetime.now(UTC).timestamp()) // STEP_SECONDS + ahead_steps) * STEP_SECONDS
    text = directory / "history.openmetrics"
    days = size.days + 0.5 / 86400  # the writer cuts it down to whole seconds
    numbers = [f"{each:g}" for each in (size.workloads, size.replicas, days, size.scrape_seconds)]
    subprocess.run([sys.executable, "-c", _AT_TIME, str(end), WRITER, *numbers, text], check=True)
    with Prometheus(directory / "prometheus", text) as prometheus:
        text.unlink()
        assert prometheus.pid
        yield RunningPast(prometheus.url, prometheus.pid, end // STEP_SECONDS)


def owned_pods(past: RunningPast) -> dict[tuple[str, str], str]:
    """The ReplicaSet of each (namespace, Pod) of the history."""
    query = f"query=kube_pod_owner&time={past.newest_step * STEP_SECONDS}"
    found = request_json(f"{past.url}/api/v1/query?{query}")["data"]["result"]
    owners = (each["metric"] for each in found)
    return {(each["namespace"], each["pod"]): each["owner_name"] for each in owners}


class _Wire(httpx.AsyncHTTPTransport):
    """The network, and the forms that were sent over it."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep the form."""
        self.forms.append(request.content)
        return await super().handle_async_request(request)


@dataclass(frozen=True, slots=True)
class Run:
    """One cycle, and what it took."""

    report: CycleReport
    seconds: float
    server_cpu_seconds: float
    forms: list[bytes]


@dataclass(slots=True)
class Profiler:
    """A leader with an empty memory; profiles are kept here, so that no API server is called."""

    past: RunningPast
    traffic: QueryCosts = field(default_factory=QueryCosts)
    _wire: _Wire = field(default_factory=_Wire)
    _cycle: ProfilingCycle | None = None

    @asynccontextmanager
    async def opened(self, history_days: int) -> AsyncIterator["Profiler"]:
        """With the settings' defaults, but for the days of history."""
        async with PrometheusSource(
            self.past.url,
            scope=Scope(excluded=("kube-system", "kube-public", "kube-node-lease", "profiling")),
            observer=self.traffic,
            transport=self._wire,
        ) as source:
            cluster = ClusterPorts(FixedSnapshot(), InMemoryProfiles("profiling"), LoggedReport())
            policy = CyclePolicy(EstimationPolicy(), history_days, timeslots=4)
            self._cycle = ProfilingCycle(source, cluster, policy, lambda _namespace: True)
            yield self

    async def run(self, newest_step: int) -> Run:
        """A cycle at the moment when that step is the newest."""
        assert self._cycle
        before, used = len(self._wire.forms), self.past.cpu_seconds
        started = perf_counter()
        report = await self._cycle.run_once(step_time(newest_step) + timedelta(seconds=GRACE_SECONDS))
        seconds = perf_counter() - started
        faults = [state for state in report.states if state.health.is_fault]
        if faults:
            raise RuntimeError(f"a signal was not answered: {faults}")
        return Run(report, seconds, self.past.cpu_seconds - used, self._wire.forms[before:])


def curl_seconds(url: str, forms: Sequence[bytes], directory: Path) -> float:
    """The time in which curl fetches the same answers, as many at once as the profiler would."""
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
