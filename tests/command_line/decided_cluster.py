"""A cluster with stored profiles and workloads, behind a fake API server."""

from pathlib import Path

from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.kubernetes import paths
from tests.decisions.manifests import Object, container, deployment, edge, need
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses

MIB = 1024**2
HISTORY = [
    {"time": "2026-03-01T12:00:00Z", "old": "0.050", "new": "0.026", "reason": "UsageFell"},
    {"time": "2026-02-27T12:00:00Z", "old": "0.040", "new": "0.050", "reason": "CPUThrottling"},
]
THREE = {"desired": 3, "ready": 3}
PROFILES: dict[ProfileKind, list[Object]] = {
    ProfileKind.CPU: [
        need("cpu", "web", "0.026", request="500m", replicas=THREE, history=HISTORY),
        need("cpu", "api", "1.500", request="1", replicas={"desired": 1}),
        need("cpu", "old", "0.100", namespace="attic", request="100m", replicas={"desired": 1}),
    ],
    ProfileKind.MEMORY: [
        need("memory", "web", str(347 * MIB), request="256Mi", replicas=THREE),
        need("memory", "api", str(1024 * MIB), request="4Gi", replicas={"desired": 1}),
    ],
    ProfileKind.CONNECTION: [
        edge(
            "web", "api", "60.00", protocol="http", requestBytesPerSecond="5120", responseBytesPerSecond="900"
        ),
        edge("bot", "web", "20.00", protocol="http"),
    ],
}
WORKLOADS = [
    deployment("web", container(requests={"cpu": "500m", "memory": "256Mi"}), replicas=3),
    deployment("api", container(requests={"cpu": "1", "memory": "4Gi"}), replicas=1),
]
HPA: Object = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
}
# The same in the version with all metrics, where the API server has filled in the default.
HPA_WITH_TARGET: Object = {
    "metadata": HPA["metadata"],
    "spec": HPA["spec"]
    | {
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ]
    },
}


def serve_cluster(server: FakeApiServer, namespace: str | None = None) -> FakeApiServer:
    """Lists for all namespaces, or those of *namespace*; there is no VPA, and no release."""
    serve_namespaces(server, "attic", "profiling", "shop")
    for kind, manifests in PROFILES.items():
        server.on("GET", paths.profiles(KINDS[kind].plural, "profiling"), listed(*manifests))
    server.on("GET", paths.deployments(None), listed(*WORKLOADS))
    server.on("GET", paths.deployments("profiling"), listed())
    server.on("GET", paths.deployments(namespace), listed(*WORKLOADS))
    for path_of in (paths.stateful_sets, paths.daemon_sets, paths.jobs, paths.cron_jobs):
        server.on("GET", path_of(namespace), listed())
    for path_of in (paths.limit_ranges, paths.resource_quotas):
        server.on("GET", path_of(namespace), listed())
    server.on("GET", paths.horizontal_pod_autoscalers(namespace), listed(HPA))
    server.on("GET", paths.scaling_targets("autoscaling/v2", namespace), listed(HPA_WITH_TARGET))
    return server


def serve_namespaces(server: FakeApiServer, *names: str) -> None:
    """These namespaces exist, and no others."""
    found: list[Object] = [{"metadata": {"name": name}} for name in names]
    server.on("GET", paths.namespaces(), listed(*found))
    for one in found:
        server.on("GET", paths.namespace(one["metadata"]["name"]), answers(one))


def refuse_workloads(cluster: FakeApiServer) -> None:
    """No kind of workload may be listed in the namespace `shop`, nor in all."""
    kinds = (paths.deployments, paths.stateful_sets, paths.daemon_sets, paths.jobs, paths.cron_jobs)
    for path_of in kinds:
        for namespace in ("shop", None):
            cluster.on("GET", path_of(namespace), refuses(403, "forbidden"))


def against(server: FakeApiServer, directory: Path, *arguments: object) -> list[object]:
    """The arguments of a command, with the kubeconfig of *server*."""
    return [*arguments, "--kubeconfig", server.kubeconfig(directory)]
