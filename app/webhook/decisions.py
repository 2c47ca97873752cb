"""What is done with a Pod, and the reason wherever that is nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.annotations import CONNECTION_PROFILE
from app.domain.workloads import Owner, Workload, owner_workload
from app.webhook.index import AnnotationIndex
from app.webhook.patching import build_patch, fits
from app.webhook.reviews import Metadata, Request

IGNORE_LABEL = "job-profiler.liqo.io/ignore"


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
    if (metadata.labels or {}).get(IGNORE_LABEL) == "true":
        return Decision([], SkipReason.OPTED_OUT)
    if not index.is_synced:
        return Decision([], SkipReason.INDEX_NOT_SYNCED)
    return _decide_on_annotations(metadata, _workload(request.namespace, metadata), index)


def _decide_on_annotations(metadata: Metadata, workload: Workload | None, index: AnnotationIndex) -> Decision:
    wanted = index.annotations(workload) if workload is not None else {}
    absent = SkipReason.NO_OWNER if workload is None else SkipReason.NO_PROFILE
    reason = None if wanted else absent
    if wanted and not fits(metadata.annotations, wanted):
        reason = SkipReason.ANNOTATIONS_TOO_LARGE
        wanted = {key: value for key, value in wanted.items() if not key.startswith(CONNECTION_PROFILE)}
        wanted = wanted if fits(metadata.annotations, wanted) else {}
    patch = build_patch(metadata.annotations, wanted)
    return Decision(patch, reason if patch or reason else SkipReason.UP_TO_DATE)


def _workload(namespace: str, metadata: Metadata) -> Workload | None:
    references = metadata.ownerReferences or ()
    controller = next((reference for reference in references if reference.controller), None)
    owner = Owner(controller.kind, controller.name) if controller else None
    return owner_workload(namespace, owner, metadata.labels or {})
