"""Deployments and Pods that the tests create, and the profile annotations that they should have."""

import hashlib
from typing import Any

from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

PREFIX = "liqo.io/"


def deployment(name: str, namespace: str, replicas: int = 1) -> dict[str, Any]:
    """A Deployment whose Pod template has an annotation of the user."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"example.org/kept": "yes"}},
                "spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}]},
            },
        },
    }


def stateful_set(name: str, namespace: str, replicas: int = 1) -> dict[str, Any]:
    """A StatefulSet."""
    labels = {"app": name}
    container = {"name": "main", "image": "registry.example/db:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def needs_profiles(kind: str, namespace: str, name: str) -> dict[str, str]:
    """The profile annotations of a workload without connections.

    The profile name hashes name + namespace for a Deployment, and kind/namespace/name for every other kind.
    """
    text = f"{name}{namespace}" if kind == "Deployment" else f"{kind}/{namespace}/{name}"
    digest = hashlib.sha1(text.encode()).hexdigest()
    return {"liqo.io/cpuProfile": f"cpuprofile-{digest}", "liqo.io/memoryProfile": f"memprofile-{digest}"}


def pods_of(kubectl: Kubectl, name: str, namespace: str, count: int) -> list[dict[str, Any]]:
    """Waits until a Deployment has *count* Pods; returns them."""

    def listed() -> list[dict[str, Any]]:
        items = kubectl.api.list("pods", namespace, labels=f"app={name}")
        return items if len(items) == count else []

    return wait_until(listed, 60, f"{count} Pods of {name}")


def our_annotations(pod: dict[str, Any]) -> dict[str, str]:
    """The Pod's annotations with the prefix liqo.io/."""
    annotations = pod["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if key.startswith(PREFIX)}


def delete_deployments(kubectl: Kubectl, namespace: str) -> None:
    """Deletes all Deployments of the namespace, and waits until their Pods are gone."""
    kubectl.run("delete", "deployments", "--all", f"--namespace={namespace}")
    immediately = ("--force", "--grace-period=0", "--wait=false")  # kubectl would wait for each Pod in turn
    kubectl.run("delete", "pods", "--all", *immediately, f"--namespace={namespace}")
    wait_until(lambda: not kubectl.api.list("pods", namespace), 60, "all Pods to go")
