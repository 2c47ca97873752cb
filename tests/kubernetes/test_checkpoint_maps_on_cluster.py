"""Check-points on a real API server, with only the permissions that they need."""

import os
from collections.abc import AsyncIterator

import pytest

from app.errors import ConflictError
from app.history.checkpoint.array_format import UnreadableCheckpointError
from app.history.checkpoint.codec import decode
from app.kubernetes.checkpoint_maps import PREFIX, CheckpointMaps
from app.kubernetes.client import open_cluster
from app.profiler.checkpoints import MAX_BYTES
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until
from tests.history.checkpoint.hostile import zeros

pytestmark = pytest.mark.cluster

NAMESPACE = "k-checkpoints"
RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update", "delete"]}
]
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> str:
    """A namespace with an account that has only the permissions of `RULES`, and the status map."""
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
    """The check-points with the profiler's account."""
    kubeconfig = control_plane.kubeconfig_of("profiler", namespace)
    async with open_cluster(str(kubeconfig)) as client:
        yield CheckpointMaps(client, namespace)


async def test_the_largest_shard_is_stored_and_read(maps: CheckpointMaps) -> None:
    """512 KiB of random bytes, as binaryData: created, listed, read, replaced and removed."""
    data = os.urandom(MAX_BYTES)
    version = await maps.write("00000000000a", data, None)

    assert await maps.versions() == {"00000000000a": version}
    assert await maps.read("00000000000a") == data
    newer = await maps.write("00000000000a", data[::-1], version)
    assert await maps.read("00000000000a") == data[::-1]
    await maps.remove("00000000000a", newer)
    assert await maps.versions() == {}
    assert await maps.read("00000000000a") is None


async def test_a_hostile_shard_is_stored_and_refused(maps: CheckpointMaps) -> None:
    """The API server stores 700 kB that inflate to 686 MiB; what is read of it is named, not used.

    As base64 it has less than the 1 MiB above which the client library warns.
    """
    version = await maps.write("00000000000c", zeros(686), None)

    data = await maps.read("00000000000c")

    assert data is not None
    with pytest.raises(UnreadableCheckpointError, match="inflates to more than 33554432 bytes"):
        decode(data, timeslots=4, retained_days=15)
    await maps.remove("00000000000c", version)


async def test_writes_of_other_clients_are_not_overwritten(maps: CheckpointMaps) -> None:
    """An outdated version can't be replaced or removed, and an existing name can't be created: conflicts."""
    old = await maps.write("00000000000b", b"old", None)
    new = await maps.write("00000000000b", b"new", old)

    for refused in (maps.write("00000000000b", b"older", old), maps.write("00000000000b", b"x", None)):
        with pytest.raises(ConflictError):
            await refused
    with pytest.raises(ConflictError):
        await maps.remove("00000000000b", old)

    assert await maps.read("00000000000b") == b"new"
    await maps.remove("00000000000b", new)


async def test_check_points_are_deleted_with_the_release(
    maps: CheckpointMaps, namespace: str, kubectl: Kubectl
) -> None:
    """Once the status map is deleted, the garbage collector deletes the check-points that it owns."""
    await maps.write("00000000000d", b"data", None)
    kubectl.run("delete", "configmap/job-profiler-status", f"--namespace={namespace}")

    def names() -> str:
        return kubectl.run("get", "configmaps", "--output=name", f"--namespace={namespace}")

    wait_until(lambda: PREFIX not in names(), 60, "the check-point to go")
