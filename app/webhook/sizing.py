"""The requests of a Pod from its workload's profiles, where namespace or Pod ask; never a reason to fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import structlog

from app.domain.annotations import is_scheduling_enabled
from app.domain.workloads import Workload
from app.rightsizing.operations import resource_operations
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.resizing import resize
from app.webhook.constraint_index import ConstraintIndex
from app.webhook.need_index import NeedIndex
from app.webhook.pod_resources import UnreadableResourcesError, read_resources
from app.webhook.reviews import Pod

log = structlog.get_logger(__name__)


class SizingOutcome(StrEnum):
    """What became of the requests of a Pod that asked; the values are those of the metric's label."""

    RESIZED = "resized"
    UNCHANGED = "unchanged"
    NO_PROFILE = "no_profile"
    NOT_SYNCED = "constraints_not_synced"
    UNREADABLE = "unreadable_resources"
    ANNOTATIONS_TOO_LARGE = "annotations_too_large"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Sizing:
    """What is done with a Pod's requests, and the words that its annotation says it in.

    Without an outcome the Pod does not ask. Where it is not known what is to be done, an annotation that says
    what was done is neither right nor wrong.
    """

    outcome: SizingOutcome | None = None
    summary: str = ""
    operations: Sequence[dict[str, Any]] = ()
    is_known: bool = True


class RequestSizer(Protocol):
    """Decides on a Pod's requests; it never raises."""

    def size(self, pod: Pod, workload: Workload) -> Sizing:
        """What is done with the requests of *pod*, which belongs to *workload*."""


NOT_SIZED = Sizing(is_known=False)  # where there is no sizer
NO_ROOM = Sizing(SizingOutcome.ANNOTATIONS_TOO_LARGE)  # for the summary among the Pod's annotations
_NOT_ASKED = Sizing()
_NOT_SYNCED = Sizing(SizingOutcome.NOT_SYNCED, is_known=False)


class PodSizer:
    """The sizer of the product: needs, constraints and policy, all in memory."""

    def __init__(self, needs: NeedIndex, constraints: ConstraintIndex, policy: SchedulingPolicy) -> None:
        self._needs, self._constraints, self._policy = needs, constraints, policy

    def size(self, pod: Pod, workload: Workload) -> Sizing:
        """What is done; whatever goes wrong here leaves the requests as they are."""
        try:
            return self._size(pod, workload) if self._asks(pod, workload.namespace) else _NOT_ASKED
        except UnreadableResourcesError:
            return Sizing(SizingOutcome.UNREADABLE)
        except Exception:
            log.exception("resizing_failed_open", workload=str(workload))
            return Sizing(SizingOutcome.INTERNAL_ERROR)

    def _asks(self, pod: Pod, namespace: str) -> bool:
        """True also while the namespace is not known: it might ask."""
        said = is_scheduling_enabled(pod.metadata.labels)
        if said is not None:
            return said
        return not self._constraints.is_synced or self._constraints.asks(namespace)

    def _size(self, pod: Pod, workload: Workload) -> Sizing:
        constraints = self._constraints.of(workload)
        if constraints is None:
            return _NOT_SYNCED
        needs = self._needs.needs(workload)
        if not needs:
            return Sizing(SizingOutcome.NO_PROFILE)
        resources = read_resources(pod.spec)
        resizing = resize(resources, needs, constraints, self._policy)
        operations = resource_operations(resources, resizing)
        outcome = SizingOutcome.RESIZED if operations else SizingOutcome.UNCHANGED
        return Sizing(outcome, resizing.summary, operations)
