"""What is done with a Pod, and the reason wherever that is nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import fitting, foreign_bytes, opted_out
from app.domain.workloads import POD, Owner, Workload, bare_pod, owner_workload
from app.webhook.patching import build_patch
from app.webhook.reviews import Metadata, Request


class SkipReason(StrEnum):
    """Why a Pod passes without a change; the values are those of the metric's label."""

    NOT_A_POD_CREATION = "not_a_pod_creation"
    NAMESPACE_OUT_OF_SCOPE = "namespace_out_of_scope"
    OPTED_OUT = "opted_out"
    INDEX_NOT_SYNCED = "index_not_synced"
    NO_OWNER = "no_owner"
    NO_PROFILE = "no_profile"
    UP_TO_DATE = "up_to_date"
    ANNOTATIONS_TOO_LARGE = "annotations_too_large"
    UNREADABLE_POD = "unreadable_pod"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Decision:
    """The patch, possibly empty, and why it is empty or smaller than it could be."""

    patch: list[dict[str, Any]]
    reason: SkipReason | None = None


def decide(request: Request, index: AnnotationIndex, in_scope: Callable[[str], bool]) -> Decision:
    """What to do with the Pod of *request*: give our annotations exactly the values that the index knows."""
    if request.kind.kind != "Pod" or request.kind.group or request.operation != "CREATE":
        return Decision([], SkipReason.NOT_A_POD_CREATION)
    if request.subResource or request.object is None:
        return Decision([], SkipReason.NOT_A_POD_CREATION)
    if not in_scope(request.namespace):
        return Decision([], SkipReason.NAMESPACE_OUT_OF_SCOPE)
    metadata = request.object.metadata
    if opted_out(metadata.labels):
        return Decision([], SkipReason.OPTED_OUT)
    if not index.is_synced:
        return Decision([], SkipReason.INDEX_NOT_SYNCED)
    return _decide_on_annotations(metadata, _workload(request.namespace, metadata), index)


def _decide_on_annotations(metadata: Metadata, workload: Workload, index: AnnotationIndex) -> Decision:
    known = index.annotations(workload)
    wanted = fitting(foreign_bytes(metadata.annotations), known) if known else known
    absent = SkipReason.NO_OWNER if workload.kind == POD else SkipReason.NO_PROFILE
    reason = None if known else absent
    if len(wanted) < len(known):
        reason = SkipReason.ANNOTATIONS_TOO_LARGE
    patch = build_patch(metadata.annotations, wanted)
    return Decision(patch, reason if patch or reason else SkipReason.UP_TO_DATE)


def _workload(namespace: str, metadata: Metadata) -> Workload:
    references = metadata.ownerReferences or ()
    controller = next((reference for reference in references if reference.controller), None)
    owner = Owner(controller.kind, controller.name) if controller else None
    owned = owner_workload(namespace, owner, metadata.labels or {})
    return owned or bare_pod(namespace, metadata.name, metadata.generateName)
