"""Connections of Linkerd and Istio, from a separate Prometheus to the annotations of a Pod."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of, stateful_set
from tests.histories.shop import BOTH, ISTIO, LINKERD, write_shop

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

SHOP, STORAGE, RELEASE_NAMESPACE = "shop", "storage", "profiling-meshes"
AHEAD_SECONDS, PAST_SECONDS = 3600, 3 * 3600


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    prometheus_factory: PrometheusFactory,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with an empty Prometheus for usage and another one with mesh metrics only."""
    path = work_directory / "shop.openmetrics"
    # Aligned to steps, so that no step is partly covered.
    end = int(time.time()) // 300 * 300 + AHEAD_SECONDS
    write_shop(path, end=end, seconds=AHEAD_SECONDS + PAST_SECONDS)
    usage, meshes = prometheus_factory(None), prometheus_factory(path)
    for namespace in (SHOP, STORAGE):
        kubectl.create_namespace(namespace)
    for workload in workloads():
        kubectl.apply(workload)
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(usage.url, {"prometheus": {"connectionsUrl": meshes.url}})):
        wait_until(lambda: len(installed.profiles()) >= len(BOTH), 60, "the profiles")
        yield installed
    kubectl.delete_namespaces(SHOP, STORAGE)


def workloads() -> Iterator[dict[str, Any]]:
    """The ends of all edges but the CronJob, without Pods: other ends that do not exist are left out."""
    # Istio's metrics do not name the kind of a StatefulSet.
    yield stateful_set("db", STORAGE, replicas=0)
    yield stateful_set("queue", SHOP, replicas=0)
    for name in ("web", "cart", "payment", "batch", "ambient"):
        stopped = deployment(name, SHOP)
        stopped["spec"]["replicas"] = 0
        yield stopped


def rates(profile: dict[str, Any]) -> tuple[float, ...]:
    status = profile["status"]
    names = ("requestsPerMinute", "responsesPerMinute", "requestBytesPerSecond", "responseBytesPerSecond")
    return tuple(float(status[name]) for name in names)


@pytest.mark.parametrize("edge", sorted(LINKERD.keys() | ISTIO.keys()))
def test_each_edge_has_a_profile(release: Release, edge: str) -> None:
    """Requests, responses and bytes both ways equal the histories; the value is requests + responses."""
    profile = release.connections()[edge]

    requests, responses, *_ = BOTH[edge]
    assert rates(profile) == BOTH[edge]
    assert profile["spec"]["bandwidth_requirement"] == f"{requests + responses:.2f}"


def test_nothing_else_has_a_profile(release: Release) -> None:
    """No edge is counted twice or has an unidentified endpoint; without usage there are no other profiles."""
    assert release.connections().keys() == BOTH.keys()
    assert len(release.profiles()) == len(BOTH)


def test_a_pod_names_its_connections(release: Release) -> None:
    """`web` calls the database and is called by ambient: two profiles, in the order of their names."""
    release.kubectl.apply(deployment("web", SHOP))

    [pod] = pods_of(release.kubectl, "web", SHOP, 1)

    profiles_of_web = [release.connections()[edge] for edge in BOTH if "shop/web" in edge]
    names = sorted(profile["metadata"]["name"] for profile in profiles_of_web)
    assert our_annotations(pod) == {
        "liqo.io/connectionProfile0": names[0],
        "liqo.io/connectionProfile1": names[1],
    }
