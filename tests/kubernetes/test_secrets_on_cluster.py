"""Optimistic locking of Secrets on a real API server."""

import pytest

from app.errors import ConflictError, NotFoundError
from app.kubernetes.client import ClusterClient
from app.kubernetes.secrets import SecretStore
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


async def test_concurrent_writes_of_a_secret(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The second of two writes after the same read is a conflict; after another read the write succeeds."""
    kubectl.run("create", "secret", "generic", "ca", f"--namespace={namespace}")
    store = SecretStore(cluster, namespace, "ca")
    snapshot = await store.read()
    assert snapshot.data == {}

    await store.write(snapshot, {"ca.key": b"\x00\xff"})
    with pytest.raises(ConflictError):
        await store.write(snapshot, {"ca.key": b"late"})

    again = await store.read()
    assert again.data == {"ca.key": b"\x00\xff"}
    written = await store.write(again, {"ca.crt": PEM})
    assert written.data == (await store.read()).data == {"ca.crt": PEM}


async def test_a_secret_that_was_deleted_stays_deleted(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """A write to a deleted Secret does not create it."""
    kubectl.run("create", "secret", "generic", "ca", f"--namespace={namespace}")
    store = SecretStore(cluster, namespace, "ca")
    snapshot = await store.read()
    kubectl.run("delete", "secret", "ca", f"--namespace={namespace}")

    with pytest.raises((NotFoundError, ConflictError)):
        await store.write(snapshot, {"ca.key": b"key"})
    with pytest.raises(NotFoundError):
        await store.read()
