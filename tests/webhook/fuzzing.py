"""Checks of the answer to any body, with libraries that the product does not use."""

import base64
import http.client
import json
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jsonpatch
import structlog

from app.domain.self_probe import config_map
from app.errors import ReviewError
from tests.webhook.generated_pods import PodGenerator
from tests.webhook.generated_sized_pods import SizedPodGenerator
from tests.webhook.recorded_reviews import RECORDED
from tests.webhook.reviews import OWNERS, encoded, review
from tests.webhook.served_webhook import ServedWebhook, exchange
from tests.webhook.webhooks import MAX_REVIEW_BYTES, Webhook, sizing_webhook, webhook_with

REFUSALS = (400, 413)
LONGEST_UID = 256  # characters; an API server's have 36
ANSWERED_KIND = ("admission.k8s.io/v1", "AdmissionReview")


class WrongAnswerError(Exception):
    """A wrong answer to *body*; the message has the reason."""

    def __init__(self, reason: str, body: bytes) -> None:
        super().__init__(reason)
        self.body = body


@dataclass(slots=True)
class Tally:
    """Counts of answers by kind, which show that the fuzzer gets past the decoder."""

    refused: int = 0
    allowed: int = 0
    patched: int = 0
    resized: int = 0


def documents(seed: int) -> list[dict[str, Any]]:
    """The reviews to mutate: recorded ones if available, and generated ones."""
    recorded = [
        json.loads(path.read_bytes()) for path in sorted(Path(RECORDED).glob("admission-review-*.json"))
    ]
    pods = chain(PodGenerator(seed).pods(40), SizedPodGenerator(seed).pods(40))
    generated = [review(each.pod, each.namespace) for each in pods]
    # Repetition gives each kind of review a similar weight.
    return [document for document, _ in OWNERS.values()] * 3 + recorded * 4 + generated + [probe_review()] * 3


def probe_review() -> dict[str, Any]:
    """The review of the self-probe's ConfigMap."""
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    return review(config_map("nonce"), "profiling", kind=kind)


@dataclass
class Judge:
    """Checks the answers of both modes of the webhook."""

    seed: int
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        sized = SizedPodGenerator(self.seed)
        manifests = list(sized.profiles())
        self.webhooks: tuple[Webhook, ...] = (
            webhook_with(*manifests),
            sizing_webhook(*manifests, constraints=sized.constraints()),
        )

    def check(self, body: bytes) -> None:
        """Raise WrongAnswerError if an answer is wrong."""
        for webhook in self.webhooks:
            with structlog.testing.capture_logs() as lines:
                answer = self._answer(webhook, body)
            if lines:
                raise WrongAnswerError(f"it logged {lines[0]}", body)
            self._judge(webhook, body, answer)

    def _answer(self, webhook: Webhook, body: bytes) -> bytes | None:
        try:
            return webhook.mutator.review(body)
        except ReviewError as error:
            if error.status not in REFUSALS:
                raise WrongAnswerError(f"the status is {error.status}", body) from error
            return None
        except Exception as error:
            raise WrongAnswerError(f"it raised {error!r}", body) from error

    def _judge(self, webhook: Webhook, body: bytes, answer: bytes | None) -> None:
        document = decoded(body)
        if answer is None:
            self.tally.refused += 1
            if is_answerable(body):
                raise WrongAnswerError("a complete review was refused", body)
            return
        operations = operations_in(answer, document, body)
        if not operations:
            self.tally.allowed += 1
            return
        self.tally.patched += 1
        if document is not None:
            self._judge_patch(webhook, document, operations, body)

    def _judge_patch(
        self, webhook: Webhook, document: dict[str, Any], operations: list[dict[str, Any]], body: bytes
    ) -> None:
        original = document["request"]["object"]
        document = json.loads(lenient_text(body))
        pod = document["request"]["object"]
        try:
            patched = jsonpatch.apply_patch(pod, operations, in_place=True)  # a copy would limit the depth
        except Exception as error:
            raise WrongAnswerError(f"the patch does not apply: {error!r}", body) from error
        annotations = patched["metadata"].get("annotations") or {}
        if not all(isinstance(value, str) for value in annotations.values()):
            raise WrongAnswerError("an annotation is not a string", body)
        self.tally.resized += patched.get("spec") != original.get("spec")
        again = encoded({**document, "request": {**document["request"], "object": patched}})
        if is_valid(document) and "patch" in json.loads(webhook.mutator.review(again))["response"]:
            raise WrongAnswerError("the patched Pod would be patched again", body)


class WireJudge:
    """A context manager that checks answers of the product's listener over one TLS connection."""

    def __init__(self, webhook: Webhook) -> None:
        self._served = ServedWebhook(webhook)

    def __enter__(self) -> Self:
        self._served.__enter__()
        self._connection = self._served.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._served.__exit__(kind, error, trace)

    def check(self, body: bytes) -> None:
        """Raise WrongAnswerError unless the answer equals the application's own answer.

        Reviews above the size limit are skipped; the tests of the listener cover them.
        """
        if len(body) > MAX_REVIEW_BYTES:
            return
        try:
            received = exchange(self._connection, body, path="/mutate?timeout=3s")
        except (OSError, http.client.HTTPException) as error:
            raise WrongAnswerError(f"no answer over the wire: {error!r}", body) from error
        try:
            expected = self._served.webhook.mutator.review(body)
        except ReviewError as error:
            is_right = received.status == error.status and received.error == str(error)
        else:
            is_right = received.status == 200 and received.body == expected
        if not is_right:
            raise WrongAnswerError(f"received {received.status}, {received.body[:200]!r}", body)


def operations_in(answer: bytes, document: dict[str, Any] | None, body: bytes) -> list[dict[str, Any]]:
    """The patch in *answer*; raises WrongAnswerError unless it admits the Pod with the review's uid."""
    try:
        decoded_answer = json.loads(answer)
        response = decoded_answer["response"]
        operations: list[dict[str, Any]] = json.loads(
            base64.b64decode(response.get("patch", "W10="), validate=True)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WrongAnswerError(f"the answer can't be read: {error!r}", body) from error
    if (decoded_answer.get("apiVersion"), decoded_answer.get("kind")) != ANSWERED_KIND:
        raise WrongAnswerError("the answer is not a review", body)
    if response.get("allowed") is not True or ("patch" in response) != (
        response.get("patchType") == "JSONPatch"
    ):
        raise WrongAnswerError("the answer does not admit the Pod", body)
    if document is not None and response.get("uid") != document["request"]["uid"]:
        raise WrongAnswerError("the answer has another uid", body)
    return operations


def lenient_text(body: bytes) -> str:
    """*body* as text; bytes that are not UTF-8 become surrogates."""
    return body.decode("utf-8", "surrogateescape")


def decoded(body: bytes) -> dict[str, Any] | None:
    """The document in *body*; None if it is not a JSON object, even after lenient decoding of UTF-8."""
    try:
        document = json.loads(lenient_text(body))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def is_answerable(body: bytes) -> bool:
    """True for a valid review with all fields that an answer needs, and no repeated names in objects."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_without_repetition)
        kind = document["apiVersion"], document["kind"]
        uid = document["request"]["uid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    has_uid = isinstance(uid, str) and len(uid) <= LONGEST_UID
    return kind == ANSWERED_KIND and has_uid and is_valid(document)


def _without_repetition(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) < len(members):
        raise ValueError("a name is repeated in an object, which no API server sends")
    return unique


def is_valid(document: dict[str, Any]) -> bool:
    """False for unpaired surrogates and infinite numbers, which no API server sends."""
    try:
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True
