"""An Event on a workload, as `kubectl describe` shows it."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.workloads import Workload


class EventReason(StrEnum):
    """Reasons of Events; changes are in the order of priority that applies when there are too many."""

    REQUESTS = "RequestsChanged"
    CHANGED = "ProfileChanged"
    CREATED = "ProfileCreated"
    EXPIRED = "ProfileExpired"
    INVALID_POLICY = "InvalidPolicy"
    INVALID_VPA_LABEL = "InvalidVpaLabel"
    LIMIT_BELOW_NEED = "LimitBelowNeed"

    @property
    def is_fault(self) -> bool:
        """True for what a user has to correct."""
        return self in _FAULTS


_FAULTS = {EventReason.INVALID_POLICY, EventReason.INVALID_VPA_LABEL, EventReason.LIMIT_BELOW_NEED}


@dataclass(frozen=True, slots=True)
class WorkloadEvent:
    """One Event on a workload's object, or on a Namespace; the UID is empty if it is unknown."""

    workload: Workload
    api_version: str
    uid: str
    reason: EventReason
    message: str
