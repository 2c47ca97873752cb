"""Mutated reviews: each has an answer that an API server can use, or a clear refusal."""

import tracemalloc
from base64 import b64encode

import pytest

from tests.webhook.fuzzing import Judge, WireJudge, WrongAnswerError, documents
from tests.webhook.mutations import ReviewMutator
from tests.webhook.reviews import UID, encoded, pod, review, web_pod
from tests.webhook.webhooks import sizing_webhook

REVIEWS, WIRE_REVIEWS = 1000, 200


@pytest.mark.parametrize("seed", [20260301, 20260302, 20260303, 20260304, 20260305])
def test_every_answer_to_a_mutated_review_is_usable(seed: int) -> None:
    """Each of 1,000 bodies gets an answer in both modes that passes the checks of `fuzzing`.

    No exception escapes or is logged; each patch applies, and the patched Pod is not patched again. At least
    a tenth is refused, a quarter admitted unchanged, and a tenth patched: all of the code is reached.
    """
    judge = Judge(seed)
    for body in ReviewMutator(seed, documents(seed)).reviews(REVIEWS):
        judge.check(body)

    tally, answers = judge.tally, REVIEWS * len(judge.webhooks)
    assert tally.refused + tally.allowed + tally.patched == answers
    assert tally.refused > answers / 10
    assert tally.allowed > answers / 4
    assert tally.patched > answers / 10
    assert tally.resized > 0


def test_the_listener_answers_as_the_application_does() -> None:
    """Over one TLS connection, 200 bodies get the same answers as without a network."""
    judge = Judge(7)
    with WireJudge(judge.webhooks[1]) as wire:
        for body in ReviewMutator(7, documents(7)).reviews(WIRE_REVIEWS):
            wire.check(body)


def test_namespaces_that_do_not_exist_leave_no_trace() -> None:
    """200 reviews with scheduling enabled name 200 namespaces of 10 kB each: these 2 MB are not kept.

    Otherwise any client of the port could fill the memory.
    """
    webhook = sizing_webhook()
    enabled = pod({"labels": {"job-profiler.liqo.io/scheduling": "true"}})
    webhook.mutator.review(encoded(review(enabled, "once")))

    tracemalloc.start()
    try:
        for number in range(200):
            webhook.mutator.review(encoded(review(enabled, f"{number:05}" * 2000)))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 200_000


def fails(*_: object) -> None:
    raise KeyError("the index is broken")


def test_the_judge_reports_an_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The webhook catches its own fault and admits the Pod; the judge reports the logged fault."""
    monkeypatch.setattr("app.webhook.endpoint.decide", fails)

    with pytest.raises(WrongAnswerError, match="admission_failed_open"):
        Judge(1).check(encoded(review(web_pod())))


def adding(value: object) -> list[dict[str, object]]:
    return [{"op": "add", "path": "/metadata/annotations", "value": value}]


def answering(operations: list[dict[str, object]] | None = None, **response: object) -> bytes:
    """An answer to the review below."""
    patch = b64encode(encoded(operations or [])).decode()
    fields = {"uid": UID, "allowed": True, "patchType": "JSONPatch", "patch": patch}
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return encoded({**document, "response": fields | response})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(b"{", "can't be read", id="no-json"),
        pytest.param(encoded({"response": {}}), "not a review", id="no-review"),
        pytest.param(answering(allowed=False), "not admit the Pod", id="refused"),
        pytest.param(answering(uid="another"), "uid", id="another-uid"),
        pytest.param(answering(patch="!"), "can't be read", id="no-base64"),
        pytest.param(answering([{"op": "remove", "path": "/metadata/x"}]), "does not apply", id="no-place"),
        pytest.param(answering(adding({"x": 7})), "not a string", id="a-number"),
        pytest.param(answering(adding({"x": "y"})), "patched again", id="not-idempotent"),
    ],
)
def test_the_judge_reports_a_wrong_answer(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, message: str
) -> None:
    """Answers that can't be read, reject a Pod, belong to another review, or have a harmful patch."""
    judge = Judge(1)
    monkeypatch.setattr(judge.webhooks[0].mutator, "review", lambda _: answer)

    with pytest.raises(WrongAnswerError, match=message):
        judge.check(encoded(review(web_pod())))


def test_the_same_seed_gives_the_same_reviews() -> None:
    """Findings are reproducible."""
    first, second = (list(ReviewMutator(3, documents(3)).reviews(50)) for _ in range(2))

    assert first == second
