"""Cost of connections from each provider, on the same edges, beside Linkerd's: `make bench-providers`.

Each workload has one Pod, on one of 100 nodes, and sends to the three after it; agents run on each node. A
cycle reads connections and nothing else, in a process of its own. Fails if a provider misses an edge, or if
the process takes more than 700 MB of memory, which `make bench-pods` allows a whole leader.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TextIO

import numpy as np

from app.history.samples import STEP_SECONDS
from app.profiler.cycle.signals import Signal
from app.runtime.logs import configure_logs
from app.settings.types import LogFormat
from benchmarks.cycle_pods import LIMIT_MEGABYTES
from benchmarks.cycle_sizes import machine
from benchmarks.past_usage import Profiler, RunningPast
from benchmarks.rig import ROOT, image_settings
from tests.cluster.prometheus import Prometheus
from tests.histories.meshes import istio_edge
from tests.sources import flow_collectors as flows
from tests.sources import hubble_agents as hubble
from tests.sources import service_graphs as graphs

NODES, DESTINATIONS, SCRAPE_SECONDS = 100, 3, 120
_BYTES_ALONE = {"netobserv", "obi", "beyla"}

Labels = Mapping[str, str]
Series = tuple[str, Labels]  # its metric and its labels


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment with one Pod."""

    number: int

    @property
    def namespace(self) -> str:
        """One of ten."""
        return f"team-{self.number % 10}"

    @property
    def name(self) -> str:
        """The Deployment."""
        return f"svc-{self.number:04d}"

    @property
    def pod(self) -> str:
        """The Pod, named as by a ReplicaSet."""
        return f"{self.name}-6b6f9d7d5c-2x8qz"

    @property
    def node(self) -> int:
        """The number of its node: none of the workloads that it sends to has the same."""
        return self.number % NODES

    @property
    def full_name(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def end(self) -> flows.End:
        """It as the end of a flow."""
        return flows.End(*self.full_name)


Edges = list[tuple[Workload, Workload]]


def edges_between(workloads: int) -> Edges:
    """The source and the destination of each edge."""
    return [
        (Workload(number), Workload((number + distance) % workloads))
        for number, distance in product(range(workloads), range(1, DESTINATIONS + 1))
    ]


def _linkerd(edges: Edges) -> Iterator[Series]:
    for metric, (client, server) in product(("request_total", "response_total"), edges):
        yield (
            metric,
            {
                **_linkerd_proxy(client),
                "direction": "outbound",
                "dst_namespace": server.namespace,
                "dst_deployment": server.name,
                "dst_service": server.name,
                "tls": "true",
            },
        )
    yield from _scrapes(_linkerd_proxy(client) for client in _clients(edges))


def _linkerd_proxy(of: Workload) -> Labels:
    labels = {"job": "linkerd-proxy", "control_plane_ns": "linkerd", "deployment": of.name}
    return {**labels, "namespace": of.namespace, "pod": of.pod}


def _istio(edges: Edges) -> Iterator[Series]:
    metrics = ("istio_requests_total", "istio_request_bytes_sum", "istio_response_bytes_sum")
    http = {"request_protocol": "http", "response_code": "200", "response_flags": "-"}
    for metric, (client, server) in product(metrics, edges):
        for reporter, proxy in (("source", client), ("destination", server)):
            edge = istio_edge(reporter, client.full_name, server.full_name, **_istio_proxy(proxy))
            yield metric, edge | http
    yield from _scrapes(_istio_proxy(client) for client in _clients(edges))


def _istio_proxy(of: Workload) -> Labels:
    return {"job": "envoy-stats", "namespace": of.namespace, "pod": of.pod}


def _netobserv(edges: Edges) -> Iterator[Series]:
    for client, server in edges:
        yield flows.INGRESS, flows.netobserv(flows.pipeline(server.node), client.end, server.end)
    yield from _scrapes(flows.pipeline(node) for node in range(NODES))


def _obi(edges: Edges) -> Iterator[Series]:
    return _network_flows("obi", edges)


def _beyla(edges: Edges) -> Iterator[Series]:
    return _network_flows("beyla", edges)


def _network_flows(name: str, edges: Edges) -> Iterator[Series]:
    """What is sent and what is answered, each as the agents on both nodes see it."""
    for client, server in edges:
        for node in (client.node, server.node):
            target = flows.agent(node, name)
            metric = f"{name}_network_flow_bytes_total"
            yield metric, flows.network_flow(target, client.end, server.end)
            yield metric, flows.network_flow(target, server.end, client.end, direction="response")
    yield from _scrapes(flows.agent(node, name) for node in range(NODES))


def _service_graph(edges: Edges) -> Iterator[Series]:
    for client, server in edges:
        ends = graphs.between(client.full_name, server.full_name)
        yield graphs.REQUESTS, graphs.pair(graphs.COLLECTORS[0], client.name, server.name, **ends)
    yield from _scrapes(graphs.COLLECTORS[:1])


def _hubble(edges: Edges) -> Iterator[Series]:
    """The requests as the agents of both nodes see them."""
    for client, server in edges:
        ends = hubble.ends(*({"namespace": end.namespace, "pod": end.pod} for end in (client, server)))
        for reporter, node in (("client", client.node), ("server", server.node)):
            yield hubble.REQUESTS, hubble.request(_hubble_agent(node), reporter, **ends)
    yield from _scrapes(map(_hubble_agent, range(NODES)))


def _hubble_agent(node: int) -> Labels:
    return {**hubble.AGENTS[0], "pod": f"cilium-7xk{node:02d}", "instance": f"172.18.0.{node}:9965"}


def _clients(edges: Edges) -> Iterable[Workload]:
    return dict.fromkeys(client for client, _ in edges)


def _scrapes(targets: Iterable[Labels]) -> Iterator[Series]:
    """What a scraper writes beside the metrics of each target; no scrape has a new series."""
    for target, metric in product(list(targets), ("up", "scrape_series_added")):
        yield metric, target


PROVIDERS: dict[str, Callable[[Edges], Iterator[Series]]] = {
    "linkerd": _linkerd,
    "istio": _istio,
    "netobserv": _netobserv,
    "obi": _obi,
    "beyla": _beyla,
    "service-graph": _service_graph,
    "hubble": _hubble,
}
_CONSTANT = {"up": 1.0, "scrape_series_added": 0.0}


def write_past(series: Iterable[Series], path: Path, end: int, minutes: int) -> int:
    """Writes the *minutes* before *end*; returns the number of series."""
    times = np.arange(end - minutes * 60, end + 1, SCRAPE_SECONDS)
    by_metric: dict[str, list[Labels]] = {}
    for metric, labels in series:
        by_metric.setdefault(metric, []).append(labels)
    with path.open("w") as file:
        for metric, labels_of_all in by_metric.items():
            counted = 1000.0 + 2.0 * (times - times[0])
            values = np.full(len(times), _CONSTANT[metric]) if metric in _CONSTANT else counted
            _write_family(
                file, metric, labels_of_all, [f"{v:.9g} {t}\n" for v, t in zip(values, times, strict=True)]
            )
        file.write("# EOF\n")
    return sum(map(len, by_metric.values()))


def _write_family(file: TextIO, metric: str, labels_of_all: Iterable[Labels], points: list[str]) -> None:
    kind = "counter" if metric.endswith("_total") else "gauge"
    file.write(f"# TYPE {metric.removesuffix('_total')} {kind}\n")
    for labels in labels_of_all:
        pairs = ",".join([f'{label}="{value}"' for label, value in labels.items()])
        head = f"{metric}{{{pairs}}} "
        file.write("".join([head + point for point in points]))


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a leader's first cycle and of the next one; queries are those on connections."""

    edges: int
    cold_queries: int
    cold_seconds: float
    steady_queries: int
    steady_seconds: float
    server_cpu_seconds: float
    steady_server_cpu_seconds: float
    peak_megabytes: float


def main() -> None:
    """Prints a row for each provider; fails if one misses an edge or the limit of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument(
        "--provider", choices=PROVIDERS, action="append", help="beside Linkerd; all by default"
    )
    parser.add_argument("--measure", nargs=2, metavar=("PROVIDER", "PAST"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        configure_logs("error", LogFormat.CONSOLE)
        provider, past = options.measure
        print(json.dumps(asdict(asyncio.run(_measure(provider, RunningPast(**json.loads(past)))))))
        return
    edges = edges_between(options.workloads)
    print(f"{machine()} {len(edges):,} edges of {options.workloads:,} workloads.\n\n{_HEAD}", flush=True)
    costs: dict[str, Cost] = {}
    for provider in dict.fromkeys(["linkerd", *(options.provider or PROVIDERS)]):
        series, costs[provider] = _cost_of(provider, edges, options.minutes)
        print(_row(provider, series, costs[provider], costs["linkerd"]), flush=True)
    most = max(costs, key=lambda provider: costs[provider].peak_megabytes)
    peak = costs[most].peak_megabytes
    missed = [provider for provider, cost in costs.items() if cost.edges != len(edges)]
    print(f"\nlargest peak: {peak:.0f} MB with {most} (limit {LIMIT_MEGABYTES} MB)", end="; ")
    print(f"edges are missed by: {', '.join(missed) or 'none'}")
    if missed or peak > LIMIT_MEGABYTES:
        sys.exit(1)


_HEAD = """\
| provider | series | edges | first cycle | queries | CPU of Prometheus | next cycle | queries \
| CPU of Prometheus | peak |
|---|---|---|---|---|---|---|---|---|---|"""


def _row(provider: str, series: int, cost: Cost, linkerd: Cost) -> str:
    """The costs; times are beside Linkerd's."""
    return (
        f"| {provider} | {series:,} | {cost.edges:,}"
        f" | {cost.cold_seconds:.1f} s ({cost.cold_seconds / linkerd.cold_seconds:.2f}) | {cost.cold_queries}"
        f" | {cost.server_cpu_seconds:.1f} s"
        f" | {cost.steady_seconds:.2f} s ({cost.steady_seconds / linkerd.steady_seconds:.2f})"
        f" | {cost.steady_queries} | {cost.steady_server_cpu_seconds:.2f} s | {cost.peak_megabytes:.0f} MB |"
    )


def _cost_of(provider: str, edges: Edges, minutes: int) -> tuple[int, Cost]:
    """The number of series, and what a process with a new leader needs."""
    end = int(datetime.now(UTC).timestamp()) // STEP_SECONDS * STEP_SECONDS
    with tempfile.TemporaryDirectory(prefix="bench-providers-") as name:
        text = Path(name) / "history.openmetrics"
        series = write_past(PROVIDERS[provider](edges), text, end, minutes)
        with Prometheus(Path(name) / "prometheus", text) as prometheus:
            text.unlink()
            server = {"url": prometheus.url, "pid": prometheus.pid, "newest_step": end // STEP_SECONDS}
            environment = [f"{name}={value}" for name, value in image_settings().items()]
            command = ["env", *environment, sys.executable, "-m", "benchmarks.providers"]
            command += ["--measure", provider, json.dumps(server)]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout
    return series, Cost(**json.loads(output.splitlines()[-1]))


async def _measure(provider: str, past: RunningPast) -> Cost:
    profiler = Profiler(past, signals=frozenset({Signal.CONNECTIONS}))
    sampling = 1.0 if provider == "service-graph" else None
    async with profiler.opened(1, network_providers=(provider,), service_graph_sampling=sampling):
        cold = await profiler.run(past.newest_step - 1)
        cold_queries = profiler.traffic.queries[Signal.CONNECTIONS]
        steady = await profiler.run(past.newest_step)
    return Cost(
        len(profiler.profiles.manifests),
        cold_queries,
        cold.seconds,
        profiler.traffic.queries[Signal.CONNECTIONS] - cold_queries,
        steady.seconds,
        cold.server_cpu_seconds,
        steady.server_cpu_seconds,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    )


if __name__ == "__main__":
    main()
