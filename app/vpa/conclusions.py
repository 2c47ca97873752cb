"""The whole status of a VerticalPodAutoscaler: its recommendation, and conditions that say why it is so.

Conditions have the types of VPA's own recommender. `RecommendationProvided` is always there, and the others
while they hold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.rightsizing.policy import SchedulingPolicy
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.recommendation import LimitBelowNeed, Recommended, TargetFacts, recommend
from app.vpa.status import AutoscalerStatus, Condition, ordered

PROVIDED, LOW_CONFIDENCE = "RecommendationProvided", "LowConfidence"
NO_PODS, UNSUPPORTED = "NoPodsMatched", "ConfigUnsupported"
LIMIT_BELOW_NEED = "LimitBelowNeed"
_MAX_LISTED = 8
Reason = tuple[str, str]  # a CamelCase word and a sentence


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The status that an object is to have, with no times, and the limits of its target that are too low."""

    status: AutoscalerStatus
    limits: tuple[LimitBelowNeed, ...] = ()


def conclude(autoscaler: VerticalAutoscaler, facts: TargetFacts, policy: SchedulingPolicy) -> Conclusion:
    """What follows for *autoscaler* from what is known of its target."""
    is_supported = autoscaler.has_target and facts.parent is None
    recommended = recommend(autoscaler, facts, policy) if is_supported else Recommended()
    conditions = [
        _provided(autoscaler, facts, recommended),
        *_if_any(LOW_CONFIDENCE, _low_confidence(recommended, policy)),
        *_if_any(NO_PODS, _missing_target(autoscaler, facts)),
        *_if_any(UNSUPPORTED, _unsupported(autoscaler, facts, recommended)),
    ]
    status = AutoscalerStatus(recommended.containers, ordered(conditions), autoscaler.generation)
    return Conclusion(status, recommended.limits)


def _provided(autoscaler: VerticalAutoscaler, facts: TargetFacts, recommended: Recommended) -> Condition:
    if recommended.containers:
        return Condition(PROVIDED, is_true=True)
    if not autoscaler.has_target or facts.parent:
        reason, message = "InvalidTarget", "see ConfigUnsupported"
    elif not facts.profiles:
        reason = "NoProfile"
        message = (
            f"{autoscaler.target.full_name} has no CPU or memory profile: `job-profiler explain` says why"
        )
    elif len(recommended.too_low) == len(facts.profiles):
        reason, message = LOW_CONFIDENCE, "see LowConfidence"
    elif recommended.off:
        reason = "TurnedOff"
        message = _listed(f"{name}: {why}" for name, why in recommended.off.items())
    else:
        reason, message = "NoContainer", "the policies leave no resource of a container with a profile"
    return Condition(PROVIDED, is_true=False, reason=reason, message=message)


def _low_confidence(recommended: Recommended, policy: SchedulingPolicy) -> Iterator[Reason]:
    needed = f"{policy.min_confidence:.2f} (SCHEDULING_MIN_CONFIDENCE); 24 h with samples give 0.50"
    for resource, confidence in recommended.too_low.items():
        yield "BelowMinimum", f"{resource}: the confidence is {confidence:.2f}, and it takes {needed}"


def _missing_target(autoscaler: VerticalAutoscaler, facts: TargetFacts) -> Iterator[Reason]:
    if facts.is_missing and autoscaler.has_target:
        kept = "; the recommendation is that of its last Pods" if facts.profiles else ""
        yield "TargetNotFound", f"there is no {autoscaler.target.full_name}{kept}"


def _unsupported(
    autoscaler: VerticalAutoscaler, facts: TargetFacts, recommended: Recommended
) -> Iterator[Reason]:
    if not autoscaler.has_target:
        yield "InvalidTarget", "targetRef has no name or no kind that an object can have"
    if facts.parent:
        yield (
            "InvalidTarget",
            f"{autoscaler.target.full_name} is created by {facts.parent.full_name}: target that one",
        )
    for container_policy in autoscaler.policies:
        place = f"of container {container_policy.container}"
        for resource in container_policy.contradictions():
            yield (
                "MinAboveMax",
                f"minAllowed {place} is above maxAllowed for {resource}: the maximum counts",
            )
    for limit in recommended.limits:
        yield LIMIT_BELOW_NEED, str(limit)


def _if_any(kind: str, reasons: Iterable[Reason]) -> Iterator[Condition]:
    """A condition with the first reason and all sentences, if there are any."""
    found = list(reasons)
    if found:
        yield Condition(kind, is_true=True, reason=found[0][0], message=_listed(text for _, text in found))


def _listed(sentences: Iterable[str]) -> str:
    found = list(sentences)
    more = [f"and {len(found) - _MAX_LISTED} more"] if len(found) > _MAX_LISTED else []
    return "; ".join([*found[:_MAX_LISTED], *more])
