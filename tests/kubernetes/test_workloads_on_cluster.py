"""Records of Pods and workloads that real controllers created."""

import asyncio
import time

import pytest

from app.domain.workloads import Workload
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import PodAnnotationWriter, running_pods
from app.kubernetes.reflector import Reflector
from app.kubernetes.workloads import PodDecoder, WorkloadClient
from app.profiler.registries.pods import PodRegistry, PodSink
from tests.cluster.api_account import STRATEGIC_PATCH, ApiAccount
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.versions import require_minor
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import running

pytestmark = pytest.mark.cluster


async def test_pods_of_a_deployment_and_a_stateful_set(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The owners of the Pods are the Deployment and the StatefulSet."""
    kubectl.run("create", "deployment", "web", "--image=web", "--replicas=2", f"--namespace={namespace}")
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db", "image": "db"}]}}
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": namespace},
            "spec": {"serviceName": "db", "selector": {"matchLabels": labels}, "template": template},
        }
    )
    workloads = WorkloadClient(cluster, [namespace])

    async with asyncio.timeout(60):
        while len(await workloads.pods()) < 3:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.2)

    owners = sorted(str(record.workload) for record in await workloads.pods())
    assert owners == [f"StatefulSet/{namespace}/db", *2 * [f"{namespace}/web"]]
    records = await workloads.records()
    assert [record.workload for record in records] == [
        Workload(namespace, "web"),
        Workload(namespace, "db", "StatefulSet"),
    ]
    web = kubectl.json("get", "deployment", "web", f"--namespace={namespace}")
    assert records[0].uid == web["metadata"]["uid"]
    everywhere = await WorkloadClient(cluster).pods()
    assert {record.namespace for record in everywhere} >= {namespace}


async def test_pods_are_watched_until_they_terminate(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The watch transfers metadata only; a Pod that succeeds is reported as deleted."""
    registry = PodRegistry(time.monotonic)
    sink, decode = PodSink(registry, namespace), PodDecoder().decode
    kubectl.run("create", "deployment", "web", "--image=web", "--replicas=2", f"--namespace={namespace}")

    async with running(Reflector(cluster, running_pods(namespace), sink, transform=decode)):
        await until(lambda: len(registry) == 2, within_seconds=60)
        terminated, running_pod = registry
        assert {terminated.workload, running_pod.workload} == {Workload(namespace, "web")}
        await PodAnnotationWriter(cluster).annotate(running_pod, {"liqo.io/cpuProfile": "one"})
        await until(lambda: {"liqo.io/cpuProfile": "one"} in [pod.annotations for pod in registry])
        path = f"{paths.pod(namespace, terminated.name)}/status"
        await cluster.patch(path, {"status": {"phase": "Succeeded"}})
        await until(lambda: terminated.name not in [pod.name for pod in registry])

    assert registry.owners()[namespace, terminated.name] == Workload(namespace, "web")


async def test_a_debugged_pod_names_its_ephemeral_containers(
    cluster: ClusterClient, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """The metadata of a Pod after a write through its subresource `ephemeralcontainers`."""
    require_minor(control_plane, 25, "ephemeral containers")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "debugged", "namespace": namespace},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    }
    kubectl.apply(pod)
    debugger = {"name": "debugger-x7k2p", "image": "busybox:1", "targetContainerName": "app"}
    path = f"/api/v1/namespaces/{namespace}/pods/debugged/ephemeralcontainers"
    answer = ApiAccount(control_plane).patch(
        path, {"spec": {"ephemeralContainers": [debugger]}}, STRATEGIC_PATCH
    )
    assert not answer.is_refused, answer

    [record] = await WorkloadClient(cluster, [namespace]).pods()

    assert record.ephemeral_containers == ("debugger-x7k2p",)
