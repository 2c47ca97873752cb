"""Pods and Deployments from metadata, page by page."""

from typing import Any

import pytest

from app.domain.pods import PodRecord
from app.domain.workloads import Workload
from app.kubernetes.client import ClusterClient
from app.kubernetes.workloads import PodReader, Workloads
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses

PODS = "/api/v1/pods"


def pod(name: str, *owners: dict[str, Any], namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    """A Pod's metadata as the API server sends it."""
    base = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-03-01T12:00:00Z",
    }
    return {"metadata": base | {"ownerReferences": list(owners), "managedFields": [{"big": 1}]} | metadata}


def owner(kind: str, name: str, *, controller: bool = True) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": controller}


async def test_a_pod_belongs_to_its_controller(server: FakeApiServer, client: ClusterClient) -> None:
    """The owner with `controller: true` counts, a ReplicaSet is seen through, a lone Pod has no workload."""
    web = pod(
        "web-5f5b555dff-fcg7c",
        owner("ReplicaSet", "web-5f5b555dff"),
        labels={"pod-template-hash": "5f5b555dff"},
    )
    database = pod("db-0", owner("Thing", "other", controller=False), owner("StatefulSet", "db"))
    server.on("GET", PODS, listed(web, database, pod("lone")))

    records = await Workloads(client).pods()

    assert [(record.name, record.workload) for record in records] == [
        ("web-5f5b555dff-fcg7c", Workload("shop", "web")),
        ("db-0", Workload("shop", "db", "StatefulSet")),
        ("lone", None),
    ]
    assert "PartialObjectMetadataList" in server.requests[0].headers["Accept"]


async def test_only_our_annotations_are_kept(server: FakeApiServer, client: ClusterClient) -> None:
    """Of a Pod's annotations those remain that the profiler owns, and Pods with equal ones share one map."""
    annotations = {"liqo.io/cpuProfile": "cpuprofile-1", "liqo.io/connectionProfile0": "connprofile-1"}
    noise = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "liqo.io/other": "x"}
    pods = [
        pod(f"web-{index}", owner("StatefulSet", "web"), annotations=annotations | noise)
        for index in range(2)
    ]
    server.on("GET", PODS, listed(*pods))

    first, second = await Workloads(client).pods()

    assert first == PodRecord(
        "shop",
        "web-0",
        uid="uid-web-0",
        created_at="2026-03-01T12:00:00Z",
        workload=Workload("shop", "web", "StatefulSet"),
        annotations=annotations,
        # kubectl.kubernetes.io/last-applied-configuration 48 + 2 bytes, liqo.io/other 13 + 1.
        foreign_bytes=64,
    )
    assert first.annotations is second.annotations
    assert first.workload is second.workload


@pytest.mark.parametrize(
    ("metadata", "exempt"),
    [
        pytest.param({"labels": {"job-profiler.liqo.io/ignore": "true"}}, True, id="opted-out"),
        pytest.param({"labels": {"job-profiler.liqo.io/ignore": "false"}}, False, id="not-opted-out"),
        pytest.param({"annotations": {"kubernetes.io/config.mirror": "0123"}}, True, id="mirror"),
        pytest.param({}, False, id="plain"),
    ],
)
def test_pods_that_are_never_changed_are_told_apart(metadata: dict[str, Any], *, exempt: bool) -> None:
    """One that opted out, and one that mirrors a file on a node; as a watch tells them."""
    record = PodReader().read(pod("web-0", owner("StatefulSet", "web"), **metadata))

    assert record.is_exempt is exempt


def test_what_pods_share_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the shared values are let go: later Pods are right, and share among themselves."""
    monkeypatch.setattr("app.kubernetes.workloads._MOST_SHARED", 3)
    reader = PodReader()
    names = ("a", "b", "c", "c")

    records = [reader.read(pod(f"{name}-0", owner("StatefulSet", name))) for name in names]

    assert [str(record.workload) for record in records] == [f"StatefulSet/shop/{name}" for name in names]
    assert records[2].workload is records[3].workload


async def test_only_the_given_namespaces_are_read(server: FakeApiServer, client: ClusterClient) -> None:
    """With two namespaces there is one list for each, and none of the whole cluster."""
    for namespace in ("shop", "bank"):
        server.on("GET", f"/api/v1/namespaces/{namespace}/pods", listed(pod("web", namespace=namespace)))

    records = await Workloads(client, ["shop", "bank"]).pods()

    assert [record.namespace for record in records] == ["shop", "bank"]
    assert PODS not in {request.path for request in server.requests}


async def test_a_list_that_begins_anew_names_no_pod_twice(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """After an expired continuation the Pods of the first try are dropped."""
    server.on("GET", PODS, listed(pod("a"), continuation="rest"), refuses(410), listed(pod("a"), pod("b")))

    assert [record.name for record in await Workloads(client).pods()] == ["a", "b"]


async def test_lasting_workloads(server: FakeApiServer, client: ClusterClient) -> None:
    """Deployments, StatefulSets and DaemonSets are read over all pages, as workloads."""
    server.on("GET", "/apis/apps/v1/deployments", listed(pod("web"), continuation="rest"), listed(pod("db")))
    server.on("GET", "/apis/apps/v1/statefulsets", listed(pod("db")))
    server.on("GET", "/apis/apps/v1/daemonsets", listed(pod("agent")))

    assert await Workloads(client).lasting() == [
        Workload("shop", "web"),
        Workload("shop", "db"),
        Workload("shop", "db", "StatefulSet"),
        Workload("shop", "agent", "DaemonSet"),
    ]


async def test_jobs_of_cron_jobs(server: FakeApiServer, client: ClusterClient) -> None:
    """A Job that a CronJob controls is its run; one without a controller is nobody's."""
    run = pod("report-28394810")
    run["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "report", "controller": True}]
    server.on("GET", "/apis/batch/v1/jobs", listed(run, pod("report-28394811")))

    assert await Workloads(client).cron_jobs() == {
        Workload("shop", "report-28394810", "Job"): Workload("shop", "report", "CronJob")
    }
