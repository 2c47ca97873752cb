"""The webhook over HTTPS: valid reviews are answered, others are refused, and the process survives all."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog

from app.webhook.prepared import PreparedDecisions
from tests.cluster.waiting import wait_until
from tests.webhook.profiles import WEB_ANNOTATIONS, web_profiles
from tests.webhook.reviews import UID, applied, encoded, patch_in, pod, review, web_pod
from tests.webhook.served_webhook import Answer, ServedWebhook, exchange
from tests.webhook.webhooks import MAX_REVIEW_BYTES, webhook_with

GOOD = encoded(review(web_pod()))


@pytest.fixture(scope="module")
def served() -> Iterator[ServedWebhook]:
    """One webhook for all tests of this module, so that damage by one test fails the next."""
    with ServedWebhook(webhook_with(*web_profiles())) as running:
        yield running


@pytest.fixture(autouse=True)
def _still_answers_and_wrote_no_stack_trace(
    served: ServedWebhook, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """After each test a valid review is answered, and no log line has a stack trace."""
    with structlog.testing.capture_logs() as lines, caplog.at_level(logging.DEBUG):
        yield
        assert_mutated(served.ask(GOOD))
    assert [line for line in lines if line.get("exc_info")] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def assert_mutated(answer: Answer) -> None:
    """Assert that *answer* is the answer to `GOOD`."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert applied(answer.body, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS


def test_a_review_is_answered(served: ServedWebhook) -> None:
    """Also with the time-out that an API server adds to the URL."""
    assert_mutated(served.ask(GOOD, path="/mutate?timeout=3s"))


def nested(depth: int, uid: str = UID) -> bytes:
    """A review with a field of *depth* nested brackets in its Pod."""
    document = review(pod({"name": "deep"}) | {"deep": "@"}, uid=uid)
    return encoded(document).replace(b'"@"', b"[" * depth + b"]" * depth)


def of_kind(api_version: str, kind: str) -> bytes:
    return encoded(review(web_pod()) | {"apiVersion": api_version, "kind": kind})


def without_uid() -> bytes:
    document = review(web_pod())
    del document["request"]["uid"]
    return encoded(document)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "not an AdmissionReview", id="empty"),
        pytest.param(b"review please", "not an AdmissionReview", id="not-json"),
        pytest.param(
            GOOD[:-1], "not an AdmissionReview: Input data was truncated", id="truncated-at-the-end"
        ),
        pytest.param(GOOD[: len(GOOD) // 2], "not an AdmissionReview", id="truncated-half-way"),
        pytest.param(GOOD + b"}", "not an AdmissionReview", id="more-than-json"),
        pytest.param(GOOD.replace(b"AdmissionR", b"\xff\xfe"), "not an AdmissionReview", id="invalid-utf-8"),
        pytest.param(b"\xff\xfe" + GOOD, "not an AdmissionReview", id="byte-order-mark-of-utf-16"),
        pytest.param(b"[" * 100_000, "not an AdmissionReview", id="brackets"),
        pytest.param(b'{"request":' * 100_000, "not an AdmissionReview", id="braces"),
        pytest.param(nested(100_000), "not an AdmissionReview", id="deeply-nested-pod"),
        pytest.param(b"[]", "not an AdmissionReview", id="a-list"),
        pytest.param(b"null", "not an AdmissionReview", id="null"),
        pytest.param(b"{}", "not an AdmissionReview", id="an-empty-object"),
        pytest.param(encoded(web_pod()), "not an AdmissionReview", id="a-pod-itself"),
        pytest.param(without_uid(), "`uid`", id="no-uid"),
        pytest.param(
            of_kind("admission.k8s.io/v1beta1", "AdmissionReview"),
            "v1, not AdmissionReview of admission.k8s.io/v1beta1",
            id="v1beta1",
        ),
        pytest.param(
            of_kind("apiextensions.k8s.io/v1", "ConversionReview"),
            "not ConversionReview of apiextensions.k8s.io/v1",
            id="conversion-review",
        ),
        pytest.param(
            encoded(
                {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": {"uid": UID}}
            ),
            "not ConversionReview",
            id="conversion-review-without-a-kind-of-its-own",
        ),
    ],
)
def test_other_bodies_are_refused_with_a_reason(served: ServedWebhook, body: bytes, message: str) -> None:
    """The status is 400, with a short JSON message, and the metric counts one more error."""
    before = served.webhook.counted("error", "not_a_review")
    answer = served.ask(body)

    assert answer.status == 400
    assert message in answer.error
    assert len(answer.error) < 200
    assert "Traceback" not in answer.error
    assert served.webhook.counted("error", "not_a_review") == before + 1


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("excess", [1, 3 * MAX_REVIEW_BYTES])
def test_a_body_over_the_limit_is_refused(served: ServedWebhook, excess: int, *, chunked: bool) -> None:
    """The status is 413 with the limit, with or without Content-Length; the connection is closed."""
    body = b" " * (MAX_REVIEW_BYTES + excess)
    answer = served.ask(pieces(body) if chunked else body)

    assert (answer.status, answer.error) == (413, "the review is larger than 3145728 bytes")
    assert answer.headers["connection"] == "close"


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(served: ServedWebhook) -> None:
    """The answer comes before the first byte of the body is sent."""
    with closing(served.connect()) as connection:
        connection.putrequest("POST", "/mutate")
        connection.putheader("Content-Length", str(MAX_REVIEW_BYTES + 1))
        connection.endheaders()

        assert connection.getresponse().status == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_just_the_limit_is_read(served: ServedWebhook, *, chunked: bool) -> None:
    """A valid review padded to 3 MiB, as one body or in chunks."""
    body = GOOD + b" " * (MAX_REVIEW_BYTES - len(GOOD))

    assert_mutated(served.ask(pieces(body) if chunked else body))


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/mutate", 405), ("POST", "/other", 404)])
def test_other_methods_and_paths_are_refused(
    served: ServedWebhook, method: str, path: str, status: int
) -> None:
    """The framework answers, also in JSON."""
    answer = served.ask(None if method == "GET" else GOOD, method=method, path=path)

    assert (answer.status, bool(answer.error)) == (status, True)


def test_a_client_that_goes_away_half_way_leaves_nothing_behind(served: ServedWebhook) -> None:
    """The connection closes one byte before Content-Length, so the review is refused."""
    before = served.webhook.counted("error", "not_a_review")
    with closing(served.connect()) as connection:
        connection.putrequest("POST", "/mutate")
        connection.putheader("Content-Length", str(len(GOOD) + 1))
        connection.endheaders()
        connection.send(GOOD)

    wait_until(lambda: served.webhook.counted("error", "not_a_review") == before + 1, 5, "one more error")


@pytest.mark.parametrize(
    "reviewed",
    [
        pytest.param(pod({"annotations": {"replicas": 3}}), id="annotation-that-is-a-number"),
        pytest.param(pod({"annotations": {"empty": None}}), id="annotation-that-is-null"),
        pytest.param(pod({"annotations": ["a"]}), id="annotations-that-are-a-list"),
        pytest.param(pod({"labels": "app"}), id="labels-that-are-text"),
        pytest.param(pod({"ownerReferences": [{"kind": "ReplicaSet"}]}), id="owner-without-a-name"),
        pytest.param(pod({"ownerReferences": [None]}), id="owner-that-is-null"),
        pytest.param({"apiVersion": "v1", "kind": "Pod"}, id="no-metadata"),
        pytest.param({"metadata": None}, id="metadata-that-is-null"),
        pytest.param("web", id="text-for-a-pod"),
        pytest.param(pod({"labels": {"app": "@"}}), id="label-that-is-not-utf-8"),
    ],
)
def test_a_pod_that_can_not_be_read_passes_as_it_is(served: ServedWebhook, reviewed: object) -> None:
    """The review has a uid, so it is answered: allowed, no patch, counted as an error."""
    before = served.webhook.counted("error", "unreadable_pod")
    answer = served.ask(encoded(review(reviewed)).replace(b"@", b"\xff"))

    assert answer.status == 200
    assert patch_in(answer.body) == []
    assert served.webhook.counted("error", "unreadable_pod") == before + 1


def test_a_fault_of_our_own_lets_the_pod_pass(served: ServedWebhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an exception in a decision: allowed, no patch, counted, and logged with the review's uid."""

    def fails(*_: object) -> None:
        raise KeyError("they are broken")

    before = served.webhook.counted("error", "internal_error")
    with monkeypatch.context() as broken, structlog.testing.capture_logs() as lines:
        broken.setattr(PreparedDecisions, "find", fails)
        answer = served.ask(GOOD)

    assert answer.status == 200
    assert patch_in(answer.body) == []
    assert served.webhook.counted("error", "internal_error") == before + 1
    assert [(line["event"], line["uid"]) for line in lines] == [("admission_failed_open", UID)]


def test_many_reviews_go_over_one_connection(served: ServedWebhook) -> None:
    """Refused and valid reviews alternate on one socket, each with its own uid."""
    with closing(served.connect()) as connection:
        connection.connect()
        socket = connection.sock
        for number in range(20):
            assert exchange(connection, b"{}").status == 400
            answer = exchange(connection, encoded(review(web_pod(), uid=f"uid-{number}")))
            assert len(patch_in(answer.body, f"uid-{number}")) == 1
            assert "connection" not in answer.headers
            assert connection.sock is socket


def test_a_draining_webhook_closes_each_connection_with_its_answer(
    served: ServedWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is complete and has `Connection: close`; new connections are still answered."""
    with closing(served.connect()) as connection:
        assert "connection" not in exchange(connection, GOOD).headers
        monkeypatch.setattr(served.webhook.mutator, "is_draining", True)
        last = exchange(connection, GOOD)

        assert_mutated(last)
        assert last.headers["connection"] == "close"
        assert connection.sock is None
    assert served.ask(b"{}").headers["connection"] == "close"


def test_how_long_an_answer_took_is_observed(served: ServedWebhook) -> None:
    """Each answer, refusals included, is one observation of the histogram."""
    name = "job_profiler_admission_duration_seconds_count"
    before = served.webhook.registry.get_sample_value(name) or 0
    for body in (GOOD, b"{}"):
        served.ask(body)

    wait_until(lambda: served.webhook.registry.get_sample_value(name) == before + 2, 5, "two observations")


def test_the_listener_is_trusted_by_its_authority_alone(served: ServedWebhook) -> None:
    """A client that trusts only the system's authorities fails in the handshake."""
    with (
        closing(served.connect(ssl.create_default_context())) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        exchange(connection, GOOD)
