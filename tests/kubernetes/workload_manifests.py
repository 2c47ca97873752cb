"""Manifests of Pods, owner references and workloads as an API server sends them."""

from typing import Any


def pod(name: str, *owners: dict[str, Any], namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    """A Pod's metadata as the API server sends it."""
    base = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-03-01T12:00:00Z",
    }
    return {"metadata": base | {"ownerReferences": list(owners), "managedFields": [{"big": 1}]} | metadata}


def owner(kind: str, name: str, *, controller: bool = True) -> dict[str, Any]:
    """An owner reference."""
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": controller}


def template(*init_containers: dict[str, str]) -> dict[str, Any]:
    """A workload's spec with many fields that records leave out."""
    spec = {
        "containers": [{"name": "web-svc", "image": "web:1", "env": [{"name": "A", "value": "a" * 1000}]}],
        "initContainers": [{"image": "registry.example/x:1"} | container for container in init_containers],
    }
    return {"replicas": 3, "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}
