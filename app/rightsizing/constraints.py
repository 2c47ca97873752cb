"""Constraints of a namespace on a Pod's resources: LimitRanges, ResourceQuotas and autoscalers.

The readers accept any object of their kind. A bound that they can't parse forbids every change, since an
ignored bound could lead to a rejected Pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.governors import NOT_GOVERNED, Governance

CONTAINER, POD = "Container", "Pod"
_BEST_EFFORT_SCOPES = frozenset({"BestEffort", "NotBestEffort"})
_NO_ROOM: Mapping[Resource, Decimal] = dict.fromkeys(Resource, Decimal(0))
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)  # of an object with other types than the API's


@dataclass(frozen=True, slots=True)
class LimitRangeRule:
    """An entry of a LimitRange's `spec.limits`; `applies_to` is its type, Container or Pod."""

    applies_to: str
    minimum: Mapping[Resource, Decimal]
    maximum: Mapping[Resource, Decimal]
    max_limit_request_ratio: Mapping[Resource, Decimal]


@dataclass(frozen=True, slots=True)
class Quota:
    """The resources that a ResourceQuota counts, and whether it has a BestEffort or NotBestEffort scope."""

    requests: frozenset[Resource]
    limits: frozenset[Resource]
    has_best_effort_scope: bool


@dataclass(frozen=True, slots=True)
class Constraints:
    """All constraints of a namespace, and what the autoscalers of the workload decide on."""

    limit_ranges: tuple[LimitRangeRule, ...] = ()
    quotas: tuple[Quota, ...] = ()
    governance: Governance = NOT_GOVERNED

    def count_requests(self, resource: Resource) -> bool:
        """True if a quota counts requests of *resource*."""
        return any(resource in quota.requests for quota in self.quotas)

    def count_limits(self, resource: Resource) -> bool:
        """True if a quota counts limits of *resource*."""
        return any(resource in quota.limits for quota in self.quotas)

    @property
    def have_best_effort_scope(self) -> bool:
        """True if a quota selects Pods by whether they are BestEffort."""
        return any(quota.has_best_effort_scope for quota in self.quotas)


def read_limit_range(manifest: Mapping[str, Any]) -> tuple[LimitRangeRule, ...]:
    """The rules of a LimitRange for CPU and memory of containers and Pods; other types are ignored."""
    try:
        entries = manifest["spec"].get("limits") or ()
        return tuple(_read_rule(entry) for entry in entries if entry.get("type") in {CONTAINER, POD})
    except _MALFORMED:
        return tuple(LimitRangeRule(kind, {}, _NO_ROOM, {}) for kind in (CONTAINER, POD))


def _read_rule(entry: Mapping[str, Any]) -> LimitRangeRule:
    maximum: Mapping[Resource, Decimal]
    try:
        minimum, maximum, ratio = (_amounts(entry.get(key)) for key in ("min", "max", "maxLimitRequestRatio"))
    except (ArithmeticError, *_MALFORMED):
        minimum, maximum, ratio = {}, _NO_ROOM, {}
    return LimitRangeRule(entry["type"], minimum, maximum, ratio)


def _amounts(quantities: Mapping[str, Any] | None) -> dict[Resource, Decimal]:
    texts = quantities or {}
    return {resource: parse_quantity(str(texts[resource])) for resource in Resource if resource in texts}


def read_quota(manifest: Mapping[str, Any]) -> Quota:
    """The counted resources of a ResourceQuota, from its `spec` and from the enforced `status`."""
    try:
        return _read_quota(manifest)
    except _MALFORMED:
        return Quota(frozenset(Resource), frozenset(Resource), has_best_effort_scope=True)


def _read_quota(manifest: Mapping[str, Any]) -> Quota:
    spec, status = manifest["spec"], manifest.get("status") or {}
    counted = {*(spec.get("hard") or ()), *(status.get("hard") or ())}
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scopes = {*(spec.get("scopes") or ()), *(expression.get("scopeName") for expression in selected)}
    return Quota(
        frozenset(resource for resource in Resource if counted & {resource.value, f"requests.{resource}"}),
        frozenset(resource for resource in Resource if f"limits.{resource}" in counted),
        not _BEST_EFFORT_SCOPES.isdisjoint(scopes),
    )
