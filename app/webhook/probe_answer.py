"""The answer to the self-probe: an annotation on its ConfigMap with the value of the question."""

from app.domain.self_probe import ANSWER, LABEL, QUESTION
from app.webhook.outcomes import Decision, SkipReason
from app.webhook.patching import Patch, build_patch
from app.webhook.reviews import AdmissionRequest


def answer_to_probe(request: AdmissionRequest) -> Decision | None:
    """The decision on the self-probe's ConfigMap; None for anything else."""
    kind, probe = request.kind, request.object
    if probe is None or (kind.kind, kind.group, request.operation) != ("ConfigMap", "", "CREATE"):
        return None
    annotations = probe.metadata.annotations or {}
    question = annotations.get(QUESTION)
    if question is None or LABEL not in (probe.metadata.labels or {}):
        return None
    operations = build_patch(annotations, {ANSWER: question}, ANSWER.__eq__)
    return Decision(Patch.of(operations), SkipReason.SELF_PROBE)
