"""The requests that a VerticalPodAutoscaler sets, which are left to it."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.profiles import Resource
from app.rightsizing.governors import Governor, GovernorKind
from app.vpa.autoscaler import VerticalAutoscaler, read_autoscaler
from app.vpa.container_policies import policy_of
from app.vpa.update_mode import UpdateMode


def read_vertical(manifest: Mapping[str, Any]) -> Governor:
    """The governor in an object, which decides on nothing unless it has a recommendation."""
    return governor_of(read_autoscaler(manifest))


def governor_of(autoscaler: VerticalAutoscaler) -> Governor:
    """What *autoscaler* decides on: what its mode, its policies and its recommendations let it set.

    A container without a recommendation is left to the webhook: it would have no size otherwise.
    """
    acts = autoscaler.has_target and autoscaler.mode is not UpdateMode.OFF
    governed = tuple(sorted(_governed(autoscaler))) if acts else ()
    return Governor(GovernorKind.VERTICAL, autoscaler.target, containers=governed)


def _governed(autoscaler: VerticalAutoscaler) -> Iterator[tuple[str, frozenset[Resource]]]:
    for recommendation in autoscaler.status.recommendations:
        policy = policy_of(recommendation.container, autoscaler.policies)
        resources = policy.resources.intersection(recommendation.target)
        if resources and not policy.is_off:
            yield recommendation.container, resources
