"""The rule of VPA's updater, as its source states it, on what a status recommends.

kubernetes/autoscaler, vertical-pod-autoscaler/pkg/updater/priority: the updater acts on a Pod if a request of
some container is missing, below the lower bound or above the upper one; or if the Pod is 12 hours old, and
the sum over the resources of |sum of targets - sum of requests| / sum of requests is a tenth or more.
Recommendations for containers that the Pod does not have are left out.
"""

from collections.abc import Mapping
from decimal import Decimal

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.vpa.status import ContainerRecommendation

Requests = Mapping[str, Mapping[Resource, str]]
_OLD_HOURS, _LEAST_DIFFERENCE = 12, Decimal("0.1")


def acts(
    requests: Requests, recommendations: tuple[ContainerRecommendation, ...], *, age_hours: float
) -> bool:
    """True if the updater would resize or evict a Pod of containers with these requests."""
    recommendations = tuple(one for one in recommendations if one.container in requests)
    if any(_is_outside(requests[one.container], one) for one in recommendations):
        return True
    if age_hours < _OLD_HOURS:
        return False
    return sum(_difference(resource, requests, recommendations) for resource in Resource) >= _LEAST_DIFFERENCE


def at_target(recommendations: tuple[ContainerRecommendation, ...]) -> Requests:
    """The requests that VPA's admission controller gives a Pod."""
    return {one.container: one.target for one in recommendations}


def _is_outside(requests: Mapping[Resource, str], one: ContainerRecommendation) -> bool:
    return any(
        resource not in requests
        or not (
            parse_quantity(one.lower[resource])
            <= parse_quantity(requests[resource])
            <= parse_quantity(one.upper[resource])
        )
        for resource in one.target
    )


def _difference(
    resource: Resource, requests: Requests, recommendations: tuple[ContainerRecommendation, ...]
) -> Decimal:
    recommended = [one for one in recommendations if resource in one.target]
    target = sum(parse_quantity(one.target[resource]) for one in recommended)
    request = sum(parse_quantity(requests[one.container][resource]) for one in recommended)
    return abs(target - request) / request if request else Decimal(0)
