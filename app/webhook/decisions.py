"""The decision on an admission review: a patch, and the skip reason if it is empty or incomplete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import (
    REQUESTS,
    fit_annotations,
    foreign_bytes,
    is_mirror,
    is_ours,
    is_ours_at_admission,
    opted_out,
)
from app.domain.workloads import POD, Workload, bare_pod, owner_workload
from app.webhook.outcomes import SKIPPED, Decision, SkipReason
from app.webhook.patching import Patch, build_patch
from app.webhook.prepared import PreparedDecisions
from app.webhook.probe_answer import ReadFaults, answer_to_probe
from app.webhook.reviews import AdmissionRequest, Metadata
from app.webhook.sizing import NO_ROOM, NOT_SIZED, RequestSizer, Sizing

# A patch of 64 kB removes as many annotations of ours; Pods have up to about 100 in all.
_MAX_ANNOTATIONS = 1000


@dataclass(frozen=True, slots=True)
class AdmissionState:
    """The in-memory inputs of decisions; with a `sizer`, requests are set as well.

    `read_faults` returns what the answer to the self-probe says of this replica.
    """

    index: AnnotationIndex
    prepared: PreparedDecisions
    in_scope: Callable[[str], bool]
    sizer: RequestSizer | None = None
    read_faults: ReadFaults = lambda: None


def decide(request: AdmissionRequest, state: AdmissionState) -> Decision:
    """The decision on *request*.

    The profile annotations of the Pod become those in the index: wrong ones are replaced, others removed.
    """
    pod = request.object
    if pod is None or not _is_pod_creation(request):
        return answer_to_probe(request, state.read_faults) or SKIPPED[SkipReason.NOT_A_POD_CREATION]
    metadata = pod.metadata
    if reason := _reason_to_skip(request.namespace, metadata, state):
        return SKIPPED[reason]
    workload = _workload(request.namespace, metadata)
    sizing = state.sizer.size(pod, workload) if state.sizer else NOT_SIZED
    # A prepared decision has the profile annotations only: no operations on requests, and no summary.
    is_ordinary = sizing.outcome is None and not (sizing.owns_summary and _has_summary(metadata))
    prepared = state.prepared.find(workload, metadata.annotations) if is_ordinary else None
    return prepared or _decide_on_annotations(metadata, workload, state.index, sizing)


def _is_pod_creation(request: AdmissionRequest) -> bool:
    kind = request.kind
    return (kind.kind, kind.group, request.operation, request.subResource) == ("Pod", "", "CREATE", "")


def _reason_to_skip(namespace: str, metadata: Metadata, state: AdmissionState) -> SkipReason | None:
    if not state.in_scope(namespace):
        return SkipReason.NAMESPACE_OUT_OF_SCOPE
    if opted_out(metadata.labels):
        return SkipReason.OPTED_OUT
    if is_mirror(metadata.annotations):
        return SkipReason.MIRROR_POD
    if len(metadata.annotations or ()) > _MAX_ANNOTATIONS:
        return SkipReason.TOO_COMPLEX
    return None if state.index.has_lists else SkipReason.INDEX_NOT_SYNCED


def _has_summary(metadata: Metadata) -> bool:
    """True if the Pod has a requests summary; on a Pod that is not sized it is wrong and is removed."""
    return REQUESTS in (metadata.annotations or ())


def _decide_on_annotations(
    metadata: Metadata, workload: Workload, index: AnnotationIndex, sizing: Sizing
) -> Decision:
    profiled = index.annotations(workload)
    is_own = _own_keys(index, owns_summary=sizing.owns_summary)
    if profiled or sizing.summary:
        wanted, sizing = _fit(metadata, profiled, sizing, is_own)
    else:
        wanted = profiled
    reason = None if profiled else _reason_without_profile(workload, index)
    has_dropped = wanted is not profiled and not profiled.keys() <= wanted.keys()
    if has_dropped:
        reason = SkipReason.ANNOTATIONS_TOO_LARGE
    patch = build_patch(metadata.annotations, wanted, is_own)
    patch += sizing.operations
    reason = reason if patch or reason else SkipReason.UP_TO_DATE
    return Decision(Patch.of(patch), reason, sizing.outcome, sizing.reasons_to_keep)


def _own_keys(index: AnnotationIndex, *, owns_summary: bool) -> Callable[[str], bool]:
    """True for the keys that the patch decides on: those of a kind that is not listed stay as they are."""
    if index.is_synced:
        return is_ours_at_admission if owns_summary else is_ours
    return lambda key: index.decides(key) or (owns_summary and key == REQUESTS)


def _reason_without_profile(workload: Workload, index: AnnotationIndex) -> SkipReason:
    if workload.kind == POD:
        return SkipReason.NO_OWNER
    return SkipReason.NO_PROFILE if index.is_synced else SkipReason.INDEX_NOT_SYNCED


def _fit(
    metadata: Metadata, profiled: Mapping[str, str], sizing: Sizing, is_own: Callable[[str], bool]
) -> tuple[Mapping[str, str], Sizing]:
    """The annotations that fit; without room for the requests summary, the requests stay unchanged."""
    foreign = foreign_bytes(metadata.annotations, is_own)
    if not sizing.summary:
        return fit_annotations(foreign, profiled), sizing
    wanted = fit_annotations(foreign, {**profiled, REQUESTS: sizing.summary})
    return (wanted, sizing) if REQUESTS in wanted else (fit_annotations(foreign, profiled), NO_ROOM)


def _workload(namespace: str, metadata: Metadata) -> Workload:
    for reference in metadata.ownerReferences or ():
        if reference.controller:
            return owner_workload(namespace, reference, metadata.labels or {})
    return bare_pod(namespace, metadata.name, metadata.generateName)
