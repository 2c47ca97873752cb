"""The manifests of VerticalPodAutoscalers that the profiler keeps or prints, and how its own are recognised.

An object is the profiler's own if its field manager wrote it under the name that follows from the target, and
it still has the label `app.kubernetes.io/managed-by`: a copy, and one whose label was removed, are a user's.
"""

from collections.abc import Mapping
from hashlib import sha1
from typing import Any

import msgspec

from app.domain.api_versions import API_VERSIONS
from app.domain.dns_names import shortened
from app.domain.untyped import list_in, mapping_in
from app.domain.workloads import CRON_JOB, Workload
from app.vpa.labels import WantedAutoscaler

API_VERSION, KIND = "autoscaling.k8s.io/v1", "VerticalPodAutoscaler"
CRD = "verticalpodautoscalers.autoscaling.k8s.io"
FIELD_MANAGER = "job-profiler-vpa"
MANAGED_BY, PRODUCT = "app.kubernetes.io/managed-by", "job-profiler"
# A Job's Pods are there as soon as the Job is, before there could be an object for it.
KEPT_KINDS = ("Deployment", "StatefulSet", "DaemonSet", CRON_JOB)
_encode = msgspec.json.Encoder(order="deterministic").encode


def own_name(workload: Workload) -> str:
    """The name of the profiler's own object for *workload*."""
    return shortened(f"{PRODUCT}-{exported_name(workload)}")


def exported_name(workload: Workload) -> str:
    """The name of an object that a person keeps: another one, so that it takes the place of ours."""
    return shortened(f"{workload.kind.casefold()}-{workload.name}")


def manifest_of(
    workload: Workload, wanted: WantedAutoscaler, recommender: str, *, name: str
) -> dict[str, Any]:
    """The object for a workload, as a person would write it."""
    update_policy: dict[str, Any] = {"updateMode": wanted.mode.value}
    if wanted.min_replicas is not None:
        update_policy["minReplicas"] = wanted.min_replicas
    values = "RequestsOnly" if wanted.requests_only else "RequestsAndLimits"
    reference = {"apiVersion": API_VERSIONS[workload.kind], "kind": workload.kind, "name": workload.name}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": workload.namespace},
        "spec": {
            "targetRef": reference,
            "recommenders": [{"name": recommender}],
            "updatePolicy": update_policy,
            "resourcePolicy": {"containerPolicies": [{"containerName": "*", "controlledValues": values}]},
        },
    }


def own_manifest(workload: Workload, uid: str, wanted: WantedAutoscaler, recommender: str) -> dict[str, Any]:
    """The object that the profiler keeps for a workload: it goes with it."""
    manifest = manifest_of(workload, wanted, recommender, name=own_name(workload))
    # Not `blockOwnerDeletion`, which takes a right on the owner's finalizers.
    manifest["metadata"] |= {
        "labels": {MANAGED_BY: PRODUCT},
        "ownerReferences": [manifest["spec"]["targetRef"] | {"uid": uid}],
    }
    return manifest


def digest_of(manifest: Mapping[str, Any]) -> bytes:
    """A digest of the fields that the profiler sets on its own objects: equal if these are."""
    metadata, spec = mapping_in(manifest.get("metadata")), mapping_in(manifest.get("spec"))
    update_policy, target = mapping_in(spec.get("updatePolicy")), mapping_in(spec.get("targetRef"))
    owners = [
        owner.get("uid")
        for owner in map(mapping_in, list_in(metadata.get("ownerReferences")))
        if all(owner.get(key) == target.get(key) for key in ("apiVersion", "kind", "name"))
    ]
    fields = [
        owners,
        target,
        spec.get("recommenders"),
        update_policy.get("updateMode"),
        update_policy.get("minReplicas"),
        mapping_in(spec.get("resourcePolicy")).get("containerPolicies"),
    ]
    return sha1(_encode(fields), usedforsecurity=False).digest()


def has_our_marks(manifest: Mapping[str, Any]) -> bool:
    """True if the profiler's field manager wrote the object, and its label is still there."""
    metadata = mapping_in(manifest.get("metadata"))
    managers = (mapping_in(entry).get("manager") for entry in list_in(metadata.get("managedFields")))
    return mapping_in(metadata.get("labels")).get(MANAGED_BY) == PRODUCT and FIELD_MANAGER in managers
