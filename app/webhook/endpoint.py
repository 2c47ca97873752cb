"""The ASGI endpoint of `POST /mutate`: bytes in, bytes out, and the one place that decides to fail open."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

import msgspec
import structlog

from app.errors import ReviewError
from app.webhook.decisions import AdmissionState, decide
from app.webhook.metrics import AdmissionMetrics
from app.webhook.outcomes import SKIPPED, Decision, SkipReason
from app.webhook.reviews import AdmissionRequest, UnreadablePodError, allowed, decode_review, patched

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)
_JSON = (b"content-type", b"application/json")


class PodMutator:
    """Answers admission reviews from what is *known*; an ASGI application of its own.

    While `is_leaving` each answer ends its connection, so that the next review goes to another replica.
    """

    def __init__(self, known: AdmissionState, *, max_review_bytes: int, metrics: AdmissionMetrics) -> None:
        self._known = known
        self._max_review_bytes = max_review_bytes
        self._metrics = metrics
        self.is_leaving = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Read one review and answer it."""
        started = perf_counter()
        self._metrics.in_flight += 1
        try:
            try:
                answer, status = self.review(await self._read(scope, receive)), 200
            except ReviewError as error:
                self._metrics.refused()
                answer, status = msgspec.json.encode({"error": str(error)}), error.status
            headers = [_JSON, (b"content-length", b"%d" % len(answer))]
            if self.is_leaving or status == 413:
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        finally:
            self._metrics.in_flight -= 1
            self._metrics.observe(perf_counter() - started)

    def review(self, body: bytes) -> bytes:
        """The answer to the review in *body*: always allowed, whatever goes wrong inside.

        Raises:
            ReviewError: the body is no review that could be answered.
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
            return decide(request, self._known)
        except Exception:
            log.exception("admission_failed_open", uid=request.uid, namespace=request.namespace)
            return SKIPPED[SkipReason.INTERNAL_ERROR]

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """The whole body, as long as it is not too large."""
        for name, announced in scope["headers"]:
            if name == b"content-length" and announced.isdigit():
                self._check_size(int(announced))
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ReviewError(400, "the client went away before the whole review was sent")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self._check_size(size)
            if not message.get("more_body"):
                return part if len(parts) == 1 else b"".join(parts)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_review_bytes:
            raise ReviewError(413, f"the review is larger than {self._max_review_bytes} bytes")
