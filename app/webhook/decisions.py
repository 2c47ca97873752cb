"""What is done with a Pod, and the reason wherever that is nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import (
    REQUESTS,
    fitting,
    foreign_bytes,
    is_ours,
    is_ours_at_admission,
    opted_out,
)
from app.domain.workloads import POD, Owner, Workload, bare_pod, owner_workload
from app.webhook.patching import build_patch
from app.webhook.reviews import Metadata, Request
from app.webhook.sizing import NO_ROOM, NOT_SIZED, Outcome, Sizer, Sizing


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
    """The patch, possibly empty, and why it is empty or smaller than it could be.

    `resizing` is what became of the Pod's requests, where it asked for them.
    """

    patch: list[dict[str, Any]]
    reason: SkipReason | None = None
    resizing: Outcome | None = None


def decide(
    request: Request,
    index: AnnotationIndex,
    in_scope: Callable[[str], bool],
    sizer: Sizer | None = None,
) -> Decision:
    """What to do with the Pod of *request*: give our annotations exactly the values that the index knows.

    Where there is a *sizer*, the Pod's requests are its to decide.
    """
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
    workload = _workload(request.namespace, metadata)
    sizing = sizer.size(request.object, workload) if sizer else NOT_SIZED
    return _decide_on_annotations(metadata, workload, index.annotations(workload), sizing)


def _decide_on_annotations(
    metadata: Metadata, workload: Workload, named: Mapping[str, str], sizing: Sizing
) -> Decision:
    is_own = is_ours_at_admission if sizing.is_known else is_ours
    if named or sizing.summary:
        wanted, sizing = _fitting(metadata, named, sizing, is_own)
    else:
        wanted = named
    absent = SkipReason.NO_OWNER if workload.kind == POD else SkipReason.NO_PROFILE
    reason = None if named else absent
    if wanted is not named and not named.keys() <= wanted.keys():
        reason = SkipReason.ANNOTATIONS_TOO_LARGE
    patch = build_patch(metadata.annotations, wanted, is_own)
    patch += sizing.operations
    return Decision(patch, reason if patch or reason else SkipReason.UP_TO_DATE, sizing.outcome)


def _fitting(
    metadata: Metadata, named: Mapping[str, str], sizing: Sizing, is_own: Callable[[str], bool]
) -> tuple[Mapping[str, str], Sizing]:
    """What of it there is room for; a Pod without room for what was done with its requests keeps them."""
    foreign = foreign_bytes(metadata.annotations, is_own)
    if not sizing.summary:
        return fitting(foreign, named), sizing
    wanted = fitting(foreign, {**named, REQUESTS: sizing.summary})
    return (wanted, sizing) if REQUESTS in wanted else (fitting(foreign, named), NO_ROOM)


def _workload(namespace: str, metadata: Metadata) -> Workload:
    references = metadata.ownerReferences or ()
    controller = next((reference for reference in references if reference.controller), None)
    owner = Owner(controller.kind, controller.name) if controller else None
    owned = owner_workload(namespace, owner, metadata.labels or {})
    return owned or bare_pod(namespace, metadata.name, metadata.generateName)
