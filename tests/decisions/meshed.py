"""Pods of a meshed namespace, the connections between them, and what surrounds it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.decisions.outside_traffic import Exposure, SourceHealth, Surroundings
from app.decisions.running_pods import PodObject, RunningPod, running_pod
from app.decisions.templates import workload_object
from app.decisions.unseen_peers import SeenEdge, unseen_peers
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from tests.decisions.manifests import Object, container, deployment

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HASH = "6b6f9d7d5c"


def pod(
    name: str,
    *,
    namespace: str = "shop",
    mesh: str = "linkerd",
    annotations: Mapping[str, str] = {},
    init: tuple[Object, ...] = (),
    container_fields: Mapping[str, Any] = {},
    **spec: Any,
) -> Object:
    """A Pod of the Deployment *name* as its injector leaves it; *mesh* is empty for one without a proxy."""
    labels = {"app": name, "pod-template-hash": HASH}
    containers = [container() | dict(container_fields)]
    if mesh == "linkerd":
        labels["linkerd.io/control-plane-ns"] = "linkerd"
        containers.append(container("linkerd-proxy"))
        redirect = container("linkerd-init", args=["--outbound-ports-to-ignore", "4567,4568"])
        init = (redirect, *init)
    if mesh == "istio":
        labels["security.istio.io/tlsMode"] = "istio"
        containers.append(container("istio-proxy"))
    owner = {"kind": "ReplicaSet", "name": f"{name}-{HASH}", "controller": True}
    return {
        "metadata": {
            "name": f"{name}-{HASH}-x2x2x",
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {"containers": containers, "initContainers": list(init), **spec},
        "status": {"phase": "Running"},
    }


def running(*pods: Object) -> list[RunningPod]:
    """The facts on them; each runs."""
    found = [running_pod(msgspec.convert(one, PodObject)) for one in pods]
    return [one for one in found if one]


def called(source: str, destination: str, **changes: Any) -> SeenEdge:
    """A connection that the client's proxy has reported for a day."""
    ends = [
        Workload(*name.split("/")) if "/" in name else Workload("shop", name)
        for name in (source, destination)
    ]
    return replace(SeenEdge(Connection(*ends), Reporters.SOURCE, 24.0, 1.0), **changes)


EDGES = (called("bot", "web"), called("web", "api"))
PODS = (pod("bot"), pod("web"), pod("api"))


def surroundings(*pods: Object, edges: tuple[SeenEdge, ...] = EDGES, **changes: Any) -> Surroundings:
    """Those of the namespace `shop` with *pods*, or three that are meshed, with a healthy source."""
    found = running(*(pods or PODS))
    health = changes.pop("health", SourceHealth(since=NOW - timedelta(days=2)))
    by_workload: dict[Workload, list[RunningPod]] = {}
    for one in found:
        by_workload.setdefault(one.workload, []).append(one)
    around = Surroundings(
        NOW,
        {workload: listed for workload, listed in by_workload.items() if workload.namespace == "shop"},
        [workload_object("Deployment", deployment(name, container())) for name in ("api", "bot", "web")],
        unseen_peers(
            found, edges, doubted=health.doubted, is_ignored=lambda one: one.namespace == "kube-system"
        ),
        Exposure(),
        health,
        {one.workload for one in found if one.is_on_host},
    )
    return replace(around, **changes)
