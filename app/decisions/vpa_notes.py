"""What keeps a VerticalPodAutoscaler from helping its target."""

from collections.abc import Iterator

from app.domain.annotations import VPA_MIN_REPLICAS
from app.rightsizing.policy import SchedulingPolicy
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.keeping import is_own
from app.vpa.recommendation import TargetFacts, recommend

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
    if autoscaler.recommenders == (recommender,) and autoscaler.has_target:
        yield from map(str, recommend(autoscaler, facts, policy).limits)
