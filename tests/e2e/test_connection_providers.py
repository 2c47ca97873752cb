"""Connections of NetObserv, OBI, Beyla, service graphs and Hubble, from Prometheus to a Pod's annotations.

One Prometheus has the past of all five, each in a namespace of its own, and one namespace where two see an
edge. In each, the Deployment `web` calls the StatefulSet `db`. All rates are constant from the beginning of a
step on, so that means are these rates. Agents of NetObserv look at one packet in 50; one request in 20 is
traced.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request as get
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import running
from tests.e2e.release import Release, job_profiler
from tests.e2e.workloads import deployment, our_annotations, pods_of, stateful_set
from tests.histories.proxies import ProxyHistory
from tests.sources import flow_collectors, hubble_agents, service_graphs
from tests.sources.flow_collectors import End, network_flow

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

RELEASE_NAMESPACE = "profiling-providers"
NETOBSERV, OBI, BEYLA, GRAPH, HUBBLE, SEVERAL = NAMESPACES = (
    *("by-netobserv", "by-obi", "by-beyla", "by-service-graph", "by-hubble", "by-several"),
)
AHEAD_SECONDS, PAST_SECONDS = 3600, 3 * 3600
PACKETS_PER_SAMPLE, TRACED = 50.0, 0.05
LABEL_VALUES, CYCLES = "/api/v1/label/:name/values", 5

PodNames = Mapping[str, str]  # of the only Pod of `web` and of `api`, by namespace and name


def ends_in(namespace: str) -> tuple[End, End]:
    return End(namespace, "web"), End(namespace, "db", "StatefulSet")


def add_netobserv(history: ProxyHistory) -> None:
    """`web` sends 20 and 10 bytes a second to `db` on two nodes, which sends 60 back.

    The same leaves `web`, and goes to the Service of `db`. In the namespace of several, `web` sends 10.
    """
    near, far = (flow_collectors.pipeline(number) for number in (1, 2))
    agent = {
        "namespace": "netobserv-privileged",
        "pod": "netobserv-ebpf-agent-6xk2p",
        "job": "ebpf-agent-svc-prom",
        "instance": "192.168.0.1:9400",
    }
    for target in (near, far, agent):
        history.up(target)
    times = history.scrapes()
    history.add(flow_collectors.AGENT_SAMPLING, agent, times, np.full(len(times), PACKETS_PER_SAMPLE))
    web, db = ends_in(NETOBSERV)
    service = flow_collectors.service(NETOBSERV, "db")
    arrives, leaves = flow_collectors.INGRESS, flow_collectors.EGRESS
    history.count(arrives, flow_collectors.netobserv(near, web, db), 20.0)
    history.count(arrives, flow_collectors.netobserv(far, web, db), 10.0)
    history.count(arrives, flow_collectors.netobserv(near, db, web), 60.0)
    history.count(arrives, flow_collectors.netobserv(near, service, web), 60.0)
    history.count(leaves, flow_collectors.netobserv(near, web, db, namespace=NETOBSERV), 30.0)
    history.count(leaves, flow_collectors.netobserv(near, web, service, namespace=NETOBSERV), 30.0)
    history.count(arrives, flow_collectors.netobserv(near, *ends_in(SEVERAL)), 10.0)


def add_network_flows(history: ProxyHistory) -> None:
    """OBI's agents on the nodes of both ends see 20 bytes a second to `db` and 60 back; Beyla's sees 5 and 7.

    The agent of the client sees the same to and from the Service.
    """
    near, far = (flow_collectors.agent(number) for number in (1, 2))
    beyla = flow_collectors.agent(1, "beyla")
    for target in (near, far, beyla):
        history.up(target)
    web, db = ends_in(OBI)
    service, metric = flow_collectors.service(OBI, "db"), "obi_network_flow_bytes_total"
    for target in (near, far):
        history.count(metric, network_flow(target, web, db), 20.0)
        history.count(metric, network_flow(target, db, web, "response"), 60.0)
    history.count(metric, network_flow(near, web, service), 20.0)
    history.count(metric, network_flow(near, service, web, "response"), 60.0)
    web, db = ends_in(BEYLA)
    history.count("beyla_network_flow_bytes_total", network_flow(beyla, web, db), 5.0)
    history.count("beyla_network_flow_bytes_total", network_flow(beyla, db, web, "response"), 7.0)


def add_service_graph(history: ProxyHistory) -> None:
    """Two collectors see 0.02 and 0.01 pairs of spans a second from `web` to `db`.

    In the namespace of several, one sees 0.01 from `web` and 0.01 from `api`.
    """
    near, far = service_graphs.COLLECTORS
    for target in (near, far):
        history.up(target)

    def count(target: Mapping[str, str], namespace: str, client: str, per_second: float) -> None:
        ends = {
            "client_k8s_namespace_name": namespace,
            "client_k8s_deployment_name": client,
            "server_k8s_namespace_name": namespace,
            "server_k8s_statefulset_name": "db",
        }
        labels = service_graphs.pair(target, client, "database", failed="false", **ends)
        history.count(service_graphs.REQUESTS, labels, per_second)

    count(near, GRAPH, "web", 0.02)
    count(far, GRAPH, "web", 0.01)
    count(near, SEVERAL, "web", 0.01)
    count(near, SEVERAL, "api", 0.01)


def add_hubble(history: ProxyHistory, pods: PodNames) -> None:
    """The agents of both ends see 0.75 requests a second from `web` to `db`, and 0.25 that fail.

    In the namespace of several, the client's sees 0.5 a second from `api`.
    """
    near, far = hubble_agents.AGENTS
    for target in (near, far):
        history.up(target)

    def count(target: Mapping[str, str], reporter: str, pod: str, status: str, per_second: float) -> None:
        namespace, _ = pod.split("/")
        source = {"namespace": namespace, "pod": pods[pod]}
        ends = hubble_agents.ends(source, {"namespace": namespace, "pod": "db-0"})
        labels = hubble_agents.request(target, reporter, status, **ends)
        history.count(hubble_agents.REQUESTS, labels, per_second)

    for target, reporter in ((near, "client"), (far, "server")):
        count(target, reporter, f"{HUBBLE}/web", "200", 0.75)
        count(target, reporter, f"{HUBBLE}/web", "503", 0.25)
    count(near, "client", f"{SEVERAL}/api", "200", 0.5)


class Figures(NamedTuple):
    """What a profile states: its value, messages per minute, bytes per second both ways, and what counts."""

    value: str
    protocol: str
    counted_by: str
    sampled_one_in: float | None = None
    requests: float = 0.0
    responses: float = 0.0
    sent: float | None = None
    received: float | None = None


def figures_of(profile: dict[str, Any]) -> Figures:
    status = profile["status"]
    sampling, sent, received = (
        None if (rate := status.get(name)) is None else round(float(rate), 3)
        for name in ("sampledOneIn", "requestBytesPerSecond", "responseBytesPerSecond")
    )
    return Figures(
        profile["spec"]["bandwidth_requirement"],
        status["protocol"],
        status["countedBy"],
        sampling,
        float(status["requestsPerMinute"]),
        float(status["responsesPerMinute"]),
        sent,
        received,
    )


def edge(namespace: str, client: str = "web") -> str:
    return f"{namespace}/{client} → StatefulSet/{namespace}/db"


EVERY_EDGE = {
    # (20 + 10) * 50 bytes a second, and 60 * 50 back: what each sends is an edge.
    edge(NETOBSERV): Figures("0.00", "tcp", "netobserv", 50.0, sent=1500.0),
    f"StatefulSet/{NETOBSERV}/db → {NETOBSERV}/web": Figures("0.00", "tcp", "netobserv", 50.0, sent=3000.0),
    edge(OBI): Figures("0.00", "tcp", "obi", sent=20.0, received=60.0),
    edge(BEYLA): Figures("0.00", "tcp", "beyla", sent=5.0, received=7.0),
    # (0.02 + 0.01) * 60 / 0.05 = 36 requests a minute, and as many responses.
    edge(GRAPH): Figures("72.00", "http", "service-graph", 20.0, 36.0, 36.0),
    # (0.75 + 0.25) * 60 = 60 requests a minute, seen by two, and as many responses.
    edge(HUBBLE): Figures("120.00", "http", "hubble", None, 60.0, 60.0),
    # NetObserv has 500 bytes a second, the service graph 0.01 * 60 / 0.05 = 12 requests a minute.
    edge(SEVERAL): Figures("24.00", "http", "service-graph", 20.0, 12.0, 12.0),
    # The service graph has 12 requests a minute; Hubble, which has every one, 0.5 * 60 = 30.
    edge(SEVERAL, "api"): Figures("60.00", "http", "hubble", None, 30.0, 30.0),
}


@pytest.fixture(scope="module")
def workloads(kubectl: Kubectl) -> Iterator[PodNames]:
    """The workloads of every namespace, with a Pod each; the names of those that call."""
    clients = [*((namespace, "web") for namespace in NAMESPACES), (SEVERAL, "api")]
    for namespace in NAMESPACES:
        kubectl.create_namespace(namespace)
        kubectl.apply(stateful_set("db", namespace))
    for namespace, name in clients:
        kubectl.apply(deployment(name, namespace))
    yield {
        f"{namespace}/{name}": pods_of(kubectl, name, namespace, 1)[0]["metadata"]["name"]
        for namespace, name in clients
    }
    kubectl.delete_namespaces(*NAMESPACES)


@pytest.fixture(scope="module")
def with_providers(
    prometheus_factory: PrometheusFactory, workloads: PodNames, work_directory: Path
) -> Prometheus:
    """A Prometheus with the past of all five providers."""
    # Aligned to steps, so that no step is partly covered.
    history = ProxyHistory(int(time.time()) // 300 * 300 + AHEAD_SECONDS, AHEAD_SECONDS + PAST_SECONDS)
    for add in (add_netobserv, add_network_flows, add_service_graph):
        add(history)
    add_hubble(history, workloads)
    return prometheus_factory(written(history, work_directory))


@pytest.fixture(scope="module")
def without_providers(prometheus_factory: PrometheusFactory, work_directory: Path) -> Prometheus:
    """A Prometheus with nothing but an agent of Cilium, which names its version.

    The labels are those of `VersionMetric` in pkg/metrics/metrics.go of cilium/cilium, which has no value.
    """
    history = ProxyHistory(int(time.time()) + AHEAD_SECONDS, 2 * AHEAD_SECONDS)
    agent = hubble_agents.AGENTS[0] | {"job": "cilium-agent", "instance": "172.18.0.2:9962"}
    history.up(agent)
    labels = {**agent, "version": "1.18.2", "revision": "1a2b3c4d", "arch": "linux/amd64"}
    times = history.scrapes()
    history.add("cilium_version", labels, times, np.zeros(len(times)))
    return prometheus_factory(written(history, work_directory))


def written(history: ProxyHistory, directory: Path) -> Path:
    path = directory / "history.openmetrics"
    history.write(path)
    return path


@pytest.fixture(scope="module")
def release(
    request: pytest.FixtureRequest,
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    with_providers: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with the connections of the Prometheus that the test names; nothing has usage."""
    prometheus: Prometheus = request.getfixturevalue(request.param)
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    extra = {
        "prometheus": {"connectionsUrl": prometheus.url},
        "profiling": {"serviceGraphSampling": TRACED},
    }
    with running(installed, installed.values(with_providers.url, extra)):
        yield installed


of_all_providers = pytest.mark.parametrize("release", ["with_providers"], indirect=True)
of_no_provider = pytest.mark.parametrize("release", ["without_providers"], indirect=True)


def connections(release: Release) -> dict[str, dict[str, Any]]:
    """The profiles by edge, once all edges have one with its status."""

    def complete() -> dict[str, dict[str, Any]]:
        by_edge = release.connections()
        has_all = len(by_edge) >= len(EVERY_EDGE) and all("status" in each for each in by_edge.values())
        return by_edge if has_all else {}

    return wait_until(complete, 60, "the profiles")


def signal_of(release: Release) -> dict[str, Any]:
    """The state of connections in the status report; empty before there is one."""
    for stored in release.kubectl.api.list("configmaps", release.namespace):
        if stored["metadata"]["name"] == "job-profiler-status":
            report = json.loads(stored.get("data", {}).get("status.json", "{}"))
            return next((each for each in report.get("signals", ()) if each["signal"] == "connections"), {})
    return {}


def total(url: str, metric: str, **labels: str) -> float:
    """The sum of the samples with these labels in the /metrics of a server."""
    families = text_string_to_metric_families(get(f"{url}/metrics").decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    )


def cycles(release: Release) -> float:
    return total(release.processes["profiler"].health_url, "job_profiler_cycles_total", result="finished")


@of_all_providers
@pytest.mark.parametrize("name", EVERY_EDGE)
def test_each_edge_has_a_profile(release: Release, name: str) -> None:
    """Value, rates and sampling are those of the history, by hand in `EVERY_EDGE`.

    Bytes alone have the value 0.00. An edge that two see is counted by the one that counts requests: by a
    service graph where NetObserv has bytes, and by Hubble where a service graph has one request of 20.
    """
    assert figures_of(connections(release)[name]) == EVERY_EDGE[name]


@of_all_providers
def test_nothing_else_has_a_profile(release: Release) -> None:
    """8 edges: none is counted twice, reversed, or ends at a Service."""
    assert connections(release).keys() == EVERY_EDGE.keys()
    assert len(release.profiles()) == len(EVERY_EDGE)
    assert signal_of(release)["state"] == "Ok"


@of_all_providers
@pytest.mark.parametrize(("namespace", "count"), (dict.fromkeys(NAMESPACES, 1) | {NETOBSERV: 2}).items())
def test_a_new_pod_names_its_connections(release: Release, namespace: str, count: int) -> None:
    """`web` has one connection; by NetObserv, which does not know the client, one each way."""
    kubectl = release.kubectl
    names = sorted(
        profile["metadata"]["name"]
        for of_edge, profile in connections(release).items()
        if f"{namespace}/web" in of_edge
    )
    [old] = pods_of(kubectl, "web", namespace, 1)

    kubectl.apply(deployment("web", namespace, replicas=2))
    pods = pods_of(kubectl, "web", namespace, 2)

    [new] = [pod for pod in pods if pod["metadata"]["uid"] != old["metadata"]["uid"]]
    assert len(names) == count
    assert our_annotations(new) == {
        f"liqo.io/connectionProfile{number}": name for number, name in enumerate(names)
    }


@of_no_provider
def test_a_server_without_providers(release: Release, without_providers: Prometheus) -> None:
    """Connections are `Absent`, which is no fault; a cycle asks for names of metrics, and nothing else."""
    signal = wait_until(lambda: signal_of(release), 60, "the state of connections")
    wait_until(lambda: cycles(release) >= CYCLES, 60, "some cycles")

    requests = total(without_providers.url, "prometheus_http_requests_total", handler=LABEL_VALUES)
    assert (signal["state"], signal["reason"]) == ("Absent", "NoMesh")
    assert 1 <= requests <= cycles(release) + 1  # of the cycle that runs
    profiler = release.processes["profiler"]
    assert total(profiler.health_url, "job_profiler_prometheus_queries_total", signal="connections") == 0
    assert release.connections() == {}
    assert '"level": "error"' not in profiler.log


@of_no_provider
def test_doctor_says_what_could_count(release: Release) -> None:
    """Cilium runs: Hubble could count connections. Nothing else shows, so nothing else is named."""
    report = json.loads(job_profiler(release, "doctor", "--output=json").stdout)

    could = [finding["message"] for finding in report["findings"] if finding["reason"] == "CouldCount"]
    assert could == ["hubble runs here, but hubble_http_requests_total is not there"]
