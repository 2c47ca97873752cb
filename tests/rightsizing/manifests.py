"""Manifests of Pods and of what bounds them, and what the rules are told of them."""

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import jsonpatch

from app.domain.profiles import Resource
from app.rightsizing.constraints import Constraints, read_limit_range, read_quota
from app.rightsizing.operations import resource_operations
from app.rightsizing.pods import ContainerResources, PodResources
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
    """The profile of CPU alone."""
    return {CPU: ContainerNeeds({name: Decimal(value) for name, value in cores.items()}, confidence)}


def memory_needs(confidence: float = 0.87, **amounts_bytes: int) -> dict[Resource, ContainerNeeds]:
    """The profile of memory alone."""
    return {
        MEMORY: ContainerNeeds({name: Decimal(value) for name, value in amounts_bytes.items()}, confidence)
    }


def container(name: str = "app", /, **members: Mapping[str, str]) -> Object:
    """A container with such `requests` and `limits`; without any there is no `resources` either."""
    return {"name": name, "image": "example/app"} | ({"resources": dict(members)} if members else {})


def pod(*containers: Object, before: Sequence[Object] = (), **spec: Any) -> Object:
    """A Pod of these containers, after those `before` as its init containers."""
    init_containers = {"initContainers": list(before)} if before else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": {"a/b": "c"}},
        "spec": {"containers": list(containers), **init_containers, **spec},
    }


def limit_range(of: str = "Container", /, **bounds: Mapping[str, str]) -> Object:
    """A LimitRange with one entry: min, max, maxLimitRequestRatio."""
    return {"kind": "LimitRange", "spec": {"limits": [{"type": of, **bounds}]}}


def quota(*counted: str, scopes: Sequence[str] = ()) -> Object:
    """A ResourceQuota with plenty of each."""
    hard = dict.fromkeys(counted, "1000")
    return {"kind": "ResourceQuota", "spec": {"hard": hard, "scopes": list(scopes)}}


def constraints(*manifests: Object, scaled: Sequence[Resource] = ()) -> Constraints:
    """What LimitRanges and ResourceQuotas say, and on what an autoscaler scales."""
    ranges = [each for each in manifests if each["kind"] == "LimitRange"]
    quotas = [each for each in manifests if each["kind"] == "ResourceQuota"]
    return Constraints(
        tuple(rule for each in ranges for rule in read_limit_range(each)),
        tuple(map(read_quota, quotas)),
        frozenset(scaled),
    )


def resources_of(manifest: Object) -> PodResources:
    """The resources of a Pod as the rules take them."""
    spec = manifest["spec"]
    whole = spec.get("resources") or {}
    named = {*(whole.get("requests") or ()), *(whole.get("limits") or ())}
    return PodResources(
        tuple(_resources(each, stays=True) for each in spec["containers"]),
        tuple(
            _resources(each, stays=each.get("restartPolicy") == "Always")
            for each in spec.get("initContainers") or ()
        ),
        frozenset(each for each in Resource if each in named),
    )


def _resources(manifest: Object, *, stays: bool) -> ContainerResources:
    found = manifest.get("resources")
    given = found or {}
    requests, limits = given.get("requests") or {}, given.get("limits") or {}
    return ContainerResources(manifest["name"], requests, limits, stays, has_resources=found is not None)


def resized(
    manifest: Object,
    needs: Mapping[Resource, ContainerNeeds],
    bounds: Constraints | None = None,
    rules: SchedulingPolicy | None = None,
) -> tuple[Object, Resizing]:
    """The Pod after a real engine applied the patch to a copy, and what was decided."""
    resources = resources_of(manifest)
    decided = resize(resources, needs, bounds or Constraints(), rules or policy())
    operations = resource_operations(resources, decided)
    patched: Object = jsonpatch.apply_patch(copy.deepcopy(manifest), operations)
    return patched, decided


def asked(
    manifest: Object, member: str = "requests", group: str = "containers"
) -> list[Mapping[str, str] | None]:
    """The requests or limits of each container, None where it has no such member."""
    return [(each.get("resources") or {}).get(member) for each in manifest["spec"][group]]


def cpu_request(
    given: Object, need: str, bounds: Constraints | None = None, deadband: str = "0.15"
) -> str | None:
    """What the first container requests after its need of CPU was looked at."""
    patched, _ = resized(pod(given), cpu_needs(app=need), bounds, policy(deadband=deadband))
    return (asked(patched)[0] or {}).get("cpu")
