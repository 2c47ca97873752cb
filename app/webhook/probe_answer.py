"""The answer to the self-probe: annotations with the value of the question, and with the replica's faults."""

from collections.abc import Callable

from app.domain.self_probe import ANSWER, FAULTS, LABEL, QUESTION, ReplicaFaults
from app.webhook.outcomes import Decision, SkipReason
from app.webhook.patching import Patch, build_patch
from app.webhook.reviews import AdmissionRequest

ReadFaults = Callable[[], ReplicaFaults | None]


def _no_faults() -> None:
    return None


def answer_to_probe(request: AdmissionRequest, read_faults: ReadFaults = _no_faults) -> Decision | None:
    """The decision on the self-probe's ConfigMap; None for anything else."""
    kind, probe = request.kind, request.object
    if probe is None or (kind.kind, kind.group, request.operation) != ("ConfigMap", "", "CREATE"):
        return None
    annotations = probe.metadata.annotations or {}
    question = annotations.get(QUESTION)
    if question is None or LABEL not in (probe.metadata.labels or {}):
        return None
    answer = {ANSWER: question}
    if faults := read_faults():
        answer[FAULTS] = faults.to_annotation()
    operations = build_patch(annotations, answer, {ANSWER, FAULTS}.__contains__)
    return Decision(Patch.of(operations), SkipReason.SELF_PROBE)
