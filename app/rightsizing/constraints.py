"""What a namespace demands of a Pod's resources: its LimitRanges, ResourceQuotas and autoscalers.

The readers take any object of their kind. What they can't understand they take as forbidding, since a bound
that is overlooked could have a Pod refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.domain.workloads import Workload

CONTAINER, POD = "Container", "Pod"
_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_BEST_EFFORT_SCOPES = frozenset({"BestEffort", "NotBestEffort"})
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class LimitRangeRule:
    """One entry of a LimitRange's `spec.limits`: `of` is Container or Pod, other entries are dropped."""

    of: str
    minimum: Mapping[Resource, Decimal]
    maximum: Mapping[Resource, Decimal]
    max_limit_request_ratio: Mapping[Resource, Decimal]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a ResourceQuota counts; `tells_best_effort` where it counts by that quality of service."""

    requests: frozenset[Resource]
    limits: frozenset[Resource]
    tells_best_effort: bool


@dataclass(frozen=True, slots=True)
class Constraints:
    """All of a namespace, and the resources on which an autoscaler scales the workload."""

    limit_ranges: tuple[LimitRangeRule, ...] = ()
    quotas: tuple[Quota, ...] = ()
    scaled: frozenset[Resource] = frozenset()

    def count_requests(self, resource: Resource) -> bool:
        """True where a quota counts what is requested."""
        return any(resource in quota.requests for quota in self.quotas)

    def count_limits(self, resource: Resource) -> bool:
        """True where a quota counts limits."""
        return any(resource in quota.limits for quota in self.quotas)

    @property
    def tell_best_effort(self) -> bool:
        """True where a quota counts Pods that request nothing apart from others."""
        return any(quota.tells_best_effort for quota in self.quotas)


def read_limit_range(manifest: Mapping[str, Any]) -> tuple[LimitRangeRule, ...]:
    """The rules of a LimitRange for CPU and memory of containers and Pods."""
    entries = manifest["spec"].get("limits") or ()
    return tuple(_read_rule(entry) for entry in entries if entry.get("type") in {CONTAINER, POD})


def _read_rule(entry: Mapping[str, Any]) -> LimitRangeRule:
    try:
        minimum, maximum, ratio = (_amounts(entry.get(key)) for key in ("min", "max", "maxLimitRequestRatio"))
    except (ValueError, ArithmeticError):
        minimum, maximum, ratio = {}, dict.fromkeys(Resource, _NOTHING), {}
    return LimitRangeRule(entry["type"], minimum, maximum, ratio)


def _amounts(quantities: Mapping[str, Any] | None) -> dict[Resource, Decimal]:
    given = quantities or {}
    return {resource: parse_quantity(str(given[resource])) for resource in Resource if resource in given}


def read_quota(manifest: Mapping[str, Any]) -> Quota:
    """What a ResourceQuota counts of CPU and memory, by its wishes and by what is enforced by now."""
    spec, status = manifest["spec"], manifest.get("status") or {}
    counted = {*(spec.get("hard") or ()), *(status.get("hard") or ())}
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scopes = {*(spec.get("scopes") or ()), *(each.get("scopeName") for each in selected)}
    return Quota(
        frozenset(each for each in Resource if counted & {each.value, f"requests.{each}"}),
        frozenset(each for each in Resource if f"limits.{each}" in counted),
        not _BEST_EFFORT_SCOPES.isdisjoint(scopes),
    )


def read_autoscaler(manifest: Mapping[str, Any]) -> tuple[Workload, frozenset[Resource]]:
    """Whom a HorizontalPodAutoscaler of autoscaling/v1 scales, and on what use of CPU and memory.

    That version names the target of CPU alone; all other metrics are JSON in an annotation.
    """
    metadata, spec = manifest["metadata"], manifest["spec"]
    target = spec["scaleTargetRef"]
    workload = Workload(metadata["namespace"], target["name"], target["kind"])
    has_cpu_target = spec.get("targetCPUUtilizationPercentage") is not None
    text = (metadata.get("annotations") or {}).get(_METRICS)
    try:
        metrics: list[Any] = list(json.loads(text or "[]"))
        scaled = frozenset(filter(None, map(_scaled_resource, metrics)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return workload, frozenset(Resource)
    # Without any metric, the API scales on CPU.
    return workload, scaled | {Resource.CPU} if has_cpu_target or not metrics else scaled


def _scaled_resource(metric: Mapping[str, Any]) -> Resource | None:
    source = metric.get("resource") or metric.get("containerResource") or {}
    name = source.get("name")
    return Resource(name) if name in set(Resource) else None
