"""New requests, and optionally limits, for the containers of a Pod.

A resizing never leads to a rejected Pod: it is checked against the API server's rules, and a resource stays
unchanged if a rule that the original Pod obeys would be violated. Resizing the resized Pod, which has the
summary, changes nothing and gives the same summary.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.profiles import Resource
from app.rightsizing.admission_rules import QualityOfService, quality_of_service, violations
from app.rightsizing.amounts import PodAmounts, format_amount, read_amounts
from app.rightsizing.constraints import Constraints
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.pod_spec import ContainerResources, PodResources
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.sizing import ContainerSizer, allowance
from app.rightsizing.summaries import NO_PROFILE, Summary, unchanged

__all__ = ["ContainerChange", "ContainerNeeds", "ContainerResources", "PodResources", "Resizing", "resize"]


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """New quantities of one container; `group` is containers or initContainers, `index` its place there."""

    group: str
    index: int
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resizing:
    """The changes and the summary, which is never empty and is the same for the resized Pod with it.

    `reasons_to_keep` has the reason for each resource that stays unchanged in the whole Pod.
    """

    changes: tuple[ContainerChange, ...]
    summary: str
    reasons_to_keep: Mapping[Resource, str]


def resize(
    pod: PodResources,
    needs: Mapping[Resource, ContainerNeeds],
    constraints: Constraints,
    policy: SchedulingPolicy,
    earlier: str = "",
) -> Resizing:
    """The changes that make containers request their needs, within policy and constraints.

    Either all or none of the changes of one resource are made. *earlier* is the summary that the Pod has.
    """
    try:
        original = {resource: read_amounts(pod, resource) for resource in Resource}
    except ValueError:
        return _unchanged("unreadable quantity")
    if reason := _reason_to_keep(pod, original, constraints):
        return _unchanged(reason)
    final = dict(original)
    reasons: dict[Resource, str] = {}
    left = constraints.governance.leave(needs, pod)
    for resource in Resource:
        if reason := _reason_to_keep_resource(resource, needs.get(resource), constraints, policy):
            reasons[resource] = reason
            continue
        sized = _size(resource, original[resource], left[resource], constraints, policy)
        if sized is None:
            reasons[resource] = "a LimitRange would reject it"
        else:
            final[resource] = sized
    if quality_of_service(final) is QualityOfService.GUARANTEED:
        return _unchanged("the Pod would become Guaranteed")
    sizable = {resource: left[resource] for resource in Resource if resource not in reasons}
    summary = Summary(sizable, reasons, constraints, policy)
    return Resizing(tuple(_changes(pod, original, final)), summary.text(original, final, earlier), reasons)


def _unchanged(reason: str) -> Resizing:
    return Resizing((), unchanged(reason), dict.fromkeys(Resource, reason))


def _reason_to_keep(
    pod: PodResources, original: Mapping[Resource, PodAmounts], constraints: Constraints
) -> str | None:
    """The reason to leave the whole Pod unchanged, or None."""
    if pod.pod_level_resources:
        # From the containers' requests the API server derives the Pod-level amounts that are not set.
        return "the Pod has Pod-level resources"
    quality = quality_of_service(original)
    if quality is QualityOfService.GUARANTEED:
        return "the Pod is Guaranteed"
    if quality is QualityOfService.BEST_EFFORT and constraints.have_best_effort_scope:
        return "a ResourceQuota has a BestEffort scope"
    return None


def _reason_to_keep_resource(
    resource: Resource, needs: ContainerNeeds | None, constraints: Constraints, policy: SchedulingPolicy
) -> str:
    """The reason to leave *resource* of all containers unchanged; empty if there is none."""
    if reason := constraints.governance.resources.get(resource):
        return reason
    if needs is None:
        return NO_PROFILE
    if needs.confidence < policy.min_confidence and not needs.reason_to_keep:
        return "confidence below the minimum"
    return needs.reason_to_keep


def _size(
    resource: Resource,
    original: PodAmounts,
    needs: ContainerNeeds,
    constraints: Constraints,
    policy: SchedulingPolicy,
) -> PodAmounts | None:
    """The amounts of *resource* after sizing; None if a LimitRange would reject them."""
    sizer = ContainerSizer(
        resource, allowance(resource, constraints), policy.bounds[resource], policy.deadband
    )
    sized = sizer.size(original, needs)
    is_allowed = violations(resource, sized, constraints) <= violations(resource, original, constraints)
    return sized if is_allowed else None


def _changes(
    pod: PodResources, original: Mapping[Resource, PodAmounts], final: Mapping[Resource, PodAmounts]
) -> Iterator[ContainerChange]:
    places = [(group, index) for group, members in pod.groups.items() for index in range(len(members))]
    for position, (group, index) in enumerate(places):
        requests: dict[str, str] = {}
        limits: dict[str, str] = {}
        for resource in Resource:
            before, after = original[resource][position], final[resource][position]
            if after.limit is not None and after.limit != before.limit:
                limits[resource.value] = format_amount(resource, after.limit)
            # A request that is not written defaults to the limit, and would change with it.
            is_written = resource.value in pod.groups[group][index].requests
            if after.request is not None and (
                after.request != before.request or (resource.value in limits and not is_written)
            ):
                requests[resource.value] = format_amount(resource, after.request)
        if requests or limits:
            yield ContainerChange(group, index, requests, limits)
