"""The sizing of a Pod: the operations on its requests, and the outcome; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.webhook.reviews import Pod


class SizingOutcome(StrEnum):
    """The outcome for a Pod with requests from profiles enabled; the values are the metric's label values."""

    RESIZED = "resized"
    UNCHANGED = "unchanged"
    NO_PROFILE = "no_profile"
    NOT_SYNCED = "constraints_not_synced"
    UNREADABLE = "unreadable_resources"
    TOO_MANY_CONTAINERS = "too_many_containers"
    ANNOTATIONS_TOO_LARGE = "annotations_too_large"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Sizing:
    """The operations that size a Pod, and the summary for its annotation.

    `outcome` is None if requests from profiles are not enabled for the Pod. `owns_summary` is false if the
    decision is not known: an existing requests summary is then left as it is. `reasons_to_keep` has the
    reason for each resource that stays unchanged in the whole Pod.
    """

    outcome: SizingOutcome | None = None
    summary: str = ""
    operations: Sequence[dict[str, Any]] = ()
    owns_summary: bool = True
    reasons_to_keep: Mapping[Resource, str] = field(default_factory=dict)


class RequestSizer(Protocol):
    """Sizes the requests of Pods; it never raises."""

    def size(self, pod: Pod, workload: Workload) -> Sizing:
        """The sizing of *pod*, which belongs to *workload*."""


NOT_SIZED = Sizing(owns_summary=False)  # without a sizer
NO_ROOM = Sizing(SizingOutcome.ANNOTATIONS_TOO_LARGE)  # for the summary among the Pod's annotations
