"""Autoscalers that govern the requests of a workload: HorizontalPodAutoscalers and VerticalPodAutoscalers.

A HorizontalPodAutoscaler compares usage with requests: another request changes the number of replicas. A
VerticalPodAutoscaler sets the requests itself, unless its update mode is Off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.profiles import Resource
from app.domain.untyped import mapping_in, text_in
from app.domain.workloads import Workload
from app.rightsizing.constraints import read_autoscaler


@dataclass(frozen=True, slots=True, order=True)
class Governor:
    """An autoscaler: `HPA` or `VPA`, and the resources on which it acts."""

    kind: str
    resources: tuple[Resource, ...] = ()

    def __str__(self) -> str:
        """`HPA cpu`; `VPA`."""
        return " ".join((self.kind, *self.resources))


def governors_of(
    horizontal: Iterable[Mapping[str, Any]], vertical: Iterable[Mapping[str, Any]]
) -> dict[Workload, Sequence[Governor]]:
    """The autoscalers by the workload that they govern; an object that can't be read is left out."""
    governors: dict[Workload, list[Governor]] = {}
    for manifest in horizontal:
        try:
            target, resources = read_autoscaler(manifest)
        except (KeyError, TypeError, AttributeError):
            continue
        if resources:
            governors.setdefault(target, []).append(Governor("HPA", tuple(sorted(resources))))
    for manifest in vertical:
        target_of_vpa = _target(manifest)
        if target_of_vpa:
            governors.setdefault(target_of_vpa, []).append(Governor("VPA"))
    return {workload: sorted(found) for workload, found in governors.items()}


def _target(manifest: Mapping[str, Any]) -> Workload | None:
    """The target of a VerticalPodAutoscaler that sets requests."""
    spec = mapping_in(manifest.get("spec"))
    target, namespace = (
        mapping_in(spec.get("targetRef")),
        mapping_in(manifest.get("metadata")).get("namespace"),
    )
    name, kind = text_in(target.get("name")), text_in(target.get("kind"))
    if mapping_in(spec.get("updatePolicy")).get("updateMode") == "Off" or not (name and kind):
        return None
    return Workload(text_in(namespace), name, kind)
