"""One of several listed namespaces is deleted, on a real API server, with the rights of Roles only."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.workloads import Workload
from app.errors import ForbiddenError
from app.kubernetes.client import ClusterClient, open_cluster
from app.rightsizing.constraints import Constraints
from app.runtime.watches.constraints import constraint_watches
from app.runtime.watches.faults import TermWatches, watch_faults
from app.runtime.watches.namespace_metadata import NamespaceMetadataWatches
from app.runtime.watches.namespaces import NamespaceWatches
from app.runtime.watches.pods import PodWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import Settings, read_settings
from app.webhook.constraint_index import ConstraintIndex
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.open_connections import cut_connections
from tests.e2e.workloads import deployment
from tests.kubernetes.polling import until

pytestmark = pytest.mark.cluster

HOME, KEPT, DELETED = "faults-home", "faults-kept", "faults-deleted"
ACCOUNT = "reader"
SETTINGS = read_settings({"profiling_namespace": f"{KEPT},{DELETED}"})
READ = ["list", "watch"]
Manifest = dict[str, Any]


def rights_in(namespace: str) -> list[Manifest]:
    """A Role with the rights of the chart in *namespace*, and its binding: both go with the namespace."""
    rules: list[Manifest] = [
        {"apiGroups": [""], "resources": ["pods", "limitranges", "resourcequotas"], "verbs": READ},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": READ},
        {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": READ},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": READ},
    ]
    return _bound("Role", {"name": ACCOUNT, "namespace": namespace}, rules)


def _bound(kind: str, metadata: dict[str, str], rules: list[Manifest]) -> list[Manifest]:
    group = "rbac.authorization.k8s.io"
    binding: Manifest = {
        "apiVersion": f"{group}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": kind, "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}],
    }
    return [{"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rules}, binding]


@pytest.fixture
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Two namespaces with a Deployment each; one is deleted again, and the Role in it with it."""
    account: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount"}
    named: Manifest = {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "resourceNames": [KEPT, DELETED],
        "verbs": READ,
    }
    for name in (HOME, KEPT, DELETED):
        kubectl.create_namespace(name)
    kubectl.apply({**account, "metadata": {"name": ACCOUNT, "namespace": HOME}})
    kubectl.apply(*_bound("ClusterRole", {"name": f"{HOME}-{ACCOUNT}"}, [named]))
    for name in (KEPT, DELETED):
        kubectl.apply(*rights_in(name), deployment("web", name))
    kubectl.run("delete", "namespace", DELETED)
    yield
    kubectl.delete_namespaces(HOME, KEPT)
    kubectl.run("delete", "clusterrole,clusterrolebinding", f"{HOME}-{ACCOUNT}")


@pytest.fixture
async def client(control_plane: ControlPlane, namespaces: None) -> AsyncIterator[ClusterClient]:
    """A client with the account's token."""
    async with open_cluster(str(control_plane.kubeconfig_of(ACCOUNT, HOME))) as opened:
        with pytest.raises(ForbiddenError):
            await opened.get(f"/api/v1/namespaces/{DELETED}/pods")
        yield opened
    await cut_connections()


@asynccontextmanager
async def running(
    *watches: PodWatches | WorkloadWatches | NamespaceWatches | NamespaceMetadataWatches,
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in watches]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_other_namespace_is_profiled(client: ClusterClient, kubectl: Kubectl) -> None:
    """A leader that starts after the deletion has a snapshot of the other one, and names each failing watch.

    When the namespace and its Role are back, it is listed without another restart.
    """
    settings: Settings = SETTINGS
    namespaces = NamespaceWatches(client, settings)
    pods = PodWatches(client, settings.profiling_namespace)
    metadata = NamespaceMetadataWatches(client, settings.profiling_namespace)
    workloads = WorkloadWatches(client, settings.profiling_namespace, pods, metadata)
    watched = (pods, workloads, namespaces, metadata)
    cluster = TermWatches(
        lambda: [reflector for each in watched for reflector in each.reflectors],
        [*pods.reflectors, *namespaces.reflectors],
    )
    async with running(*watched):
        await namespaces.scope.until_settled()
        snapshot = await workloads.snapshot()
        assert snapshot.workloads == (Workload(KEPT, "web"),)
        assert {namespace for namespace, _ in snapshot.pods} <= {KEPT}
        await until(lambda: len(cluster.faults()) == 6, within_seconds=30)
        kinds = ("pods", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs")
        assert cluster.faults().keys() == {f"watch of {kind} of namespace {DELETED}" for kind in kinds}
        assert all("403 Forbidden" in reason for reason in cluster.faults().values())
        assert cluster.unlisted_namespaces().keys() == {DELETED}
        assert pods.have_settled()

        await asyncio.to_thread(kubectl.create_namespace, DELETED)
        await asyncio.to_thread(kubectl.apply, *rights_in(DELETED), deployment("web", DELETED))
        await until(lambda: not cluster.faults() and not cluster.unlisted_namespaces(), within_seconds=60)
        assert set((await workloads.snapshot()).workloads) == {
            Workload(name, "web") for name in (KEPT, DELETED)
        }
    await asyncio.to_thread(kubectl.delete_namespaces, DELETED)


async def test_the_webhook_sizes_pods_of_the_other_namespace(client: ClusterClient) -> None:
    """Every watch of constraints settles, and the constraints of the namespace that exists are known."""
    index = ConstraintIndex((KEPT, DELETED))
    watches = constraint_watches(client, index)
    tasks = [asyncio.create_task(watch.run()) for watch in watches.values()]
    await until(lambda: all(watch.has_settled for watch in watches.values()), within_seconds=30)

    assert index.of(Workload(KEPT, "web")) == Constraints()
    assert index.of(Workload(DELETED, "web")) is None
    failing = ("limitranges", "resourcequotas", "horizontalpodautoscalers")
    assert watch_faults(watches.values()).keys() == {
        f"watch of {kind} of namespace {DELETED}" for kind in failing
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
