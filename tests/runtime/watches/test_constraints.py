"""Five watches of constraints: lists, changes, and the last state while watches fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.kubernetes.client import ClusterClient
from app.rightsizing.constraints import Constraints, LimitRangeRule, Quota
from app.rightsizing.governors import Governor, GovernorKind, governance_of
from app.runtime.watches.constraints import constraint_reader, constraint_watches
from app.vpa.governing import read_vertical
from app.webhook.constraint_index import ConstraintIndex
from tests.kubernetes.fake_api_server import FakeApiServer, bookmark, listed, refuses
from tests.kubernetes.polling import until

NAMESPACES, LIMIT_RANGES = "/api/v1/namespaces", "/api/v1/limitranges"
QUOTAS, AUTOSCALERS = "/api/v1/resourcequotas", "/apis/autoscaling/v1/horizontalpodautoscalers"
VERTICAL = "/apis/autoscaling.k8s.io/v1/verticalpodautoscalers"
PATHS = (NAMESPACES, LIMIT_RANGES, QUOTAS, AUTOSCALERS)
WEB = Workload("shop", "web")


def named(name: str, namespace: str | None = "shop", **fields: Any) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "resourceVersion": "11", **place}, **fields}


def namespace(name: str, scheduling: str) -> dict[str, Any]:
    manifest = named(name, None)
    manifest["metadata"]["labels"] = {"job-profiler.liqo.io/scheduling": scheduling}
    return manifest


LIMIT_RANGE = named("r", spec={"limits": [{"type": "Container", "max": {"cpu": "500m"}}]})
RULE = LimitRangeRule("Container", {}, {Resource.CPU: Decimal("0.5")}, {})
QUOTA = named("q", spec={"hard": {"limits.memory": "1Gi"}}, status={"hard": {"limits.memory": "1Gi"}})
COUNTED = Quota(frozenset(), frozenset({Resource.MEMORY}), has_best_effort_scope=False)
AUTOSCALER = named(
    "h",
    spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "targetCPUUtilizationPercentage": 80},
)


def vertical(memory: str = "1Gi", mode: str = "Auto") -> dict[str, Any]:
    """A VPA that recommends the memory of one container."""
    recommended = [{"containerName": "app", "target": {"memory": memory}}]
    return named(
        "v",
        spec={"targetRef": {"kind": "Deployment", "name": "web"}, "updatePolicy": {"updateMode": mode}},
        status={"recommendation": {"containerRecommendations": recommended}},
    )


GOVERNORS = (
    Governor(GovernorKind.HORIZONTAL, WEB, frozenset({Resource.CPU})),
    Governor(GovernorKind.VERTICAL, WEB, containers=(("app", frozenset({Resource.MEMORY})),)),
)
GOVERNANCE = governance_of(GOVERNORS)
WITHOUT_VERTICAL = governance_of(GOVERNORS[:1])


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """A cluster with one object of each kind; its watches have no changes."""
    objects = (namespace("shop", "true"), LIMIT_RANGE, QUOTA, AUTOSCALER)
    async with FakeApiServer() as running:
        for path, manifest in zip(PATHS, objects, strict=True):
            running.on("GET", path, listed(manifest))
            running.on("WATCH", path, running.streams(bookmark("11"), then_hangs=True))
        running.on("GET", VERTICAL, listed(vertical()))
        running.on("WATCH", VERTICAL, running.streams(bookmark("11"), then_hangs=True))
        yield running


@asynccontextmanager
async def watched(
    patient_client: ClusterClient, scope: tuple[str, ...] = ()
) -> AsyncIterator[ConstraintIndex]:
    index = ConstraintIndex(scope)
    tasks = [asyncio.create_task(watch.run()) for watch in constraint_watches(patient_client, index).values()]
    try:
        yield index
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def in_namespace(path: str, name: str) -> str:
    return path.replace("/v1/", f"/v1/namespaces/{name}/")


def serve_namespaces(server: FakeApiServer, *names: str) -> None:
    """Each kind in each namespace; `shop` has a LimitRange."""
    for name in names:
        for path in PATHS[1:]:
            limit_ranges = [LIMIT_RANGE] if (path, name) == (LIMIT_RANGES, "shop") else []
            server.on("GET", in_namespace(path, name), listed(*limit_ranges))
            server.on("WATCH", in_namespace(path, name), server.streams(bookmark("11"), then_hangs=True))


async def test_listed_objects_are_in_the_index(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """One object of each kind, as a rule; of Namespaces only the metadata is requested."""
    async with watched(patient_client) as index:
        await until(lambda: index.is_synced)

        assert index.of(WEB) == Constraints((RULE,), (COUNTED,), GOVERNANCE)
        assert index.is_scheduling_enabled("shop")
    [listing] = [request for request in server.received("GET") if request.path == NAMESPACES]
    assert "PartialObjectMetadataList" in listing.headers["Accept"]


async def test_changes_are_in_the_index(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A namespace disables scheduling, a LimitRange is deleted, a second autoscaler uses memory."""
    metrics = '[{"type": "Resource", "resource": {"name": "memory"}}]'
    second = named("h2", spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}})
    second["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": metrics}
    changes = {
        NAMESPACES: {"type": "MODIFIED", "object": namespace("shop", "false")},
        LIMIT_RANGES: {"type": "DELETED", "object": LIMIT_RANGE},
        AUTOSCALERS: {"type": "ADDED", "object": second},
    }
    for path, change in changes.items():
        server.on("WATCH", path, server.streams(change, then_hangs=True))
    async with watched(patient_client) as index:
        governors = (*GOVERNORS, Governor(GovernorKind.HORIZONTAL, WEB, frozenset({Resource.MEMORY})))
        changed = Constraints((), (COUNTED,), governance_of(governors))
        await until(lambda: index.of(WEB) == changed)
        await until(lambda: not index.is_scheduling_enabled("shop"))


@pytest.mark.parametrize("missing", PATHS)
async def test_without_the_right_to_one_kind_nothing_is_known(
    server: FakeApiServer,
    patient_client: ClusterClient,
    missing: str,
) -> None:
    """Three lists of four are not enough, and the 403 ends no task."""
    server.on("GET", missing, refuses(403, "forbidden"))
    async with watched(patient_client) as index:
        await server.wait_for("WATCH", 3)
        await until(lambda: any(request.path == missing for request in server.received("GET")))

        assert (index.is_synced, index.of(WEB)) == (False, None)


@pytest.mark.parametrize("status", [403, 404])
async def test_vertical_autoscalers_may_be_missing(
    server: FakeApiServer, patient_client: ClusterClient, status: int
) -> None:
    """Without the CRD, or without the right to it: no fault, and Pods are sized as if there were none.

    Once they can be listed, they count.
    """
    server.on("GET", VERTICAL, refuses(status, "no"), listed(vertical()), refuses(status, "no"))
    index = ConstraintIndex()
    watches = constraint_watches(patient_client, index)
    tasks = [asyncio.create_task(watch.run()) for watch in watches.values()]

    await until(lambda: index.of(WEB) == Constraints((RULE,), (COUNTED,), WITHOUT_VERTICAL))
    assert [watch.fault for watch in watches.values()] == [None] * 5
    await until(lambda: index.of(WEB) == Constraints((RULE,), (COUNTED,), GOVERNANCE))

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_recommendation_that_only_moves_changes_nothing(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """Targets move each minute: what the index has prepared for the namespace stays."""
    read = constraint_reader(read_vertical)
    async with watched(patient_client) as index:
        await until(lambda: index.is_synced)
        before = index.of(WEB)
        index.vertical_autoscalers.upsert(read(vertical("2Gi")))
        kept = index.of(WEB)
        index.vertical_autoscalers.upsert(read(vertical(mode="Off")))
        changed = index.of(WEB)

    assert before
    assert kept
    assert kept.governance is before.governance
    assert changed == Constraints((RULE,), (COUNTED,), WITHOUT_VERTICAL)


@pytest.mark.parametrize("missing", PATHS[1:])
async def test_a_refused_watch_costs_only_its_namespace(
    server: FakeApiServer, patient_client: ClusterClient, missing: str
) -> None:
    """One kind is forbidden in `bank`: the constraints of `shop` are known, those of `bank` are not."""
    serve_namespaces(server, "shop", "bank")
    server.on("GET", in_namespace(missing, "bank"), refuses(403, "forbidden"))
    async with watched(patient_client, ("shop", "bank")) as index:
        await until(lambda: index.of(WEB) == Constraints((RULE,)))

        assert (index.is_synced, index.of(Workload("bank", "web"))) == (False, None)


async def test_constraints_that_may_have_changed_are_forgotten(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The right is taken away after the first list: a limit that changed since would refuse a sized Pod."""
    server.on("GET", LIMIT_RANGES, listed(LIMIT_RANGE), refuses(403, "forbidden"))
    server.on("WATCH", LIMIT_RANGES, refuses(403, "forbidden"))
    async with watched(patient_client) as index:
        await until(lambda: [request.path for request in server.received("GET")].count(LIMIT_RANGES) >= 2)

        assert index.of(WEB) is None


async def test_a_watch_that_fails_keeps_its_last_state(
    server: FakeApiServer,
    patient_client: ClusterClient,
) -> None:
    """After the first list the API server returns only errors: the rule stays in force."""
    server.on("GET", LIMIT_RANGES, listed(LIMIT_RANGE), refuses(500, "etcd is ill"))
    server.on("WATCH", LIMIT_RANGES, refuses(410, "too old"))
    async with watched(patient_client) as index:
        await until(lambda: index.is_synced)
        await until(lambda: [request.path for request in server.received("GET")].count(LIMIT_RANGES) >= 2)

        assert index.of(WEB) == Constraints((RULE,), (COUNTED,), GOVERNANCE)


async def test_listed_namespaces_are_watched_apart(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """As RBAC allows: each by its own path, a Namespace by its name; the index waits for both lists."""
    serve_namespaces(server, "shop", "bank")
    async with watched(patient_client, ("shop", "bank")) as index:
        await until(lambda: index.is_synced)

        assert index.of(WEB) == Constraints((RULE,))
        assert index.of(Workload("bank", "web")) == Constraints()
    lists = {(request.path, request.query.get("fieldSelector")) for request in server.received("GET")}
    assert {(NAMESPACES, "metadata.name=shop"), (NAMESPACES, "metadata.name=bank")} <= lists
    assert lists.isdisjoint({(path, None) for path in PATHS})
