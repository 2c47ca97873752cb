"""What keeps a VerticalPodAutoscaler from helping its target."""

from collections.abc import Iterable, Iterator

from app.decisions.scaling_targets import HorizontalAutoscaler, UtilizationTarget
from app.domain.annotations import VPA_CONTROLLED_VALUES, VPA_LABEL, VPA_MIN_REPLICAS
from app.domain.profiles import Resource
from app.domain.workload_state import ContainerRequests
from app.rightsizing.policy import SchedulingPolicy
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.container_policies import policy_of
from app.vpa.keeping import is_own
from app.vpa.recommendation import TargetFacts, recommend
from app.vpa.update_mode import UpdateMode

_NOTHING = ContainerRequests("")
_UPDATERS_MINIMUM = 2  # replicas, unless an object or a flag of the updater says otherwise


def vpa_notes(
    autoscaler: VerticalAutoscaler,
    facts: TargetFacts,
    replicas: int | None,
    policy: SchedulingPolicy,
    recommender: str,
) -> Iterator[str]:
    """Sentences on the object; limits count only where *recommender* serves it."""
    least = autoscaler.min_replicas or _UPDATERS_MINIMUM
    if autoscaler.mode.changes_running_pods and replicas and replicas < least:
        running = "its only replica" if replicas == 1 else f"its {replicas} replicas"
        how = f"the label {VPA_MIN_REPLICAS}" if is_own(autoscaler) else "minReplicas"
        yield f"VPA's updater leaves {running} alone: set {how} to {replicas}"
    if autoscaler.mode is UpdateMode.IN_PLACE_OR_RECREATE and (reason := _eviction_reason(autoscaler, facts)):
        yield f"VPA's updater evicts its Pods, and resizes none in place: {reason}"
    if autoscaler.recommenders == (recommender,) and autoscaler.has_target:
        yield from map(str, recommend(autoscaler, facts, policy).limits)


def scaling_notes(
    autoscaler: VerticalAutoscaler, facts: TargetFacts, horizontal: Iterable[HorizontalAutoscaler]
) -> Iterator[str]:
    """Sentences on HorizontalPodAutoscalers of the same target whose targets are shares of what it sets."""
    if autoscaler.mode is UpdateMode.OFF:
        return
    for one in horizontal:
        for resource in dict.fromkeys(
            target.resource for target in one.targets if _sets(autoscaler, facts, target)
        ):
            if is_own(autoscaler):
                how = f"set the label {VPA_LABEL} to Off, or write an object that controls the rest"
            else:
                how = f"leave {resource} out of controlledResources"
            yield f"it sets what HorizontalPodAutoscaler {one.name} scales on ({resource}): {how}"


def _sets(autoscaler: VerticalAutoscaler, facts: TargetFacts, target: UtilizationTarget) -> bool:
    """True if the object may set a request that *target* is a share of."""
    names = {target.container} if target.container else facts.template.containers or {""}
    policies = (policy_of(name, autoscaler.policies) for name in names)
    return any(target.resource in policy.resources and not policy.is_off for policy in policies)


def _eviction_reason(autoscaler: VerticalAutoscaler, facts: TargetFacts) -> str:
    """Why no resize of a Pod of the template is accepted: its quality of service class would change."""
    names, amounts = facts.template.containers, [facts.amounts.of(resource) for resource in Resource]
    if not names or facts.amounts.pod_level:
        return ""
    stated = [{one.name: one for one in amount.containers} for amount in amounts]
    if not any(stated):
        return "without requests and limits they are BestEffort, and stay so in a resize"
    every = [one.get(name, _NOTHING) for one in stated for name in names]
    is_guaranteed = all(one.limit and one.request == one.limit for one in every)
    policies = (policy_of(name, autoscaler.policies) for name in names)
    if is_guaranteed and any(policy.requests_only and not policy.is_off for policy in policies):
        how = f"set the label {VPA_CONTROLLED_VALUES} to" if is_own(autoscaler) else "set controlledValues to"
        return f"they are Guaranteed, and RequestsOnly makes them Burstable: {how} RequestsAndLimits"
    return ""
