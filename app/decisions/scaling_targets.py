"""Targets of HorizontalPodAutoscalers beside requests: the pair of both that keeps the replicas; pure.

A target of utilization is a percentage of the request of a Pod, or of one container. With another request,
the autoscaler acts at the same usage if

    new target = target * request / new request

A target of type AverageValue is a usage, and no request changes it; nor does one matter to other metrics.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from app.domain.profiles import Resource
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.workloads import Workload

# The fields of a metric on a resource, by its type.
_SOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}
_LARGEST_TARGET = 2**31 - 1  # an int32
_EXACT = Decimal("0.01")  # the largest share by which a rounded target may be off without a word
_ONE_PERCENT = Decimal(1) / 100
OldAndNew = tuple[Decimal | None, Decimal | None]
Requests = Mapping[Resource, Mapping[str, OldAndNew]]  # of each container of the Pod template


@dataclass(frozen=True, slots=True)
class UtilizationTarget:
    """A metric that compares usage with requests, by its place in `spec.metrics`.

    Without a `container` it is of all containers of the Pod. *source* is the field that holds it.
    """

    index: int
    source: str
    resource: Resource
    container: str
    percent: int


@dataclass(frozen=True, slots=True)
class HorizontalAutoscaler:
    """A HorizontalPodAutoscaler of `autoscaling/v2` or `v2beta2`, which have the same fields here."""

    namespace: str
    name: str
    api_version: str
    metrics: Sequence[Mapping[str, Any]]
    targets: tuple[UtilizationTarget, ...]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


Autoscalers = Mapping[Workload, Sequence[HorizontalAutoscaler]]


def read_autoscalers(manifests: Iterable[Mapping[str, Any]], api_version: str) -> Autoscalers:
    """The autoscalers that compare usage with requests, by the workload that they scale."""
    found: dict[Workload, list[HorizontalAutoscaler]] = {}
    for manifest in manifests:
        metadata, spec = mapping_in(manifest.get("metadata")), mapping_in(manifest.get("spec"))
        scaled = mapping_in(spec.get("scaleTargetRef"))
        namespace, name = text_in(metadata.get("namespace")), text_in(metadata.get("name"))
        metrics = [mapping_in(metric) for metric in list_in(spec.get("metrics"))]
        targets = tuple(_targets(metrics))
        if targets and name:
            workload = Workload(namespace, text_in(scaled.get("name")), text_in(scaled.get("kind")))
            autoscaler = HorizontalAutoscaler(namespace, name, api_version, metrics, targets)
            found.setdefault(workload, []).append(autoscaler)
    return found


def _targets(metrics: Sequence[Mapping[str, Any]]) -> Iterator[UtilizationTarget]:
    for index, metric in enumerate(metrics):
        source = _SOURCES.get(text_in(metric.get("type")), "")
        measured = mapping_in(metric.get(source))
        name, target = text_in(measured.get("name")), mapping_in(measured.get("target"))
        percent = target.get("averageUtilization")
        if target.get("type") == "Utilization" and isinstance(percent, int) and name in set(Resource):
            yield UtilizationTarget(
                index, source, Resource(name), text_in(measured.get("container")), percent
            )


@dataclass(frozen=True, slots=True)
class ScalingPair:
    """A request and the target that goes with it, now and then; `request` is what the target is a share of.

    Without a `new_target` no target keeps the behaviour, and `problem` says why; beside one, `problem` says
    what the target does not keep.
    """

    autoscaler: HorizontalAutoscaler
    target: UtilizationTarget
    request: Decimal
    new_request: Decimal
    new_target: int | None
    problem: str = ""

    @property
    def usage(self) -> Decimal:
        """The usage of a Pod, or of the container, at which the autoscaler adds none and removes none."""
        return self.request * self.target.percent * _ONE_PERCENT


def pairs(
    autoscalers: Iterable[HorizontalAutoscaler], changes: Requests, added: Sequence[str] = ()
) -> list[ScalingPair]:
    """The pairs of all targets that another request would change.

    *changes* are the requests of one Pod, old and new, without those of containers that are *added* to Pods
    later.
    """
    found = []
    for autoscaler in autoscalers:
        for target in autoscaler.targets:
            of_resource = changes.get(target.resource, {})
            if target.container:
                of_resource = {
                    name: amounts for name, amounts in of_resource.items() if name == target.container
                }
            pair = _pair(autoscaler, target, of_resource)
            if pair and pair.new_target and added and not target.container:
                uncounted = f"without {', '.join(added)}, which is added to Pods and counts too"
                pair = replace(pair, problem="; ".join(filter(None, (pair.problem, uncounted))))
            if pair:
                found.append(pair)
    return found


def _pair(
    autoscaler: HorizontalAutoscaler, target: UtilizationTarget, requests: Mapping[str, OldAndNew]
) -> ScalingPair | None:
    """The pair of one target; None if its request stays."""
    if all(old == new for old, new in requests.values()):
        return None
    old, new = (
        sum((pair[place] or Decimal(0) for pair in requests.values()), Decimal(0)) for place in (0, 1)
    )
    missing = sorted(name for name, (before, _) in requests.items() if not before)
    if missing or not new:
        problem = (
            f"{', '.join(missing)} has no {target.resource} request: the autoscaler can't compare with it,"
            " and would begin to"
            if missing
            else "there would be no request to compare with"
        )
        return ScalingPair(autoscaler, target, old, new, None, problem)
    exact = target.percent * old / new
    rounded = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if exact < 1:
        problem = f"the target would be {exact:.2f} %, and the API takes whole numbers from 1 on"
        return ScalingPair(autoscaler, target, old, new, None, problem)
    if rounded > _LARGEST_TARGET:
        problem = f"the target would be {rounded} %, and the API takes at most {_LARGEST_TARGET}"
        return ScalingPair(autoscaler, target, old, new, None, problem)
    off = rounded / exact - 1
    rounding = f"rounded, so that it acts at {off:+.1%} of that usage" if abs(off) > _EXACT else ""
    return ScalingPair(autoscaler, target, old, new, rounded, rounding)
