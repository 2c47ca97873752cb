"""A shop: its stored profiles, and the pages of kube-state-metrics, the kubelet and the API server.

| workload | Pods | needs | requests | uses |
|---|---|---|---|---|
| web, a Deployment | 2 | app 0.2, proxy 0.05 cores | app 500m | app 0.1 and 0.2, proxy 0.02 and 0.04 cores |
| db, a StatefulSet | 1 | 1 core | nothing | 0.8 cores |
| nightly, a CronJob | 1 | 0.3 cores | 1 core | 0.25 cores |
| old, a DeploymentConfig | 1 | 0.2 cores | 200m | 0.1 cores |
| young, a Deployment | 1 | has no profile | | 0.9 cores |

In memory each has as many times 100 MB. Both web and nightly call db. Of the connection from db to web only
the bytes of one direction are measured.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.profiles import ConnectionProfile, Resource
from app.domain.workloads import Connection, Workload
from tests.cluster.exposed_metrics import line
from tests.profiler.stored_workloads import BASIS, stored, stored_workload

BYTES_PER_CORE = 100e6
NAMESPACE = "shop"
WEB, DB, NIGHTLY, OLD = (
    Workload(NAMESPACE, name, kind)
    for name, kind in (
        ("web", "Deployment"),
        ("db", "StatefulSet"),
        ("nightly", "CronJob"),
        ("old", "DeploymentConfig"),
    )
)


@dataclass(frozen=True)
class ShopPod:
    """A Pod, the object that controls it, and the cores that its containers use."""

    name: str
    owner: tuple[str, str]
    cores: Mapping[str, float]


PODS = (
    ShopPod("web-6b6f9d7d5c-2x8qz", ("ReplicaSet", "web-6b6f9d7d5c"), {"app": 0.1, "proxy": 0.02}),
    ShopPod("web-6b6f9d7d5c-vhm4j", ("ReplicaSet", "web-6b6f9d7d5c"), {"app": 0.2, "proxy": 0.04}),
    ShopPod("db-0", ("StatefulSet", "db"), {"db": 0.8}),
    ShopPod("nightly-28394810-k7x2m", ("Job", "nightly-28394810"), {"job": 0.25}),
    ShopPod("old-3-9wq4t", ("ReplicationController", "old-3"), {"app": 0.1}),
    ShopPod("young-7d4b9c6f8-6b6f9", ("ReplicaSet", "young-7d4b9c6f8"), {"app": 0.9}),
)
_CONTROLLERS = {
    "replicaset": {"web-6b6f9d7d5c": ("Deployment", "web"), "young-7d4b9c6f8": ("Deployment", "young")},
    "job": {"nightly-28394810": ("CronJob", "nightly")},
    "replicationcontroller": {"old-3": ("DeploymentConfig", "old")},
}
_SIZES: tuple[tuple[Workload, Mapping[str, float], Mapping[str, float], int | None], ...] = (
    (WEB, {"app": 0.2, "proxy": 0.05}, {"app": 0.5}, 2),
    (DB, {"db": 1.0}, {}, 1),
    (NIGHTLY, {"job": 0.3}, {"job": 1.0}, None),
    (OLD, {"app": 0.2}, {"app": 0.2}, 1),
)


def profiles() -> Iterator[dict[str, Any]]:
    """The stored profiles."""
    for workload, needs, requests, replicas in _SIZES:
        for resource, factor in ((Resource.CPU, 1.0), (Resource.MEMORY, BYTES_PER_CORE)):
            yield stored_workload(
                workload,
                resource,
                {name: need * factor for name, need in needs.items()},
                {name: f"{request * factor:.3f}" for name, request in requests.items()},
                replicas,
            )
    for edge, messages, sent, received in (
        (Connection(WEB, DB), "120.00", "1000", "2000"),
        (Connection(NIGHTLY, DB), "0.00", "5000000", "2000"),
        (Connection(DB, WEB), "0.00", "700", None),
    ):
        half = f"{float(messages) / 2:.2f}"
        yield stored(ConnectionProfile(edge, messages, half, half, BASIS, sent, received))


def state_page(_seconds: float) -> str:
    """The page of kube-state-metrics, with the labels of its version 2."""
    text = ""
    for pod in PODS:
        names = {"namespace": NAMESPACE, "pod": pod.name, "uid": f"uid-of-{pod.name}"}
        text += line("kube_pod_owner", names | _owner(*pod.owner), 1)
    for kind, owners in _CONTROLLERS.items():
        for name, owner in owners.items():
            label = "job_name" if kind == "job" else kind
            text += line(f"kube_{kind}_owner", {"namespace": NAMESPACE, label: name} | _owner(*owner), 1)
    return text


def _owner(kind: str, name: str) -> dict[str, str]:
    return {"owner_kind": kind, "owner_name": name, "owner_is_controller": "true"}


def usage_page(seconds: float) -> str:
    """The page of a kubelet's cAdvisor, with the series of whole Pods and of their pause containers.

    A pause container uses hardly anything; here it uses so much that a sum with it would be seen.
    """
    text = ""
    for pod in PODS:
        of_pod = {"": sum(pod.cores.values()), "POD": 0.5}
        for container, cores in {**of_pod, **pod.cores}.items():
            labels = {"namespace": NAMESPACE, "pod": pod.name, "container": container, "image": "registry"}
            text += line("container_cpu_usage_seconds_total", labels | {"cpu": "total"}, cores * seconds)
            text += line("container_memory_working_set_bytes", labels, cores * BYTES_PER_CORE)
    return text


def api_server_page(seconds: float) -> str:
    """The page of an API server that calls the webhook."""
    labels = {"name": "pods.job-profiler.liqo.io", "type": "admit"}
    duration = "apiserver_admission_webhook_admission_duration_seconds"
    buckets = (("0.005", 0.9), ("+Inf", 1.0))
    return line("apiserver_admission_webhook_fail_open_count", labels, seconds) + "".join(
        line(f"{duration}_bucket", labels | {"operation": "CREATE", "le": bound}, share * seconds)
        for bound, share in buckets
    )
