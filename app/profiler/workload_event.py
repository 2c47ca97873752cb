"""An Event on a workload, as `kubectl describe` shows it."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.workloads import Workload


class EventReason(StrEnum):
    """Why there is an Event; where there are too many, those of the first reason come first."""

    CHANGED = "ProfileChanged"
    CREATED = "ProfileCreated"
    EXPIRED = "ProfileExpired"


@dataclass(frozen=True, slots=True)
class WorkloadEvent:
    """One Event on the object of a workload; its uid is empty where nobody knows it."""

    workload: Workload
    api_version: str
    uid: str
    reason: EventReason
    message: str
