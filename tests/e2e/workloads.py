"""Deployments and Pods that the tests create, and the profiles that they are to name."""

import hashlib
from typing import Any

from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

PREFIX = "liqo.io/"


def deployment(name: str, namespace: str, replicas: int = 1) -> dict[str, Any]:
    """A Deployment whose Pods hold an annotation of their own."""
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


def needs_profiles(kind: str, namespace: str, name: str) -> dict[str, str]:
    """The annotations of a workload without connections.

    A profile is named after job+namespace where that is a Deployment, after kind/namespace/name elsewhere.
    """
    text = f"{name}{namespace}" if kind == "Deployment" else f"{kind}/{namespace}/{name}"
    digest = hashlib.sha1(text.encode()).hexdigest()
    return {"liqo.io/cpuProfile": f"cpuprofile-{digest}", "liqo.io/memoryProfile": f"memprofile-{digest}"}


def pods_of(kubectl: Kubectl, name: str, namespace: str, count: int) -> list[dict[str, Any]]:
    """The Pods of a Deployment, once there are *count*."""

    def listed() -> list[dict[str, Any]]:
        items = kubectl.api.list("pods", namespace, labels=f"app={name}")
        return items if len(items) == count else []

    return wait_until(listed, 60, f"{count} Pods of {name}")


def our_annotations(pod: dict[str, Any]) -> dict[str, str]:
    """The annotations of the contract that the Pod carries."""
    annotations = pod["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if key.startswith(PREFIX)}


def delete_deployments(kubectl: Kubectl, namespace: str) -> None:
    """Remove all of them, and wait until their Pods are gone."""
    kubectl.run("delete", "deployments", "--all", f"--namespace={namespace}")
    at_once = ("--force", "--grace-period=0", "--wait=false")  # kubectl would wait for one after the other
    kubectl.run("delete", "pods", "--all", *at_once, f"--namespace={namespace}")
    wait_until(lambda: not kubectl.api.list("pods", namespace), 60, "all Pods to go")
