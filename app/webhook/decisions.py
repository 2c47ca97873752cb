"""What is done with a Pod, and the reason wherever that is nothing."""

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
from app.domain.workloads import POD, Owner, Workload, bare_pod, owner_workload
from app.webhook.outcomes import SKIPPED, Decision, SkipReason
from app.webhook.patching import Patch, build_patch
from app.webhook.prepared import PreparedDecisions
from app.webhook.probe_answer import answer_to_probe
from app.webhook.reviews import AdmissionRequest, Metadata
from app.webhook.sizing import NO_ROOM, NOT_SIZED, RequestSizer, Sizing


@dataclass(frozen=True, slots=True)
class AdmissionState:
    """What decisions rest on, all of it in memory; with a *sizer* the Pods' requests are its to decide."""

    index: AnnotationIndex
    prepared: PreparedDecisions
    in_scope: Callable[[str], bool]
    sizer: RequestSizer | None = None


def decide(request: AdmissionRequest, known: AdmissionState) -> Decision:
    """What to do with the Pod of *request*: give our annotations exactly the values that the index knows."""
    pod = request.object
    if pod is None or not _creates_a_pod(request):
        return answer_to_probe(request) or SKIPPED[SkipReason.NOT_A_POD_CREATION]
    metadata = pod.metadata
    if reason := _reason_to_leave_alone(request.namespace, metadata, known):
        return SKIPPED[reason]
    workload = _workload(request.namespace, metadata)
    sizing = known.sizer.size(pod, workload) if known.sizer else NOT_SIZED
    is_ordinary = sizing.outcome is None and not (sizing.is_known and _tells_of_requests(metadata))
    prepared = known.prepared.fitting(workload, metadata.annotations) if is_ordinary else None
    return prepared or _decide_on_annotations(metadata, workload, known.index.annotations(workload), sizing)


def _creates_a_pod(request: AdmissionRequest) -> bool:
    kind = request.kind
    return (kind.kind, kind.group, request.operation, request.subResource) == ("Pod", "", "CREATE", "")


def _reason_to_leave_alone(namespace: str, metadata: Metadata, known: AdmissionState) -> SkipReason | None:
    if not known.in_scope(namespace):
        return SkipReason.NAMESPACE_OUT_OF_SCOPE
    if opted_out(metadata.labels):
        return SkipReason.OPTED_OUT
    if is_mirror(metadata.annotations):
        return SkipReason.MIRROR_POD
    return None if known.index.is_synced else SkipReason.INDEX_NOT_SYNCED


def _tells_of_requests(metadata: Metadata) -> bool:
    """A Pod that did not ask, and says what was done with its requests: that is not true."""
    return REQUESTS in (metadata.annotations or ())


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
    return Decision(Patch.of(patch), reason if patch or reason else SkipReason.UP_TO_DATE, sizing.outcome)


def _fitting(
    metadata: Metadata, named: Mapping[str, str], sizing: Sizing, is_own: Callable[[str], bool]
) -> tuple[Mapping[str, str], Sizing]:
    """What of it there is room for; a Pod without room for what was done with its requests keeps them."""
    foreign = foreign_bytes(metadata.annotations, is_own)
    if not sizing.summary:
        return fit_annotations(foreign, named), sizing
    wanted = fit_annotations(foreign, {**named, REQUESTS: sizing.summary})
    return (wanted, sizing) if REQUESTS in wanted else (fit_annotations(foreign, named), NO_ROOM)


def _workload(namespace: str, metadata: Metadata) -> Workload:
    for reference in metadata.ownerReferences or ():
        if reference.controller:
            return owner_workload(namespace, Owner(reference.kind, reference.name), metadata.labels or {})
    return bare_pod(namespace, metadata.name, metadata.generateName)
