"""Autoscalers that decide on the requests of a workload, which the webhook leaves as they are; pure.

A HorizontalPodAutoscaler compares usage with requests: another request changes the number of replicas. A
VerticalPodAutoscaler sets the requests itself.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.pod_spec import PodResources

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_NOTHING: Mapping[Any, Any] = MappingProxyType({})  # shared, since most workloads have no governor


class GovernorKind(StrEnum):
    """The kinds of autoscalers, as tables name them."""

    HORIZONTAL = "HPA"
    VERTICAL = "VPA"


_REASONS = {
    GovernorKind.HORIZONTAL: "a HorizontalPodAutoscaler scales on it",
    GovernorKind.VERTICAL: "a VerticalPodAutoscaler sets it",
}


@dataclass(frozen=True, slots=True)
class Governor:
    """One autoscaler: the resources on which it acts, of all containers or of each by its name."""

    kind: GovernorKind
    target: Workload
    resources: frozenset[Resource] = frozenset()
    containers: tuple[tuple[str, frozenset[Resource]], ...] = ()

    def __str__(self) -> str:
        """`HPA cpu`; `VPA cpu memory`."""
        return " ".join((self.kind, *sorted(self.resources.union(*(one for _, one in self.containers)))))

    @property
    def acts(self) -> bool:
        """True if it decides on any request."""
        return bool(self.resources or self.containers)


@dataclass(frozen=True, slots=True)
class Governance:
    """What the autoscalers of one workload decide on: reasons by resource, and those of single containers."""

    resources: Mapping[Resource, str] = field(default_factory=lambda: _NOTHING)
    containers: Mapping[Resource, Mapping[str, str]] = field(default_factory=lambda: _NOTHING)

    def leave(
        self, needs: Mapping[Resource, ContainerNeeds], pod: PodResources
    ) -> Mapping[Resource, ContainerNeeds]:
        """*needs* without those of the containers of *pod* whose requests an autoscaler sets.

        It sets none of native sidecars, even if it has a recommendation for one.
        """
        if not self.containers:
            return needs
        names = {container.name for container in pod.containers}
        reasons = {
            resource: {name: reason for name, reason in governed.items() if name in names}
            for resource, governed in self.containers.items()
        }
        return {resource: need.keeping(reasons.get(resource, _NOTHING)) for resource, need in needs.items()}


NOT_GOVERNED = Governance()


def governance_of(governors: Iterable[Governor]) -> Governance:
    """What the *governors* of one workload decide on together."""
    resources: dict[Resource, str] = {}
    containers: dict[Resource, dict[str, str]] = {}
    for governor in governors:
        reason = _REASONS[governor.kind]
        for resource in governor.resources:
            resources.setdefault(resource, reason)
        for name, governed in governor.containers:
            for resource in governed:
                containers.setdefault(resource, {}).setdefault(name, reason)
    return Governance(resources, containers) if resources or containers else NOT_GOVERNED


def read_horizontal(manifest: Mapping[str, Any]) -> Governor:
    """A HorizontalPodAutoscaler (autoscaling/v1).

    In that version the spec has only a CPU target; all other metrics are JSON in an annotation.

    Raises:
        KeyError, TypeError, AttributeError: it has no target, or is no such object.
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
        return Governor(GovernorKind.HORIZONTAL, workload, frozenset(Resource))
    # Without any metric, the autoscaler scales on CPU.
    scaled = scaled | {Resource.CPU} if has_cpu_target or not metrics else scaled
    return Governor(GovernorKind.HORIZONTAL, workload, scaled)


def _scaled_resource(metric: Mapping[str, Any]) -> Resource | None:
    source = metric.get("resource") or metric.get("containerResource") or {}
    name = source.get("name")
    return Resource(name) if name in set(Resource) else None
