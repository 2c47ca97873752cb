"""New requests, and limits where asked for, of the containers of a Pod.

Nothing changes that could have the Pod refused: what is proposed is judged by the API server's own rules, and
where it breaks one that the Pod as given keeps, that resource stays as it was. What is said follows from the
Pod as it becomes, so that a second look at it changes nothing and says the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.admission_rules import QualityOfService, quality_of_service, violations
from app.rightsizing.amounts import PodAmounts, format_amount, read_amounts
from app.rightsizing.constraints import Constraints
from app.rightsizing.pods import ContainerResources, PodResources
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.sizing import ContainerSizer, allowance
from app.rightsizing.summaries import NO_PROFILE, Summary, as_given

__all__ = ["ContainerChange", "ContainerNeeds", "ContainerResources", "PodResources", "Resizing", "resize"]


@dataclass(frozen=True, slots=True)
class ContainerNeeds:
    """What the containers need of one resource, by name, in cores or bytes."""

    containers: Mapping[str, Decimal]
    confidence: float


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """New values of one container; `group` is containers or initContainers, `index` its place there."""

    group: str
    index: int
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resizing:
    """What changes, and what is said of it: the same words for the Pod after the change, never none."""

    changes: tuple[ContainerChange, ...]
    summary: str


def resize(
    pod: PodResources,
    needs: Mapping[Resource, ContainerNeeds],
    constraints: Constraints,
    policy: SchedulingPolicy,
) -> Resizing:
    """What to set so that containers request what they need, as far as everything else allows.

    The changes of one resource are all made, or none of them.
    """
    try:
        given = {resource: read_amounts(pod, resource) for resource in Resource}
    except ValueError:
        return _kept("a quantity can't be read")
    if reason := _reason_to_keep(pod, given, constraints):
        return _kept(reason)
    final = dict(given)
    reasons: dict[Resource, str] = {}
    for resource in Resource:
        sized = _sized(resource, given[resource], needs.get(resource), constraints, policy)
        if isinstance(sized, str):
            reasons[resource] = sized
        else:
            final[resource] = sized
    if quality_of_service(final) is QualityOfService.GUARANTEED:
        return _kept("it would become Guaranteed")
    sizable = {resource: needs[resource].containers for resource in Resource if resource not in reasons}
    summary = Summary(sizable, reasons, constraints, policy)
    return Resizing(tuple(_changes(pod, given, final)), summary.of(final))


def _kept(reason: str) -> Resizing:
    return Resizing((), as_given(reason))


def _reason_to_keep(
    pod: PodResources, given: Mapping[Resource, PodAmounts], constraints: Constraints
) -> str | None:
    """Why nothing of *pod* is touched."""
    if pod.has_pod_level:
        # From what its containers request, the API server derives what the Pod does not say itself.
        return "the Pod has resources as a whole"
    quality = quality_of_service(given)
    if quality is QualityOfService.GUARANTEED:
        return "it is Guaranteed"
    if quality is QualityOfService.BEST_EFFORT and constraints.tell_best_effort:
        return "a quota counts BestEffort Pods apart"
    return None


def _sized(
    resource: Resource,
    given: PodAmounts,
    needs: ContainerNeeds | None,
    constraints: Constraints,
    policy: SchedulingPolicy,
) -> PodAmounts | str:
    """The amounts of *resource* after sizing, or the reason why they stay as given."""
    if resource in constraints.scaled:
        return "an autoscaler scales on it"
    if needs is None:
        return NO_PROFILE
    if needs.confidence < policy.min_confidence:
        return "too little was seen yet"
    sizer = ContainerSizer(
        resource, allowance(resource, constraints), policy.bounds[resource], policy.deadband
    )
    sized = sizer.sized(given, needs.containers)
    if violations(resource, sized, constraints) <= violations(resource, given, constraints):
        return sized
    return "a LimitRange would refuse it"


def _changes(
    pod: PodResources, given: Mapping[Resource, PodAmounts], final: Mapping[Resource, PodAmounts]
) -> Iterator[ContainerChange]:
    places = [(group, index) for group, found in pod.groups.items() for index in range(len(found))]
    for position, (group, index) in enumerate(places):
        requests: dict[str, str] = {}
        limits: dict[str, str] = {}
        for resource in Resource:
            before, after = given[resource][position], final[resource][position]
            if after.limit is not None and after.limit != before.limit:
                limits[resource.value] = format_amount(resource, after.limit)
            # A request that is not written follows from the limit, and would change with it.
            is_written = resource.value in pod.groups[group][index].requests
            if after.request is not None and (
                after.request != before.request or (resource.value in limits and not is_written)
            ):
                requests[resource.value] = format_amount(resource, after.request)
        if requests or limits:
            yield ContainerChange(group, index, requests, limits)
