"""The ASGI endpoint of `POST /mutate`: bytes in, bytes out, and the one place that decides to fail open."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

import msgspec
import structlog

from app.domain.annotation_index import AnnotationIndex
from app.errors import ReviewError
from app.webhook.decisions import Decision, SkipReason, decide
from app.webhook.metrics import AdmissionMetrics
from app.webhook.reviews import Request, UnreadablePodError, allowed, decode_review, patched
from app.webhook.sizing import Sizer

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)
_JSON = (b"content-type", b"application/json")


class PodMutator:
    """Answers admission reviews from the index; an ASGI application of its own.

    With a *sizer* it sets requests, too. While `is_leaving` each answer ends its connection, so that the next
    review goes to another replica.
    """

    def __init__(
        self,
        index: AnnotationIndex,
        *,
        in_scope: Callable[[str], bool],
        max_review_bytes: int,
        metrics: AdmissionMetrics,
        sizer: Sizer | None = None,
    ) -> None:
        self._index = index
        self._sizer = sizer
        self._in_scope = in_scope
        self._max_review_bytes = max_review_bytes
        self._metrics = metrics
        self.is_leaving = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Read one review and answer it."""
        started = perf_counter()
        try:
            answer, status = self.review(await self._read(scope, receive)), 200
        except ReviewError as error:
            self._metrics.refused()
            answer, status = msgspec.json.encode({"error": str(error)}), error.status
        headers = [_JSON, (b"content-length", str(len(answer)).encode())]
        if self.is_leaving or status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        self._metrics.observe(perf_counter() - started)

    def review(self, body: bytes) -> bytes:
        """The answer to the review in *body*: always allowed, whatever goes wrong inside.

        Raises:
            ReviewError: the body is no review that could be answered.
        """
        try:
            request = decode_review(body)
        except UnreadablePodError as unreadable:
            self._metrics.count(Decision([], SkipReason.UNREADABLE_POD))
            return allowed(unreadable.uid)
        decision = self._decide(request)
        self._metrics.count(decision)
        return patched(request.uid, decision.patch) if decision.patch else allowed(request.uid)

    def _decide(self, request: Request) -> Decision:
        try:
            return decide(request, self._index, self._in_scope, self._sizer)
        except Exception:
            log.exception("admission_failed_open", uid=request.uid, namespace=request.namespace)
            return Decision([], SkipReason.INTERNAL_ERROR)

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """The whole body, as long as it is not too large."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max_review_bytes:
            raise self._too_large()
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ReviewError(400, "the client went away before the whole review was sent")
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_review_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> ReviewError:
        return ReviewError(413, f"the review is larger than {self._max_review_bytes} bytes")
