"""The tests' control plane is real: controllers create Pods, webhooks mutate them, RBAC is enforced."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.annotating_webhook import ANNOTATIONS, annotating_webhook
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "main", "image": "example.com/web:1"}]},
}


def test_a_deployments_pod_appears_and_stays_pending(kubectl: Kubectl) -> None:
    """The controllers create 1 Pod for a Deployment of 1 replica; without a kubelet it stays Pending."""
    namespace = kubectl.create_namespace("deployment-makes-pod")
    kubectl.run("create", "deployment", "web", "--image=example.com/web:1", f"--namespace={namespace}")

    [pod] = wait_until(
        lambda: kubectl.json("get", "pods", f"--namespace={namespace}")["items"], 20, "the Deployment's Pod"
    )

    assert pod["metadata"]["name"].startswith("web-")
    assert pod["status"]["phase"] == "Pending"


def test_a_patching_webhook_changes_what_is_stored(kubectl: Kubectl, tmp_path: Path) -> None:
    """A Pod is stored with the annotation that the webhook's patch adds."""
    namespace = kubectl.create_namespace("webhook-patches-pod")
    with annotating_webhook(tmp_path) as client_config:
        kubectl.apply(_configuration(client_config, namespace))
        try:
            wait_until(
                lambda: _annotations(kubectl, namespace, "--dry-run=server"), 20, "the webhook to be called"
            )
            _annotations(kubectl, namespace)
        finally:
            kubectl.run("delete", "mutatingwebhookconfiguration", "annotate")

    stored = kubectl.json("get", "pod", "web", f"--namespace={namespace}")

    assert stored["metadata"]["annotations"] == ANNOTATIONS


def _annotations(kubectl: Kubectl, namespace: str, *options: str) -> dict[str, str]:
    """The annotations in the API server's response to the creation of a Pod."""
    command = ("create", "--filename=-", f"--namespace={namespace}", *options)
    answer = kubectl.json(*command, input=json.dumps(POD))
    annotations: dict[str, str] = answer["metadata"].get("annotations", {})
    return annotations


def _configuration(client_config: dict[str, Any], namespace: str) -> dict[str, Any]:
    webhook = {
        "name": "annotate.example.com",
        "clientConfig": client_config,
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "annotate"},
        "webhooks": [webhook],
    }


def test_a_service_accounts_token_may_do_what_rbac_grants(
    control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    """An account with the right to list ConfigMaps lists them in its namespace, and may not list Pods."""
    namespace = kubectl.create_namespace("service-account-token")
    in_namespace = f"--namespace={namespace}"
    kubectl.run("create", "serviceaccount", "reader", in_namespace)
    kubectl.run("create", "role", "reader", "--verb=list", "--resource=configmaps", in_namespace)
    kubectl.run(
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        f"--serviceaccount={namespace}:reader",
        in_namespace,
    )

    reader = Kubectl(control_plane.kubeconfig_of("reader", namespace))

    wait_until(lambda: reader.json("get", "configmaps")["kind"], 10, "the role", despite=(KubectlError,))
    with pytest.raises(KubectlError, match=rf"system:serviceaccount:{namespace}:reader.* cannot list .*pods"):
        reader.run("get", "pods")


def test_the_api_server_can_be_away_for_a_while(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    """While the API server is stopped clients fail; after its restart the stored objects are unchanged."""
    namespace = kubectl.create_namespace("api-server-restart")

    control_plane.stop_api_server()
    try:
        with pytest.raises(KubectlError, match="refused"):
            kubectl.run("get", "namespaces")
    finally:
        control_plane.start_api_server()

    assert kubectl.json("get", "namespace", namespace)["metadata"]["name"] == namespace
