"""The CA bundle of the webhook configuration on a real API server."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConflictError, ForbiddenError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import Object
from app.kubernetes.reflector import Reflector
from app.kubernetes.webhook_configuration import (
    CaBundleSink,
    WebhookConfiguration,
    ca_bundle_of,
    configuration_selection,
)
from app.kubernetes.webhook_entries import PROBE_WEBHOOK
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import running

pytestmark = pytest.mark.cluster

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def webhooks(name: str, timeout_seconds: int = 3) -> dict[str, Any]:
    """A configuration as the chart renders it: all fields except the caBundle."""
    ours = {
        "name": "pods.job-profiler.liqo.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
        "rules": [
            {"apiGroups": ["none"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}
        ],
        "sideEffects": "None",
        "timeoutSeconds": timeout_seconds,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [ours, ours | {"name": "other.example.org"}],
    }


def grant(namespace: str, name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A ClusterRole and its binding to the default account of *namespace*."""
    api = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    return [role, binding]


@pytest.mark.parametrize("apply_as_helm", [(), ("--server-side", "--field-manager=helm")], ids=["3", "4"])
async def test_the_ca_bundle_and_an_upgrade(
    cluster: ClusterClient, kubectl: Kubectl, apply_as_helm: tuple[str, ...], tmp_path: Path
) -> None:
    """Publishing changes only the bundle, and an upgrade with Helm 3 or 4 keeps the bundle."""
    name = f"upgrade-{len(apply_as_helm)}"
    file = tmp_path / "configuration.json"

    def upgrade(manifest: dict[str, Any]) -> Object:
        file.write_text(json.dumps(manifest))
        kubectl.run("apply", f"--filename={file}", *apply_as_helm)
        stored: Object = kubectl.json("get", "mutatingwebhookconfiguration", name)
        return stored

    before = upgrade(webhooks(name))
    configuration = WebhookConfiguration(cluster, name)
    assert await configuration.read_ca_bundle() == b""

    await configuration.publish_ca_bundle(PEM)

    after = kubectl.json("get", "mutatingwebhookconfiguration", name)
    expected = before["webhooks"]
    expected[0]["clientConfig"]["caBundle"] = base64.b64encode(PEM).decode()
    assert after["webhooks"] == expected
    upgraded = upgrade(webhooks(name, timeout_seconds=5))
    assert upgraded["webhooks"][0]["timeoutSeconds"] == 5
    assert await configuration.read_ca_bundle() == PEM
    await configuration.publish_ca_bundle(2 * PEM)
    assert await configuration.read_ca_bundle() == 2 * PEM
    kubectl.run("delete", "mutatingwebhookconfiguration", name)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_publishing_keeps_the_order_of_entries(
    cluster: ClusterClient, kubectl: Kubectl, order: tuple[int, ...]
) -> None:
    """In whatever order the entries are stored: one that is applied before another one moves before it."""
    name = f"order-{'-'.join(map(str, order))}"
    manifest = webhooks(name)
    [pods, other] = manifest["webhooks"]
    entries = [pods, other, pods | {"name": PROBE_WEBHOOK}]
    kubectl.apply(manifest | {"webhooks": [entries[place] for place in order]})

    await WebhookConfiguration(cluster, name).publish_ca_bundle(PEM)

    live = kubectl.json("get", "mutatingwebhookconfiguration", name)["webhooks"]
    assert [entry["name"] for entry in live] == [entries[place]["name"] for place in order]
    assert [entry["name"] for entry in live if "caBundle" not in entry["clientConfig"]] == [other["name"]]
    kubectl.run("delete", "mutatingwebhookconfiguration", name)


async def test_a_bundle_of_another_leader_is_not_overwritten(
    cluster: ClusterClient, kubectl: Kubectl
) -> None:
    """Two leaders read the same version: the second to publish meets a conflict, and has to read again."""
    kubectl.apply(webhooks("two-leaders"))
    former, current = (WebhookConfiguration(cluster, "two-leaders") for _ in range(2))
    for leader in (former, current):
        await leader.read_ca_bundle()
    await current.publish_ca_bundle(2 * PEM)

    with pytest.raises(ConflictError):
        await former.publish_ca_bundle(PEM)

    assert await former.read_ca_bundle() == 2 * PEM
    await former.publish_ca_bundle(3 * PEM)
    assert await current.read_ca_bundle() == 3 * PEM
    kubectl.run("delete", "mutatingwebhookconfiguration", "two-leaders")


async def test_a_watch_needs_permissions_on_one_configuration(
    control_plane: ControlPlane, cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """An account that may get, list and watch only the object of that name gets each bundle."""
    rule = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": ["followed"],
        "verbs": ["get", "list", "watch"],
    }
    for manifest in (*grant(namespace, "follows-bundle", [rule]), webhooks("followed"), webhooks("other")):
        kubectl.apply(manifest)
    bundles: list[bytes | None] = []
    followed = WebhookConfiguration(cluster, "followed")
    async with open_cluster(str(control_plane.kubeconfig_of("default", namespace))) as client:
        sink, selection = CaBundleSink(bundles.append), configuration_selection("followed")
        async with running(Reflector(client, selection, sink, transform=ca_bundle_of)):
            await until(lambda: bundles == [b""])
            await followed.publish_ca_bundle(PEM)
            await until(lambda: bundles[-1] == PEM)
            kubectl.run("delete", "mutatingwebhookconfiguration", "followed", "other")
            await until(lambda: bundles[-1] is None)
        with pytest.raises(ForbiddenError):
            await client.list_all(configuration_selection("other"))


async def test_a_configuration_that_was_deleted_stays_deleted(
    cluster: ClusterClient, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the release is uninstalled between the read and the apply, nothing is created."""
    kubectl.apply(webhooks("deleted"))
    manifest = await cluster.get(paths.mutating_webhook_configuration("deleted"))
    kubectl.run("delete", "mutatingwebhookconfiguration", "deleted")

    async def as_it_was(_: str) -> Object:
        return manifest

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "get", as_it_was)
        with pytest.raises(ConflictError):
            await WebhookConfiguration(cluster, "deleted").publish_ca_bundle(PEM)

    with pytest.raises(KubectlError, match="NotFound"):
        kubectl.run("get", "mutatingwebhookconfiguration", "deleted")
