"""Check-points on a real API server, with no more rights than they need."""

import os
from collections.abc import AsyncIterator

import pytest

from app.errors import ConflictError
from app.kubernetes.checkpoint_maps import PREFIX, CheckpointMaps
from app.kubernetes.client import open_cluster
from app.profiler.checkpoints import MAX_BYTES
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

NAMESPACE = "k-checkpoints"
RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update", "delete"]}
]
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> str:
    """With an account that has just the rights of the rule, and the ConfigMap that the chart renders."""
    kubectl.create_namespace(NAMESPACE)
    metadata = {"name": "profiler", "namespace": NAMESPACE}
    account = {"kind": "ServiceAccount", "name": "profiler", "namespace": NAMESPACE}
    role = {"apiGroup": RBAC, "kind": "Role", "name": "profiler"}
    owner = {"name": "job-profiler-status", "namespace": NAMESPACE}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": RULES},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [account],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owner},
    )
    return NAMESPACE


@pytest.fixture
async def maps(control_plane: ControlPlane, namespace: str) -> AsyncIterator[CheckpointMaps]:
    """The check-points as the profiler's account meets them."""
    kubeconfig = control_plane.kubeconfig_of("profiler", namespace)
    async with open_cluster(str(kubeconfig)) as client:
        yield CheckpointMaps(client, namespace)


async def test_the_largest_piece_is_stored_and_read(maps: CheckpointMaps) -> None:
    """512 KiB that can't be packed, as binaryData: created, listed, read, replaced and removed."""
    data = os.urandom(MAX_BYTES)
    version = await maps.write("00000000000a", data, None)

    assert await maps.versions() == {"00000000000a": version}
    assert await maps.read("00000000000a") == data
    newer = await maps.write("00000000000a", data[::-1], version)
    assert await maps.read("00000000000a") == data[::-1]
    await maps.remove("00000000000a", newer)
    assert await maps.versions() == {}
    assert await maps.read("00000000000a") is None


async def test_what_somebody_else_wrote_is_not_overwritten(maps: CheckpointMaps) -> None:
    """An old version is refused, to replace it and to remove it; a name that is taken, to create it."""
    old = await maps.write("00000000000b", b"old", None)
    new = await maps.write("00000000000b", b"new", old)

    for refused in (maps.write("00000000000b", b"older", old), maps.write("00000000000b", b"x", None)):
        with pytest.raises(ConflictError):
            await refused
    with pytest.raises(ConflictError):
        await maps.remove("00000000000b", old)

    assert await maps.read("00000000000b") == b"new"
    await maps.remove("00000000000b", new)


async def test_they_go_with_the_release(maps: CheckpointMaps, namespace: str, kubectl: Kubectl) -> None:
    """Once the ConfigMap that the chart renders is deleted, the cluster removes its check-points too."""
    await maps.write("00000000000d", b"data", None)
    kubectl.run("delete", "configmap/job-profiler-status", f"--namespace={namespace}")

    def left() -> str:
        return kubectl.run("get", "configmaps", "--output=name", f"--namespace={namespace}")

    wait_until(lambda: PREFIX not in left(), 60, "the check-point to go")
