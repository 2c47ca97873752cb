"""The planned requests of a workload as a patch of its object, for kubectl and Kustomize.

So are the targets of its HorizontalPodAutoscalers that go with these requests.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from enum import StrEnum
from typing import Any

from app.decisions.plan import WorkloadPlan
from app.decisions.scaling_targets import HorizontalAutoscaler, ScalingPair, UtilizationTarget
from app.decisions.templates import WorkloadObject
from app.domain.api_versions import API_VERSIONS
from app.domain.profiles import Resource
from app.domain.untyped import list_in, mapping_in
from app.rightsizing.amounts import format_amount

_MEMBERS = ("requests", "limits")


class PatchForm(StrEnum):
    """The values of the option `-o` of `export patch`."""

    STRATEGIC = "strategic"
    KUSTOMIZE = "kustomize"
    JSON6902 = "json6902"


def patch(plan: WorkloadPlan, found: WorkloadObject, form: PatchForm) -> Any:
    """The document to print; an empty one of its form if nothing changes.

    *strategic* is for `kubectl patch --type strategic`, *json6902* for `kubectl patch --type json` and
    Kustomize's `patches` with a target, *kustomize* for its `patches` with a `path`: it names its object.
    """
    match form:
        case PatchForm.STRATEGIC:
            return strategic(plan, found)
        case PatchForm.JSON6902:
            return list(json6902(plan, found))
        case PatchForm.KUSTOMIZE:
            return _identity(found) | strategic(plan, found)


def _identity(found: WorkloadObject) -> dict[str, Any]:
    """The fields by which Kustomize finds the object that a patch is for."""
    kind, stated = found.workload.kind, found.manifest.get("apiVersion")
    return {
        "apiVersion": stated or API_VERSIONS.get(kind, "apps/v1"),
        "kind": kind,
        "metadata": {"name": found.workload.name, "namespace": found.workload.namespace},
    }


def strategic(plan: WorkloadPlan, found: WorkloadObject) -> dict[str, Any]:
    """A strategic merge patch: containers are merged by name."""
    spec: dict[str, list[dict[str, Any]]] = {}
    for container in plan.containers:
        if resources := _resources(container.changes):
            spec.setdefault(container.group, []).append({"name": container.name, "resources": resources})
    if not spec:
        return {}
    document: dict[str, Any] = {"spec": spec}
    for field in reversed(found.template_path):
        document = {field: document}
    return document


def _resources(changes: Mapping[Resource, Any]) -> dict[str, dict[str, str]]:
    """The amounts that change, as in a container's `resources`."""
    resources: dict[str, dict[str, str]] = {}
    for resource, change in changes.items():
        if change.new is not None and change.new != change.old:
            resources.setdefault("requests", {})[resource.value] = format_amount(resource, change.new)
        if change.new_limit is not None and change.new_limit != change.old_limit:
            resources.setdefault("limits", {})[resource.value] = format_amount(resource, change.new_limit)
    return resources


def json6902(plan: WorkloadPlan, found: WorkloadObject) -> Iterator[dict[str, Any]]:
    """The operations on the object as it is stored: `test` first, so that another object is refused.

    The template has fewer amounts than a Pod, to which the API server adds defaults: members that it does not
    have are added.
    """
    root = "".join(f"/{field}" for field in (*found.template_path, "spec"))
    template = mapping_in(found.template.get("spec"))
    for container in plan.containers:
        resources = _resources(container.changes)
        if not resources:
            continue
        path = f"{root}/{container.group}/{container.index}"
        written = mapping_in(list_in(template.get(container.group))[container.index])
        yield {"op": "test", "path": f"{path}/name", "value": container.name}
        present = mapping_in(written.get("resources"))
        if not present:
            yield {"op": "add", "path": f"{path}/resources", "value": resources}
            continue
        for member in filter(resources.__contains__, _MEMBERS):
            if mapping_in(present.get(member)):
                for name, amount in resources[member].items():
                    yield {"op": "add", "path": f"{path}/resources/{member}/{name}", "value": amount}
            else:
                yield {"op": "add", "path": f"{path}/resources/{member}", "value": resources[member]}


def autoscaler_patch(autoscaler: HorizontalAutoscaler, of: Iterable[ScalingPair], form: PatchForm) -> Any:
    """The patch of an autoscaler's targets; an empty one of its form if none is to change.

    `metrics` is a list without keys: `kubectl patch` replaces it as a whole, with the types merge and
    strategic alike, so all of it is in these patches.
    """
    changed = {
        pair.target: pair.new_target for pair in of if pair.autoscaler == autoscaler and pair.new_target
    }
    if form is PatchForm.JSON6902:
        return [operation for target, new in changed.items() for operation in _target_operations(target, new)]
    merged: dict[str, Any] = {}
    if changed:
        metrics = [deepcopy(dict(metric)) for metric in autoscaler.metrics]
        for target, new in changed.items():
            metrics[target.index][target.source]["target"]["averageUtilization"] = new
        merged = {"spec": {"metrics": metrics}}
    if form is PatchForm.STRATEGIC:
        return merged
    identity = {"name": autoscaler.name, "namespace": autoscaler.namespace}
    kind = {"apiVersion": autoscaler.api_version, "kind": "HorizontalPodAutoscaler", "metadata": identity}
    return kind | merged


def _target_operations(target: UtilizationTarget, new: int | None) -> Iterator[dict[str, Any]]:
    """A test of what is replaced first, so that another metric at this place is refused."""
    path = f"/spec/metrics/{target.index}/{target.source}"
    yield {"op": "test", "path": f"{path}/name", "value": target.resource.value}
    if target.container:
        yield {"op": "test", "path": f"{path}/container", "value": target.container}
    place = f"{path}/target/averageUtilization"
    yield {"op": "test", "path": place, "value": target.percent}
    yield {"op": "replace", "path": place, "value": new}
