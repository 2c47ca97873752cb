"""Admission reviews as an API server sends them, and the decoding of answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jsonpatch

from app.domain.workloads import Workload
from tests.webhook.profiles import WEB

UID = "5f0c2a1e-8f0d-4d29-9a55-0b7c6a4f2d11"


def pod(metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A minimal Pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": dict(metadata or {}),
        "spec": {"containers": [{"name": "server", "image": "registry.local/server:1"}]},
    }


def owned_by(kind: str, name: str, **labels: str) -> dict[str, Any]:
    """The metadata of a controller's Pod; *labels* have `_` for `-`, as in `pod_template_hash`."""
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": True}
    return {
        "generateName": f"{name}-",
        "labels": {"app": name} | {key.replace("_", "-"): value for key, value in labels.items()},
        "ownerReferences": [reference],
    }


def web_pod(annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A Pod of `web` in emojivoto."""
    metadata = owned_by("ReplicaSet", "web-87cf995f7", pod_template_hash="87cf995f7")
    return pod(metadata if annotations is None else metadata | {"annotations": dict(annotations)})


def review(reviewed: object, namespace: str = "emojivoto", **request: object) -> dict[str, Any]:
    """The review of the creation of a Pod; `request` replaces fields of the request."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": kind,
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": kind,
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": reviewed,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        }
        | request,
    }


def encoded(document: object) -> bytes:
    """The body of a request."""
    return json.dumps(document).encode()


def patch_in(answer: bytes, uid: str = UID) -> list[dict[str, Any]]:
    """The operations of *answer*, checked to be a v1 answer that admits the Pod of review *uid*."""
    document = json.loads(answer)
    response = document.pop("response")
    patch, patch_type = response.pop("patch", None), response.pop("patchType", None)
    assert document == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    assert response == {"uid": uid, "allowed": True}
    if patch is None:
        assert patch_type is None
        return []
    assert patch_type == "JSONPatch"
    operations: list[dict[str, Any]] = json.loads(base64.b64decode(patch, validate=True))
    return operations


def applied(answer: bytes, reviewed: Mapping[str, Any], uid: str = UID) -> dict[str, Any]:
    """The Pod after the API server applied *answer*."""
    patched: dict[str, Any] = jsonpatch.apply_patch(reviewed, patch_in(answer, uid))
    return patched


# One review per kind of owner, with the workload of its Pod.
OWNERS: Mapping[str, tuple[dict[str, Any], Workload | None]] = {
    "deployment": (review(web_pod()), WEB),
    "replicaset": (
        review(pod(owned_by("ReplicaSet", "single")), "shop"),
        Workload("shop", "single", "ReplicaSet"),
    ),
    "statefulset": (
        review(pod(owned_by("StatefulSet", "redis-cart", controller_revision_hash="75b5976694")), "shop"),
        Workload("shop", "redis-cart", "StatefulSet"),
    ),
    "daemonset": (
        review(pod(owned_by("DaemonSet", "log-agent", pod_template_generation="1")), "shop"),
        Workload("shop", "log-agent", "DaemonSet"),
    ),
    "job": (
        review(pod(owned_by("Job", "migrate-db", job_name="migrate-db")), "shop"),
        Workload("shop", "migrate-db", "Job"),
    ),
    "replicationcontroller": (
        review(pod(owned_by("ReplicationController", "legacy-1")), "shop"),
        Workload("shop", "legacy-1", "ReplicationController"),
    ),
    "nobody": (review(pod({"name": "debug"}), "shop"), None),
}
