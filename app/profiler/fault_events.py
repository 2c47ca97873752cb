"""Events on faults that a user has to correct; pure."""

from collections.abc import Mapping

from app.domain.annotations import POLICY_PREFIX
from app.domain.api_versions import API_VERSIONS
from app.domain.fair_shares import in_turn
from app.domain.workloads import NAMESPACE, Workload
from app.profiler.workload_event import EventReason, WorkloadEvent

MAX_LENGTH = 900  # of an Event's message there are 1,024 characters
_PREFIXES = {
    EventReason.INVALID_POLICY: f"annotations {POLICY_PREFIX}… without effect: ",
    EventReason.INVALID_VPA_LABEL: "labels without effect; the VerticalPodAutoscaler stays as it is: ",
}


def fault_events(
    faults: Mapping[Workload, str], uids: Mapping[Workload, str], reason: EventReason
) -> list[WorkloadEvent]:
    """An Event for the faults of each workload or namespace that has an object; namespaces take turns."""
    events = [
        WorkloadEvent(
            subject,
            API_VERSIONS[subject.kind],
            uids.get(subject, ""),
            reason,
            f"{_PREFIXES.get(reason, '')}{text}",
        )
        for subject, text in sorted(faults.items())
        if subject in uids or subject.kind == NAMESPACE
    ]
    return in_turn(events, lambda event: event.workload.namespace)
