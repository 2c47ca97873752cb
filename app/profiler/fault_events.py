"""Events on faults that a user has to correct; pure. Each text of an object has one in a leader's term."""

from collections.abc import Iterable, Mapping

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


class AnnouncedFaults:
    """The faults of which there was an Event: one for each text of an object in a leader's term."""

    def __init__(self) -> None:
        self._announced: dict[Workload, str] = {}

    def take_new(self, faults: Mapping[Workload, str]) -> dict[Workload, str]:
        """The *faults* that are not announced yet; they are from now on."""
        new = {subject: text for subject, text in faults.items() if self._announced.get(subject) != text}
        self._announced = dict(faults)
        return new

    def forget(self, subjects: Iterable[Workload]) -> None:
        """Announce the faults of *subjects* again."""
        for subject in subjects:
            self._announced.pop(subject, None)
