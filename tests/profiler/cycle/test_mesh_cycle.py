"""From mesh labels to profiles: endpoints that need the snapshot, and a mesh with its own Prometheus."""

from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import ProfileKind
from app.domain.workloads import Workload
from app.history.samples import EdgeFault
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CyclePolicy, ProfilingCycle
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.connections import istio
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.retry_policy import RetryPolicy
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Row
from tests.profiler.scenario import DEPLOYMENTS, NOON, RecordingSink, Scenario

DB = Workload("storage", "db", "StatefulSet")
EDGE = {
    "namespace": "emojivoto",
    "reporter": "source",
    "source_workload_namespace": "emojivoto",
    "source_workload": "web",
    "destination_workload_namespace": "storage",
    "destination_workload": "db",
}


class IstioPrometheus(EmojivotoPrometheus):
    """Two edges from web, of which one has an unidentified endpoint."""

    mesh_metric = istio.REQUESTS

    def _mesh_rows(self, query: str) -> list[Row]:  # type: ignore[override]
        if "istio_build" in query:
            return [({"job": "envoy"}, 1.0)]
        unidentified = EDGE | {"destination_workload_namespace": "unknown", "destination_workload": "unknown"}
        if 'istio_requests_total{reporter=~"source' in query and "response_flags=~" not in query:
            return [(EDGE, 2.0), (unidentified, 8.0)]
        return [(EDGE, 512.4)] if "istio_request_bytes_sum" in query else []


class TwoServers:
    """A cycle over two servers: usage from *usage*, connections from *mesh*."""

    def __init__(self, usage: httpx.MockTransport, mesh: httpx.MockTransport) -> None:
        def route(request: httpx.Request) -> httpx.Response:
            server = mesh if request.url.host == "viz.test" else usage
            answer: Callable[[httpx.Request], httpx.Response] = server.handler  # type: ignore[assignment]
            return answer(request)

        source = PrometheusSource(
            "http://prometheus.test:9090",
            connections_url="http://viz.test:9090",
            scope=Scope(),
            transport=httpx.MockTransport(route),
            retry_policy=RetryPolicy(tries=1),
        )
        self.sink, self.profiles = RecordingSink(), InMemoryProfiles("profiling")
        lister = FixedSnapshot(ClusterSnapshot(workloads=(*DEPLOYMENTS, DB)))
        policy = CyclePolicy(EstimationPolicy(), 1, timeslots=4)
        cluster = ClusterPorts(lister, self.profiles, self.sink)
        self.cycle = ProfilingCycle(source, cluster, policy, lambda _namespace: True)


def broken() -> httpx.MockTransport:
    """A server that answers each query with a 500."""
    return httpx.MockTransport(lambda _request: httpx.Response(500, text="disk on fire"))


async def test_an_edge_of_istio_becomes_a_profile() -> None:
    """Two requests per second are 120 per minute, and as many responses; 512.4 bytes are 512."""
    servers = TwoServers(EmojivotoPrometheus().transport, IstioPrometheus().transport)
    report = await servers.cycle.run_once(NOON)

    (stored,) = [
        manifest
        for manifest in servers.profiles.manifests.values()
        if manifest["kind"] == "ConnectionProfile"
    ]
    assert stored["spec"]["bandwidth_requirement"] == "240.00"
    assert (stored["spec"]["source_job"], stored["spec"]["destination_job"]) == ("web", "db")
    assert stored["metadata"]["annotations"] == {
        "job-profiler.liqo.io/source-kind": "Deployment",
        "job-profiler.liqo.io/destination-kind": "StatefulSet",
    }
    rates = {name: value for name, value in stored["status"].items() if "Per" in name}
    assert rates == {
        "requestsPerMinute": "120.00",
        "responsesPerMinute": "120.00",
        "requestBytesPerSecond": "512",
    }
    assert report.dropped_edges == {(EdgeFault.UNKNOWN_END, "emojivoto"): 1}


async def test_a_first_cycle_keeps_the_edges_of_deleted_workloads() -> None:
    """No Deployment of emojivoto exists any longer: those with usage keep their connections.

    `ghost`, a name that vote-bot has made up, has no usage.
    """
    prometheus = EmojivotoPrometheus()
    prometheus.edges["vote-bot", "ghost"] = (1.0, 1.0)
    nothing = ClusterSnapshot(listed=NamespaceSelection(frozenset({"emojivoto"})))
    scenario = Scenario(prometheus, snapshot=nothing)

    report = await scenario.cycle()

    connections = {
        str(identity.subject) for identity in scenario.learned() if identity.kind == ProfileKind.CONNECTION
    }
    assert connections == {
        "emojivoto/web → emojivoto/voting",
        "emojivoto/web → emojivoto/emoji",
        "emojivoto/vote-bot → emojivoto/web",
    }
    assert report.dropped_edges == {(EdgeFault.NO_WORKLOAD, "emojivoto"): 1}


async def test_unidentified_edges_stay_counted_without_new_queries() -> None:
    """A cycle in which no step is new has the edge in its report and in the metric."""
    servers = TwoServers(EmojivotoPrometheus().transport, IstioPrometheus().transport)
    await servers.cycle.run_once(NOON)
    registry = CollectorRegistry()

    CycleMetrics(registry).count_finished(await servers.cycle.run_once(NOON), NOON)

    assert registry.get_sample_value("job_profiler_edges_of_unknown_ends") == 1


@pytest.mark.parametrize("failing", ["usage", "mesh"])
async def test_a_failing_server_leaves_signals_of_the_other(failing: str) -> None:
    """One server answers each query with a 500: profiles from the other one are published."""
    usage = broken() if failing == "usage" else EmojivotoPrometheus().transport
    servers = TwoServers(usage, broken() if failing == "mesh" else IstioPrometheus().transport)

    await servers.cycle.run_once(NOON)

    states = {name: signal["state"] for name, signal in servers.sink.signals.items()}
    kinds = {manifest["kind"] for manifest in servers.profiles.manifests.values()}
    if failing == "usage":
        assert states == {"cpu": "Failing", "memory": "Failing", "connections": "Ok"}
        assert kinds == {"ConnectionProfile"}
    else:
        assert states == {"cpu": "Ok", "memory": "Ok", "connections": "Failing"}
        assert kinds == {"CPUProfile", "MemoryProfile"}


class ForgingIstio(EmojivotoPrometheus):
    """One real edge, reported by both ends, and what a Pod of the namespace `evil` claims beside it."""

    mesh_metric = istio.REQUESTS
    forged: tuple[dict[str, str], ...] = ()

    def _mesh_rows(self, query: str) -> list[Row]:  # type: ignore[override]
        if "istio_build" in query:
            return [({"job": "envoy"}, 1.0)]
        if 'istio_requests_total{reporter=~"source' not in query or "response_flags=~" in query:
            return []
        reports = [(EDGE, 2.0), (EDGE | {"namespace": "storage", "reporter": "destination"}, 2.5)]
        return reports + [(labels | {"namespace": "evil"}, 999.0) for labels in self.forged]


def end(name: str, namespace: str, workload: str) -> dict[str, str]:
    return {f"{name}_workload_namespace": namespace, f"{name}_workload": workload}


async def connections_of(prometheus: EmojivotoPrometheus) -> tuple[dict[str, tuple[str, str]], TwoServers]:
    """The value and the reporters of each stored connection, after one cycle."""
    servers = TwoServers(EmojivotoPrometheus().transport, prometheus.transport)
    await servers.cycle.run_once(NOON)
    stored = {
        f"{spec['source_namespace']}/{spec['source_job']} → "
        f"{spec['destination_namespace']}/{spec['destination_job']}": (
            spec["bandwidth_requirement"],
            manifest["metadata"]["annotations"].get("job-profiler.liqo.io/reported-by", "source"),
        )
        for manifest in servers.profiles.manifests.values()
        if (spec := manifest["spec"]) and manifest["kind"] == "ConnectionProfile"
    }
    return stored, servers


async def test_a_pod_can_not_forge_an_edge_between_two_other_namespaces() -> None:
    """A Pod of `evil` exposes istio_requests_total, as client, server and waypoint: only web → db is stored.

    Nor does it change the rate of that edge: 2 requests and 2 responses a second are 240 a minute.
    """
    prometheus = ForgingIstio()
    others = end("source", "crm", "sync") | end("destination", "storage", "db")
    prometheus.forged = (
        *(others | {"reporter": reporter} for reporter in ("source", "destination", "waypoint")),
        EDGE,
        EDGE | {"reporter": "destination"},
    )

    stored, servers = await connections_of(prometheus)

    assert stored == {"emojivoto/web → storage/db": ("240.00", "both")}
    assert servers.sink.reports[-1]["droppedEdges"] == {"OtherReporter": ["evil"]}


async def test_a_pod_may_declare_edges_of_its_own_namespace() -> None:
    """`evil` as client of db, and as server of web: both are stored, each as declared by evil alone."""
    prometheus = ForgingIstio()
    prometheus.forged = (
        end("source", "evil", "miner") | end("destination", "storage", "db") | {"reporter": "source"},
        end("source", "emojivoto", "web") | end("destination", "evil", "pool") | {"reporter": "destination"},
    )

    stored, _ = await connections_of(prometheus)

    assert {edge: reporters for edge, (_, reporters) in stored.items()} == {
        "emojivoto/web → storage/db": "both",
        "evil/miner → storage/db": "source",
        "emojivoto/web → evil/pool": "destination",
    }


async def test_impossible_names_are_dropped_where_they_are_read() -> None:
    """3,000 edges with names that no object can have: no write is tried, and the reason is in the report."""
    prometheus = ForgingIstio()
    prometheus.forged = tuple(
        end("source", "evil", f"Miner_{number}")
        | end("destination", "storage", "db")
        | {"reporter": "source"}
        for number in range(3000)
    )

    servers = TwoServers(EmojivotoPrometheus().transport, prometheus.transport)
    report = await servers.cycle.run_once(NOON)

    assert report.dropped_edges == {(EdgeFault.IMPOSSIBLE_NAME, "evil"): 3000}
    assert (report.failed_writes, report.stored) == (0, 9)
    registry = CollectorRegistry()
    CycleMetrics(registry).count_finished(report, NOON)
    dropped = registry.get_sample_value("job_profiler_edges_dropped", {"reason": "ImpossibleName"})
    assert dropped == 3000
    assert servers.sink.reports[-1]["droppedEdges"] == {"ImpossibleName": ["evil"]}
