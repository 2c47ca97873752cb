"""The ASGI endpoint of `POST /mutate`, and the only place that decides to fail open."""

from time import perf_counter

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from app.errors import ReviewError
from app.webhook.decisions import AdmissionState, decide
from app.webhook.metrics import AdmissionMetrics
from app.webhook.outcomes import SKIPPED, Decision, SkipReason
from app.webhook.reviews import AdmissionRequest, UnreadablePodError, allowed, decode_review, patched

log = structlog.get_logger(__name__)
_JSON = (b"content-type", b"application/json")


class PodMutator:
    """An ASGI application that answers admission reviews from *state*.

    While `is_draining`, each answer closes its connection, so that the next review goes to another replica.
    """

    def __init__(self, state: AdmissionState, *, max_review_bytes: int, metrics: AdmissionMetrics) -> None:
        self._state = state
        self._max_review_bytes = max_review_bytes
        self._metrics = metrics
        self.is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read one review and answer it."""
        started = perf_counter()
        self._metrics.in_flight += 1
        try:
            try:
                answer, status = self.review(await self._read(scope, receive)), 200
            except ReviewError as error:
                self._metrics.count_refusal()
                answer, status = msgspec.json.encode({"error": str(error)}), error.status
            headers = [_JSON, (b"content-length", b"%d" % len(answer))]
            if self.is_draining or status == 413:
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        finally:
            self._metrics.in_flight -= 1
            self._metrics.observe(perf_counter() - started)

    def review(self, body: bytes) -> bytes:
        """The answer to the review in *body*: always allowed, also after a fault.

        Raises:
            ReviewError: the body is not a review that can be answered.
        """
        try:
            request = decode_review(body)
        except UnreadablePodError as unreadable:
            self._metrics.count(SKIPPED[SkipReason.UNREADABLE_POD])
            return allowed(unreadable.uid)
        decision = self._decide(request)
        self._metrics.count(decision)
        return patched(request.uid, decision.patch) if decision.patch else allowed(request.uid)

    def _decide(self, request: AdmissionRequest) -> Decision:
        try:
            return decide(request, self._state)
        except Exception:
            log.exception("admission_failed_open", uid=request.uid, namespace=request.namespace)
            return SKIPPED[SkipReason.INTERNAL_ERROR]

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body; raises ReviewError if it is too large or incomplete."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self._check_size(int(value))
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ReviewError(400, "the client disconnected before the whole review was sent")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self._check_size(size)
            if not message.get("more_body"):
                return part if len(parts) == 1 else b"".join(parts)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_review_bytes:
            raise ReviewError(413, f"the review is larger than {self._max_review_bytes} bytes")
