"""Manifests of Pods and constraints, and their conversion to the inputs of the rules."""

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import jsonpatch

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.constraints import Constraints, read_limit_range, read_quota
from app.rightsizing.governors import Governor, GovernorKind, governance_of
from app.rightsizing.operations import resource_operations
from app.rightsizing.pod_spec import ContainerResources, PodResources
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.rightsizing.resizing import ContainerNeeds, Resizing, resize

CPU, MEMORY = Resource.CPU, Resource.MEMORY
MIB = 1024**2
Object = dict[str, Any]


def policy(
    cpu_ratio: str = "0", memory_ratio: str = "0", deadband: str = "0.15", min_confidence: float = 0.5
) -> SchedulingPolicy:
    """The defaults of the settings: 20m to 16 cores, 32Mi to 64Gi, a deadband of 15 %."""
    return SchedulingPolicy(
        min_confidence,
        Decimal(deadband),
        {
            CPU: RequestBounds(Decimal("0.02"), Decimal(16), Decimal(cpu_ratio)),
            MEMORY: RequestBounds(Decimal(32 * MIB), Decimal(64 * 1024 * MIB), Decimal(memory_ratio)),
        },
    )


def cpu_needs(confidence: float = 0.87, **cores: str) -> dict[Resource, ContainerNeeds]:
    """The needs of a CPU profile."""
    return {CPU: ContainerNeeds({name: Decimal(value) for name, value in cores.items()}, confidence)}


def memory_needs(confidence: float = 0.87, **amounts_bytes: int) -> dict[Resource, ContainerNeeds]:
    """The needs of a memory profile."""
    return {
        MEMORY: ContainerNeeds({name: Decimal(value) for name, value in amounts_bytes.items()}, confidence)
    }


def container(name: str = "app", /, **members: Mapping[str, str]) -> Object:
    """A container with these `requests` and `limits`; without both it has no `resources`."""
    return {"name": name, "image": "example/app"} | ({"resources": dict(members)} if members else {})


def pod(*containers: Object, before: Sequence[Object] = (), **spec: Any) -> Object:
    """A Pod of these containers, with *before* as init containers."""
    init_containers = {"initContainers": list(before)} if before else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": {"a/b": "c"}},
        "spec": {"containers": list(containers), **init_containers, **spec},
    }


def limit_range(applies_to: str = "Container", /, **bounds: Mapping[str, str]) -> Object:
    """A LimitRange of the namespace `shop` with one entry: min, max, maxLimitRequestRatio, or defaults."""
    metadata = {"name": "bounds", "namespace": "shop"}
    limits = [{"type": applies_to, **bounds}]
    return {"kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}


def quota(*counted: str, scopes: Sequence[str] = ()) -> Object:
    """A ResourceQuota that counts these resources, with a high maximum."""
    hard = dict.fromkeys(counted, "1000")
    return {"kind": "ResourceQuota", "spec": {"hard": hard, "scopes": list(scopes)}}


def constraints(
    *manifests: Object,
    autoscaled: Sequence[Resource] = (),
    governed: Mapping[str, Sequence[Resource]] = {},
) -> Constraints:
    """The constraints of LimitRanges and ResourceQuotas.

    An HPA acts on the *autoscaled* resources, and a VPA sets those that are *governed*, by container.
    """
    workload = Workload("shop", "web")
    by_container = tuple((name, frozenset(resources)) for name, resources in governed.items())
    ranges = [manifest for manifest in manifests if manifest["kind"] == "LimitRange"]
    quotas = [manifest for manifest in manifests if manifest["kind"] == "ResourceQuota"]
    return Constraints(
        tuple(rule for manifest in ranges for rule in read_limit_range(manifest)),
        tuple(map(read_quota, quotas)),
        governance_of(
            [
                Governor(GovernorKind.HORIZONTAL, workload, frozenset(autoscaled)),
                Governor(GovernorKind.VERTICAL, workload, containers=by_container),
            ]
        ),
    )


def resources_of(manifest: Object) -> PodResources:
    """The resources of a Pod as input of the rules."""
    spec = manifest["spec"]
    pod_level = spec.get("resources") or {}
    named = {*(pod_level.get("requests") or ()), *(pod_level.get("limits") or ())}
    return PodResources(
        tuple(_resources(container, is_long_running=True) for container in spec["containers"]),
        tuple(
            _resources(container, is_long_running=container.get("restartPolicy") == "Always")
            for container in spec.get("initContainers") or ()
        ),
        frozenset(resource for resource in Resource if resource in named),
    )


def _resources(manifest: Object, *, is_long_running: bool) -> ContainerResources:
    resources = manifest.get("resources")
    members = resources or {}
    requests, limits = members.get("requests") or {}, members.get("limits") or {}
    return ContainerResources(
        manifest["name"], requests, limits, is_long_running, has_resources=resources is not None
    )


def resized(
    manifest: Object,
    needs: Mapping[Resource, ContainerNeeds],
    bounds: Constraints | None = None,
    rules: SchedulingPolicy | None = None,
    earlier: str = "",
) -> tuple[Object, Resizing]:
    """The Pod after jsonpatch applied the patch to a copy, and the resizing; *earlier* is its summary."""
    resources = resources_of(manifest)
    decided = resize(resources, needs, bounds or Constraints(), rules or policy(), earlier)
    operations = resource_operations(resources, decided)
    patched: Object = jsonpatch.apply_patch(copy.deepcopy(manifest), operations)
    return patched, decided


def amounts_of(
    manifest: Object, member: str = "requests", group: str = "containers"
) -> list[Mapping[str, str] | None]:
    """The requests or limits of each container, None where it has no such member."""
    return [(container.get("resources") or {}).get(member) for container in manifest["spec"][group]]


def cpu_request(
    original: Object, need: str, bounds: Constraints | None = None, deadband: str = "0.15"
) -> str | None:
    """The CPU request of the first container after resizing to *need*."""
    patched, _ = resized(pod(original), cpu_needs(app=need), bounds, policy(deadband=deadband))
    return (amounts_of(patched)[0] or {}).get("cpu")
