"""Pods as the controllers of workloads create them, from the Pod templates of the workloads' objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.annotations import SCHEDULING_LABEL, is_scheduling_enabled
from app.domain.untyped import list_in, mapping_in
from app.domain.workloads import CRON_JOB, JOB, POD_TEMPLATE_HASH, Workload
from app.rightsizing.default_amounts import with_default_amounts

Manifest = Mapping[str, Any]
# A hash and a number of a schedule, as controllers give them.
_HASH, _SCHEDULED = "6b6f9d7d5c", "28888888"


@dataclass(frozen=True, slots=True)
class WorkloadObject:
    """The object of a workload, and the path of its Pod template in the manifest."""

    workload: Workload
    manifest: Manifest

    @property
    def template_path(self) -> tuple[str, ...]:
        """The fields from the object to its Pod template."""
        template = ("spec", "template")
        return ("spec", "jobTemplate", *template) if self.workload.kind == CRON_JOB else template

    @property
    def template(self) -> Mapping[str, Any]:
        """The Pod template; empty if there is none."""
        part: Mapping[str, Any] = self.manifest
        for name in self.template_path:
            part = mapping_in(part.get(name))
        return part

    @property
    def replicas(self) -> int | None:
        """The wanted replicas; None for what runs to completion."""
        if self.workload.kind in {CRON_JOB, JOB}:
            return None
        spec, status = mapping_in(self.manifest.get("spec")), mapping_in(self.manifest.get("status"))
        count = spec.get("replicas", status.get("desiredNumberScheduled", 1))
        return count if isinstance(count, int) else None

    @property
    def has_scheduling_disabled(self) -> bool:
        """True if the label of the Pod template turns requests from profiles off."""
        return is_scheduling_enabled(_labels(self.template)) is False


def workload_object(kind: str, manifest: Manifest) -> WorkloadObject:
    """The object in an item of a list, which does not name its own kind."""
    metadata = mapping_in(manifest.get("metadata"))
    return WorkloadObject(Workload(str(metadata.get("namespace", "")), str(metadata["name"]), kind), manifest)


def is_controlled(manifest: Manifest) -> bool:
    """True if another object created this one, as a CronJob does with its Jobs."""
    owners = mapping_in(manifest.get("metadata")).get("ownerReferences") or ()
    return any(mapping_in(owner).get("controller") for owner in owners)


def is_finished(manifest: Manifest) -> bool:
    """True for a Job that has completed or failed, and so creates no Pods any more."""
    conditions = list_in(mapping_in(manifest.get("status")).get("conditions"))
    return any(
        condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True"
        for condition in map(mapping_in, conditions)
    )


def new_pod(found: WorkloadObject, limit_ranges: Iterable[Manifest] = ()) -> dict[str, Any]:
    """The next Pod of the workload as a webhook receives it, with requests from profiles enabled.

    A label of the template that disables them stays.
    """
    template = found.template
    owner, labels = _owner(found.workload)
    metadata = mapping_in(template.get("metadata"))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner['name']}-",
            "namespace": found.workload.namespace,
            "labels": {SCHEDULING_LABEL: "true"} | _labels(template) | labels,
            "annotations": dict(mapping_in(metadata.get("annotations"))),
            "ownerReferences": [owner],
        },
        "spec": template.get("spec") or {},
    }
    return with_default_amounts(pod, limit_ranges)


def _labels(template: Mapping[str, Any]) -> dict[str, str]:
    labels = mapping_in(mapping_in(template.get("metadata")).get("labels"))
    kept = {key: value for key, value in labels.items() if isinstance(value, str)}
    # Any other value of this label counts as none.
    if is_scheduling_enabled(kept) is None:
        kept.pop(SCHEDULING_LABEL, None)
    return kept


def _owner(workload: Workload) -> tuple[dict[str, Any], dict[str, str]]:
    """The Pod's controlling owner, and the labels by which it belongs to the workload."""
    kind, name, labels = workload.kind, workload.name, {}
    if kind == "Deployment":
        kind, name, labels = "ReplicaSet", f"{name}-{_HASH}", {POD_TEMPLATE_HASH: _HASH}
    elif kind == CRON_JOB:
        kind, name = JOB, f"{name}-{_SCHEDULED}"
    return {"kind": kind, "name": name, "controller": True}, labels
