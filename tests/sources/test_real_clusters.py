"""Two clusters with the same namespaces and Pods in one real Prometheus: only ours counts.

per second         CPU (cores)  memory (bytes)  throttled  Linkerd web → db (requests, responses)  Istio
east (ours)               0.02      20,000,000          0  1 and 0.5                                2
west                      0.50     900,000,000   9 of 10  50 and 50                              40
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Connection, Workload
from app.errors import SeveralClustersError
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import ClusterName, Scope
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.meshes import (
    Counter,
    LinkerdPod,
    istio_edge,
    istio_http,
    linkerd_destination,
    linkerd_edge,
)
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import only, usage

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
HALF_HOUR = StepRange(END // 300 - 5, END // 300)
TIMES = np.arange(END - 2100, END + 1, 30, dtype=np.int64)
POD, REPLICASET = "web-6b6f9d7d5c-2x8qz", "web-6b6f9d7d5c"
CONTAINER = {"namespace": "shop", "pod": POD, "container": "web-svc"}
EAST = Scope(("shop",), (), "east", "k8s")
BOTH = Scope(("shop",))


class Figures(NamedTuple):
    """The numbers that differ between the clusters."""

    cluster: str
    cores: float
    memory_bytes: float
    throttled_per_second: float
    linkerd: tuple[float, float]
    istio: float
    deployment: str


CLUSTERS = (
    Figures("east", 0.02, 2e7, 0.0, (1.0, 0.5), 2.0, "web"),
    Figures("west", 0.5, 9e8, 9.0, (50.0, 50.0), 40.0, "canary"),
)


def counters_of(figures: Figures) -> Iterator[Counter]:
    yield Counter("container_cpu_usage_seconds_total", CONTAINER, figures.cores)
    yield Counter("container_cpu_cfs_periods_total", CONTAINER, 10.0)
    yield Counter("container_cpu_cfs_throttled_periods_total", CONTAINER, figures.throttled_per_second)
    requests, responses = figures.linkerd
    web = LinkerdPod("shop", POD, {"deployment": "web"}, {}, "10.42.0.21")
    db = linkerd_destination("shop", {"statefulset": "db"}, "db-0")
    by_outcome = {"success": responses}
    yield from linkerd_edge(web, db, "10.42.1.1", requests=requests, responses=by_outcome, written=1, read=1)
    edge = istio_edge("source", ("shop", "web"), ("shop", "db"), pod=POD, namespace="shop")
    yield from istio_http(edge, {"200": figures.istio}, (1.0, 1.0))


def gauges_of(figures: Figures) -> Iterator[tuple[str, Mapping[str, str], float]]:
    controller = {"namespace": "shop", "owner_is_controller": "true"}
    of_pod = {"pod": POD, "owner_kind": "ReplicaSet", "owner_name": REPLICASET}
    of_replicaset = {"replicaset": REPLICASET, "owner_kind": "Deployment", "owner_name": figures.deployment}
    proxy = LinkerdPod("shop", POD, {"deployment": "web"}, {}, "10.42.0.21")
    yield "container_memory_working_set_bytes", CONTAINER, figures.memory_bytes
    yield "kube_pod_owner", controller | of_pod, 1
    yield "kube_replicaset_owner", controller | of_replicaset, 1
    yield "up", proxy.labels, 1


@pytest.fixture(scope="module")
def shared(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """Only the label `k8s` differs between the clusters."""
    metrics: dict[str, list[Series]] = {}
    for figures in CLUSTERS:
        named = {"k8s": figures.cluster}
        for counter in counters_of(figures):
            series = replace(counter, labels={**counter.labels, **named}).series(TIMES)
            metrics.setdefault(counter.metric, []).append(series)
        for metric, labels, value in gauges_of(figures):
            values = np.full(len(TIMES), float(value))
            metrics.setdefault(metric, []).append(Series({**labels, **named}, TIMES, values))
    path = tmp_path_factory.mktemp("clusters") / "shared.openmetrics"
    write_openmetrics(
        path,
        [
            Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
            for metric, series in metrics.items()
        ],
    )
    return prometheus_factory(path)


def source(shared: Prometheus, scope: Scope = EAST, provider: str = "auto") -> PrometheusSource:
    return PrometheusSource(shared.url, scope=scope, network_providers=(provider,))


@pytest.mark.parametrize(
    ("scope", "cores", "memory_bytes"), [(EAST, 0.02, 2e7), (BOTH, 0.5, 9e8)], ids=["ours", "both"]
)
async def test_containers(shared: Prometheus, scope: Scope, cores: float, memory_bytes: float) -> None:
    """At each of six steps; without the matcher both are one container, with the larger usage."""
    async with source(shared, scope) as prometheus:
        answers = [await usage(prometheus.container_samples(resource, HALF_HOUR)) for resource in Resource]

    for samples, expected in zip(answers, (cores, memory_bytes), strict=True):
        assert len(samples.containers) == 1
        np.testing.assert_allclose(samples.values, [[expected] * 6], rtol=1e-9)


@pytest.mark.parametrize(("scope", "shares"), [(EAST, []), (BOTH, [0.9] * 6)], ids=["ours", "both"])
async def test_throttling(shared: Prometheus, scope: Scope, shares: list[float]) -> None:
    """West's 9 of 10 periods do not count: the quotient joins periods of one cluster only."""
    async with source(shared, scope) as prometheus:
        throttling, _ = await only(prometheus.pressure_samples(Resource.CPU, HALF_HOUR))

    np.testing.assert_allclose(throttling.shares, shares, rtol=1e-9)


async def test_owners(shared: Prometheus) -> None:
    """The ReplicaSet of the same name belongs to `canary` in west, and to `web` in east."""
    async with source(shared) as prometheus:
        owners = await prometheus.pod_owners(HALF_HOUR)

    assert owners.workloads == {("shop", POD): Workload("shop", "web")}


@pytest.mark.parametrize(
    ("provider", "scope", "requests", "responses"),
    [
        ("linkerd", EAST, 1.0, 0.5),
        ("linkerd", BOTH, 50.0, 50.0),
        ("istio", EAST, 2.0, 2.0),
        ("istio", BOTH, 40.0, 40.0),
    ],
)
async def test_connections(
    shared: Prometheus, provider: str, scope: Scope, requests: float, responses: float
) -> None:
    """Web → db: the rates of east; without the matcher those of the larger, as of two scrapers of one Pod."""
    async with source(shared, scope, provider) as prometheus:
        samples = await only(prometheus.connection_samples(HALF_HOUR))

    assert samples is not None
    kind, db_kind = ("Deployment", "StatefulSet") if provider == "linkerd" else ("", "")
    assert samples.edges == (Connection(Workload("shop", "web", kind), Workload("shop", "db", db_kind)),)
    np.testing.assert_allclose(samples.requests, [[requests] * 6], rtol=1e-9)
    np.testing.assert_allclose(samples.responses, [[responses] * 6], rtol=1e-9)
    assert samples.scraped.all()


UNNAMED = Scope(("shop",), (), "", "k8s")
SEVERAL = (
    "one Prometheus has series of several clusters, whose label k8s is east, west: set PROMETHEUS_CLUSTER"
)


@pytest.mark.parametrize("provider", ["linkerd", "istio"])
async def test_several_clusters_are_refused_in_words(shared: Prometheus, provider: str) -> None:
    """Without PROMETHEUS_CLUSTER the label has two values: neither usage nor connections are believed.

    Before, usage was the larger of both clusters' (0.5 cores), and requests their sum (51 a second).
    """
    async with source(shared, UNNAMED, provider) as prometheus:
        with pytest.raises(SeveralClustersError, match=SEVERAL):
            await usage(prometheus.container_samples(Resource.CPU, HALF_HOUR))
        with pytest.raises(SeveralClustersError, match=SEVERAL):
            await only(prometheus.connection_samples(HALF_HOUR))


def of_two_namespaces(cluster: str, *others: tuple[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The usage and requests of `shop`, `evil` and *others* (namespace and cluster), and a kubelet."""
    named = [("shop", cluster), ("evil", cluster), *others]
    series = [
        (metric, {**CONTAINER, "namespace": namespace, "cluster": name, "job": "kubelet"})
        for namespace, name in named
        for metric in ("container_memory_working_set_bytes", "container_cpu_usage_seconds_total")
    ]
    for namespace, name in named:
        edge = istio_edge("source", (namespace, "web"), (namespace, "db"), pod=POD, namespace=namespace)
        series.append(("istio_requests_total", {**edge, "cluster": name}))
    kubelet = {"job": "kubelet", "namespace": "kube-system", "instance": "10.0.0.1:10250"}
    return [*series, ("up", {**kubelet, "cluster": cluster})]


@pytest.fixture
def serve(
    prometheus_factory: PrometheusFactory, tmp_path: Path
) -> Callable[[list[tuple[str, dict[str, str]]]], Prometheus]:
    """A Prometheus with these series, which rise by 1 a second."""

    def start(samples: list[tuple[str, dict[str, str]]]) -> Prometheus:
        metrics: dict[str, list[Series]] = {}
        for metric, labels in samples:
            metrics.setdefault(metric, []).append(Series(labels, TIMES, (TIMES - TIMES[0] + 1.0)))
        path = tmp_path / "tenants.openmetrics"
        families = [
            Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
            for metric, series in metrics.items()
        ]
        write_openmetrics(path, families)
        return prometheus_factory(path)

    return start


async def test_a_tenant_can_not_end_the_signals_of_a_small_cluster(
    serve: Callable[[list[tuple[str, dict[str, str]]]], Prometheus],
) -> None:
    """A Pod of `evil` exposes its usage and its requests with `cluster="x"`, and an `up` of its own.

    Both clusters then have half of the two namespaces or more. Before, all signals were refused.
    """
    claim = ("up", {"job": "kubelet", "namespace": "evil", "instance": "10.42.0.9:80", "cluster": "x"})
    prometheus = serve([*of_two_namespaces("east", ("evil", "x")), claim])

    async with PrometheusSource(prometheus.url, scope=Scope(), network_providers=("istio",)) as opened:
        samples = await usage(opened.container_samples(Resource.CPU, HALF_HOUR))
        connections = await only(opened.connection_samples(HALF_HOUR))

    assert {container.namespace for container in samples.containers} == {"shop", "evil"}
    assert {edge.source.namespace for edge in connections.edges} == {"shop", "evil"}


async def test_a_second_cluster_of_few_namespaces_is_refused(
    serve: Callable[[list[tuple[str, dict[str, str]]]], Prometheus],
) -> None:
    """Its kubelet is in kube-system, where no tenant has a Pod; one of three namespaces is its own."""
    kubelet = {"job": "kubelet", "namespace": "kube-system", "instance": "10.1.0.1:10250", "cluster": "west"}
    prometheus = serve([*of_two_namespaces("east", ("crm", "west")), ("up", kubelet)])

    async with PrometheusSource(prometheus.url, scope=Scope(), network_providers=("istio",)) as opened:
        with pytest.raises(SeveralClustersError, match="cluster is east, west"):
            await usage(opened.container_samples(Resource.CPU, HALF_HOUR))
        with pytest.raises(SeveralClustersError, match="cluster is east, west"):
            await only(opened.connection_samples(HALF_HOUR))


@pytest.mark.parametrize(
    ("cluster", "requests"), [(ClusterName("west", "k8s"), 50.0), (ClusterName(), 50.0)], ids=["own", "none"]
)
async def test_the_meshs_prometheus_has_a_cluster_of_its_own(
    shared: Prometheus, cluster: ClusterName, requests: float
) -> None:
    """Usage is that of `east`; the mesh's server has the cluster `west`, or no label that is one's."""
    async with PrometheusSource(
        shared.url,
        scope=EAST,
        network_providers=("linkerd",),
        connections_url=shared.url,
        connections_cluster=cluster,
    ) as prometheus:
        cpu = await usage(prometheus.container_samples(Resource.CPU, HALF_HOUR))
        samples = await only(prometheus.connection_samples(HALF_HOUR))

    np.testing.assert_allclose(cpu.values, [[0.02] * 6], rtol=1e-9)
    np.testing.assert_allclose(samples.requests, [[requests] * 6], rtol=1e-9)


async def test_an_unknown_cluster(shared: Prometheus) -> None:
    """With a wrong name of the cluster the result is empty."""
    async with source(shared, replace(EAST, cluster="north")) as prometheus:
        assert (await usage(prometheus.container_samples(Resource.CPU, HALF_HOUR))).containers == ()
        assert (await prometheus.pod_owners(HALF_HOUR)).workloads == {}
