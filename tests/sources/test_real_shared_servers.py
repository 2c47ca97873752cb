"""Series of several clusters in one real Prometheus, in the settings in which they meet.

In each setting the Pod of `shop` uses 0.1 cores in this cluster and 3.0 in the other one: merged, the larger
counts, as before. Its requests to `db` are 1 a second here and 50 there: merged, the sum of 51 counts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.domain.profiles import Resource
from app.errors import SeveralClustersError
from app.history.samples import StepRange
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CyclePolicy, ProfilingCycle
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.queries import ABSENT, ClusterName, Scope
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.meshes import LinkerdPod, istio_edge, linkerd_destination, linkerd_edge
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.profiler.scenario import RecordingSink
from tests.sources.collecting import only, usage

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
HALF_HOUR = StepRange(END // 300 - 5, END // 300)
TIMES = np.arange(END - 2100, END + 1, 30, dtype=np.int64)
CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
HERE, THERE = "web-6b6f9d7d5c-2x8qz", "web-7c7f9d7d5c-bbbbb"
NAMED = "web-0"  # the Pod of a StatefulSet, in both clusters
OURS, THEIRS = 0.1, 3.0
GOOGLE = {"cluster": "prod", "project_id": "acme"}
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """The Pod *pod* in each of *namespaces*, whose series have *labels*."""

    labels: Labels
    namespaces: Collection[str]
    cores: float
    pod: str

    def usage(self) -> Iterable[tuple[str, Labels, float]]:
        """CPU and memory of its containers."""
        for namespace in self.namespaces:
            labels = {"job": "kubelet", "namespace": namespace, "pod": self.pod, "container": "web"}
            yield CPU, {**labels, **self.labels}, self.cores
            yield MEMORY, {**labels, **self.labels}, 1e6


def here(labels: Labels, count: int, pod: str = HERE) -> Part:
    """*count* namespaces of this cluster, `shop` among them."""
    return Part(labels, ["shop", *(f"a{number}" for number in range(1, count))], OURS, pod)


def there(labels: Labels, count: int, pod: str = THERE) -> Part:
    """*count* namespaces of another cluster, `shop` among them."""
    return Part(labels, ["shop", *(f"b{number}" for number in range(1, count))], THEIRS, pod)


Serve = Callable[[Iterable[tuple[str, Labels, float]]], Prometheus]


@pytest.fixture
def serve(prometheus_factory: PrometheusFactory, tmp_path: Path) -> Serve:
    """A Prometheus with series that rise by their rate; gauges have it as their value."""

    def start(samples: Iterable[tuple[str, Labels, float]]) -> Prometheus:
        metrics: dict[str, list[Series]] = {}
        for metric, labels, rate in samples:
            is_counter = metric.endswith("_total")
            values = rate * (TIMES - TIMES[0] + 1.0) if is_counter else np.full(len(TIMES), rate)
            metrics.setdefault(metric, []).append(Series(labels, TIMES, values))
        families = [
            Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
            for metric, series in metrics.items()
        ]
        path = tmp_path / "shared.openmetrics"
        write_openmetrics(path, families)
        return prometheus_factory(path)

    return start


def pods_of(*parts: Part) -> Callable[[str, str], bool]:
    """What the API server of the cluster with *parts* knows."""
    names = {(namespace, part.pod) for part in parts for namespace in part.namespaces}
    return lambda namespace, name: (namespace, name) in names


async def cores_of_shop(
    prometheus: Prometheus,
    knows_pod: Callable[[str, str], bool] | None,
    scope: Scope | None = None,
) -> tuple[list[float], list[str]]:
    """The usage of the Pods of `shop` in the last step, and the recognized clusters."""
    opened = PrometheusSource(prometheus.url, scope=scope or Scope(), knows_pod=knows_pod)
    async with opened as source:
        samples = await usage(source.container_samples(Resource.CPU, HALF_HOUR))
        recognized = list(source.own_clusters)
    values = zip(samples.containers, samples.values, strict=True)
    return [round(row[-1], 3) for container, row in values if container.namespace == "shop"], recognized


SETTINGS = {
    "a minority": ({"cluster": "prod"}, 30, {"cluster": "edge"}, 5),
    "as the minority": ({"cluster": "edge"}, 5, {"cluster": "prod"}, 30),
    "the central one": ({}, 20, {"cluster": "west"}, 30),
    "beside the central one": ({"cluster": "west"}, 30, {}, 20),
    "k8s_cluster": ({"k8s_cluster": "a"}, 2, {"k8s_cluster": "b"}, 2),
    "k8s_cluster_name": ({"k8s_cluster_name": "a"}, 2, {"k8s_cluster_name": "b"}, 2),
    "cluster_name": ({"cluster_name": "a"}, 1, {"cluster_name": "b"}, 1),
    "cluster_id": ({"cluster_id": "a"}, 1, {"cluster_id": "b"}, 1),
    "clusterArn": ({"clusterArn": "arn:a"}, 1, {"clusterArn": "arn:b"}, 1),
    "google": (GOOGLE | {"location": "eu"}, 3, GOOGLE | {"location": "us"}, 3),
    "two labels": ({"cluster": "prod", "k8s_cluster": "a"}, 2, {"cluster": "prod", "k8s_cluster": "b"}, 2),
}


@pytest.mark.parametrize("setting", SETTINGS)
async def test_the_pods_that_exist_tell_the_cluster(serve: Serve, setting: str) -> None:
    """0.1 cores, and the status names this cluster among both. Before, all gave 3.0 without a word.

    Commands without the API server know no Pods, and refuse all of these: each cluster has namespaces of its
    own, or the only one has both. `google` also has what PROMETHEUS_CLUSTER can't name, as its two clusters
    have one name.
    """
    labels, count, other_labels, other_count = SETTINGS[setting]
    ours, theirs = here(labels, count), there(other_labels, other_count, THERE)
    same = Part(labels, ["shop"], OURS, NAMED), Part(other_labels, ["shop"], THEIRS, NAMED)
    prometheus = serve([series for part in (ours, theirs, *same) for series in part.usage()])

    cores, recognized = await cores_of_shop(prometheus, pods_of(ours, same[0]))

    (label,) = {name for name in {*labels, *other_labels} if labels.get(name) != other_labels.get(name)}
    own, other = labels.get(label) or ABSENT, other_labels.get(label) or ABSENT
    assert cores == [OURS, OURS]
    names = ", ".join(sorted((own, other), key=lambda name: "" if name == ABSENT else name))
    assert recognized == [f"containers: {label}={own} of {names}"]
    with pytest.raises(SeveralClustersError, match=f"label {label} is {names}: set PROMETHEUS_CLUSTER"):
        await cores_of_shop(prometheus, None)


async def test_clusters_with_the_same_namespaces(serve: Serve) -> None:
    """Two equal clusters differ in the generated names of their Pods. Before: 3.0 cores."""
    ours, theirs = here({"cluster": "prod-a"}, 4), here({"cluster": "prod-b"}, 4, THERE)
    prometheus = serve([*ours.usage(), *theirs.usage()])

    assert await cores_of_shop(prometheus, pods_of(ours)) == (
        [OURS],
        ["containers: cluster=prod-a of prod-a, prod-b"],
    )
    with pytest.raises(SeveralClustersError, match="cluster is prod-a, prod-b"):
        await cores_of_shop(prometheus, None)


@pytest.mark.parametrize("name", ["prod-a", ABSENT], ids=["a name", "no label"])
async def test_pods_of_the_same_names_are_refused_in_words(serve: Serve, name: str) -> None:
    """Nothing but StatefulSets in both clusters: the setting decides, also for the one without a label."""
    named = Scope(cluster=name)
    ours = here({"cluster": named.cluster_value}, 4, NAMED)
    twin = Part({"cluster": "prod-b"}, ours.namespaces, THEIRS, NAMED)
    prometheus = serve([*ours.usage(), *twin.usage()])

    with pytest.raises(SeveralClustersError, match="The names of Pods do not show"):
        await cores_of_shop(prometheus, pods_of(ours))
    assert await cores_of_shop(prometheus, None, named) == ([OURS], [])


@pytest.mark.parametrize("claimed", ["x", "west"], ids=["one of its own", "a real one"])
async def test_a_tenant_changes_nothing(serve: Serve, claimed: str) -> None:
    """Two Pods of a tenant expose usage with another value of `cluster`, in one namespace of two.

    West has one Pod in one namespace: with the tenant's, half of what claims to be there exists here.
    """
    ours = here({"cluster": "east"}, 1)
    tenant = Part({"cluster": "east"}, ["evil"], OURS, HERE)
    claim = Part({"cluster": claimed}, ["evil"], THEIRS, HERE)
    west = there({"cluster": "west"}, 1)
    prometheus = serve([series for part in (ours, tenant, claim, west) for series in part.usage()])

    cores, recognized = await cores_of_shop(prometheus, pods_of(ours, tenant))

    assert cores == [OURS]
    own, every = ("east", "east, west") if claimed == "west" else ("east, x", "east, west, x")
    assert recognized == [f"containers: cluster={own} of {every}"]


async def test_a_tenant_can_not_end_the_signals_of_a_cluster(serve: Serve) -> None:
    """Its claim is of Pods that exist here: there is no other cluster, with the API server or without."""
    ours = here({"cluster": "east"}, 1)
    tenant = Part({"cluster": "east"}, ["evil"], OURS, HERE)
    claim = Part({"cluster": "x"}, ["evil"], THEIRS, HERE)
    prometheus = serve([series for part in (ours, tenant, claim) for series in part.usage()])

    assert await cores_of_shop(prometheus, pods_of(ours, tenant)) == ([OURS], [])
    assert await cores_of_shop(prometheus, None) == ([OURS], ["containers: cluster=east of east, x"])


@pytest.mark.parametrize(
    "labels",
    [("prometheus_replica", "a", "b"), ("replica", "a", "b"), ("location", "rack-1", "rack-2")],
    ids=lambda labels: labels[0],
)
async def test_other_labels_are_none_of_clusters(serve: Serve, labels: tuple[str, str, str]) -> None:
    """Replicas without deduplication have the same Pods twice, and a label of nodes has several values."""
    name, *values = labels
    parts = [here({name: value}, 4) for value in values]
    prometheus = serve([series for part in parts for series in part.usage()])

    assert await cores_of_shop(prometheus, pods_of(*parts)) == ([OURS], [])
    assert await cores_of_shop(prometheus, None) == ([OURS], [])


def linkerd(labels: Labels, pod: str, rate: float, own: Labels = {}) -> list[tuple[str, Labels, float]]:  # noqa: B006
    """The requests of `web` to `db`, and the `up` of its proxy, of a Pod with *own* labels."""
    web = LinkerdPod("shop", pod, {"deployment": "web"}, own, "10.42.0.21")
    db = linkerd_destination("shop", {"statefulset": "db"}, "db-0")
    edge = linkerd_edge(web, db, "10.42.1.1", requests=rate, responses={"success": rate}, written=1, read=1)
    series = [(counter.metric, {**labels, **counter.labels}, counter.per_second) for counter in edge]
    return [*series, ("up", {**labels, **web.labels}, 1.0)]


def istio(labels: Labels, pod: str, rate: float) -> list[tuple[str, Labels, float]]:
    """The requests of `web` to `db`, as its proxy reports them."""
    edge = istio_edge("source", ("shop", "web"), ("shop", "db"), pod=pod, namespace="shop")
    requests = {**edge, "request_protocol": "http", "response_code": "200"}
    return [
        ("istio_requests_total", {**labels, **requests}, rate),
        ("istio_build", {"component": "proxy", "namespace": "shop", "pod": pod, **labels}, 1.0),
    ]


async def requests_of(
    prometheus: Prometheus, provider: str, parts: Iterable[Part], scope: Scope | None = None
) -> float:
    """Requests a second of all edges in the last step, of a mesh with a Prometheus of its own."""
    async with PrometheusSource(
        prometheus.url,
        scope=scope or Scope(),
        network_providers=(provider,),
        connections_url=prometheus.url,
        connections_cluster=ClusterName(),
        knows_pod=pods_of(*parts),
    ) as source:
        samples = await only(source.connection_samples(HALF_HOUR))
    return float(np.nansum(samples.requests[:, -1]))


@pytest.mark.parametrize("provider", ["linkerd", "istio"])
async def test_the_meshs_own_prometheus(serve: Serve, provider: str) -> None:
    """Its series have external labels too, and no containers: proxies' Pods decide. 51 a second before."""
    series = linkerd if provider == "linkerd" else istio
    prometheus = serve([*series({}, HERE, 1.0), *series({"cluster": "west"}, THERE, 50.0)])

    assert await requests_of(prometheus, provider, [here({}, 1)]) == pytest.approx(1.0)


def of_istio(cluster: str, pod: str, namespaces: Collection[str], rate: float) -> list[Any]:
    """The same without an external label: only Istio's own labels name the cluster."""
    named = dict.fromkeys(("source_cluster", "destination_cluster"), cluster)
    places = ("namespace", "source_workload_namespace", "destination_workload_namespace")
    return [
        (metric, {**labels, **named, **dict.fromkeys(places, namespace)}, value)
        for namespace in namespaces
        for metric, labels, value in istio({}, pod, rate)
    ]


@pytest.mark.parametrize("others", [3, 9], ids=["several", "most namespaces"])
async def test_istio_names_the_cluster_by_labels_of_its_own(serve: Serve, others: int) -> None:
    """One namespace here, 3 or 9 of another cluster: before, theirs counted, 50 a second each."""
    theirs = of_istio("prod", THERE, ["shop", *(f"b{number}" for number in range(1, others))], 50.0)
    prometheus = serve([*of_istio("edge", HERE, ["shop"], 1.0), *theirs])

    assert await requests_of(prometheus, "istio", [here({}, 1)]) == pytest.approx(1.0)


async def test_pods_of_other_namespaces_are_not_watched(serve: Serve) -> None:
    """With PROFILING_NAMESPACE=shop, the Pods in four more namespaces are unknown, and don't count."""
    more = [
        (metric, {**labels, "namespace": f"a{number}"}, rate)
        for number in range(4)
        for metric, labels, rate in linkerd({}, HERE, 1.0)
    ]
    prometheus = serve([*linkerd({}, HERE, 1.0), *more, *linkerd({"cluster": "west"}, THERE, 50.0)])

    found = await requests_of(prometheus, "linkerd", [here({}, 1)], Scope(("shop",)))
    assert found == pytest.approx(5.0)


async def test_a_label_that_linkerd_copies_from_pods(serve: Serve) -> None:
    """Two Pods of `web` have labels `cluster` of their own, a third has none: 1 + 2 + 3 requests a second."""
    pods = ["web-6b6f9d7d5c-2x8qz", "web-6b6f9d7d5c-4hj7k", "web-6b6f9d7d5c-9zzkk"]
    copies = zip(pods, [1.0, 2.0, 3.0], [{}, {"cluster": "pg-1"}, {"cluster": "pg-2"}], strict=True)
    prometheus = serve([each for pod, rate, own in copies for each in linkerd({}, pod, rate, own)])

    parts = [here({}, 1, pod) for pod in pods]
    assert await requests_of(prometheus, "linkerd", parts) == pytest.approx(6.0)


async def test_a_foreign_mesh_beside_containers(serve: Serve) -> None:
    """Only the other cluster has a mesh: the containers in the same server show that it is foreign."""
    ours, theirs = here({"cluster": "east"}, 2), there({"cluster": "west"}, 2)
    prometheus = serve([*ours.usage(), *theirs.usage(), *linkerd({"cluster": "west"}, THERE, 50.0)])

    opened = PrometheusSource(
        prometheus.url, scope=Scope(), network_providers=("linkerd",), knows_pod=pods_of(ours)
    )
    async with opened as source:
        await usage(source.container_samples(Resource.CPU, HALF_HOUR))
        samples = await only(source.connection_samples(HALF_HOUR))
    assert samples.edges == ()


async def test_status_and_a_metric_name_the_recognized_cluster(serve: Serve) -> None:
    """What Pods decide is never silent: a cycle reports it."""
    ours, theirs = here({"cluster": "prod"}, 3), there({"cluster": "edge"}, 3)
    prometheus = serve([*ours.usage(), *theirs.usage()])
    sink, registry = RecordingSink(), CollectorRegistry()
    ports = ClusterPorts(FixedSnapshot(ClusterSnapshot()), InMemoryProfiles("profiling"), sink)

    async with PrometheusSource(prometheus.url, scope=Scope(), knows_pod=pods_of(ours)) as source:
        cycle = ProfilingCycle(source, ports, CyclePolicy(EstimationPolicy(), 1, timeslots=4), lambda _: True)
        now = datetime.fromtimestamp(END + 61, UTC)
        CycleMetrics(registry).count_finished(await cycle.run_once(now), now)

    recognized = "containers: cluster=prod of edge, prod"
    assert sink.reports[-1]["recognizedClusters"] == [recognized]
    assert registry.get_sample_value("job_profiler_recognized_cluster", {"cluster": recognized}) == 1
