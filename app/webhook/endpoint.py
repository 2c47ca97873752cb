"""The ASGI endpoint of `POST /mutate`, and the only place that decides to fail open."""

import asyncio
from time import perf_counter

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from app.errors import ReviewError
from app.webhook.body_budget import BodyBudget, IncomingBody
from app.webhook.decisions import AdmissionState, decide
from app.webhook.metrics import AdmissionMetrics
from app.webhook.outcomes import SKIPPED, SkipReason
from app.webhook.reviews import (
    Body,
    TooComplexPodError,
    UnreadablePodError,
    allowed,
    decode_review,
    patched,
)
from app.webhook.turns import Turns

log = structlog.get_logger(__name__)
_JSON = (b"content-type", b"application/json")
_CLOSING_STATUSES = {413, 429}  # the rest of the body is not read
_UNCOUNTED_BYTES = 64 * 1024  # of each connection


class PodMutator:
    """An ASGI application that answers admission reviews from *state*.

    While `is_draining`, each answer closes its connection, so that the next review goes to another replica.
    """

    def __init__(self, state: AdmissionState, *, max_review_bytes: int, metrics: AdmissionMetrics) -> None:
        self._state = state
        self._max_review_bytes = max_review_bytes
        self._metrics = metrics
        self._bodies, self._turns = BodyBudget(), Turns()
        self.is_draining = False

    def respond_at_once(self, source: str, body: bytes) -> tuple[int, bytes] | None:
        """The status and the answer to a review that arrived whole.

        None if it is too large, has to wait for its turn, or its answer has to close the connection.
        """
        began, size = perf_counter(), len(body)
        if size > self._max_review_bytes or self.is_draining or self._turns.are_needed(source, size, began):
            return None
        try:
            return 200, self._observed_review(source, body, began)
        except ReviewError as error:
            return self._refusal(error)
        finally:
            self._metrics.observe(perf_counter() - began)

    def _refusal(self, error: ReviewError) -> tuple[int, bytes]:
        self._metrics.count_refusal(error.status)
        return error.status, msgspec.json.encode({"error": str(error)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read one review and answer it."""
        started = perf_counter()
        self._metrics.in_flight += 1
        try:
            try:
                status, answer = 200, await self._answer(scope, receive)
            except ReviewError as error:
                status, answer = self._refusal(error)
            headers = [_JSON, (b"content-length", b"%d" % len(answer))]
            if self.is_draining or status in _CLOSING_STATUSES:
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        finally:
            self._metrics.in_flight -= 1
            self._metrics.observe(perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        """The answer to the review, whose body counts in the budget until then if it is not small."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self._check_size(int(value))
        source: str = scope["client"][0]
        part, is_last = _part(await receive())
        if is_last and len(part) <= _UNCOUNTED_BYTES:
            self._check_size(len(part))
            return await self._review_in_turn(source, part)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as answering:
                body = IncomingBody(source, lambda: answering.reschedule(loop.time()))
                try:
                    if await self._read(body, part, receive, is_last=is_last):
                        return await self._review_in_turn(source, body.data)
                finally:
                    self._bodies.remove(body)
        except TimeoutError:
            pass
        raise ReviewError(429, "the reviews of this client that are not answered need too much memory")

    async def _read(self, body: IncomingBody, part: bytes, receive: Receive, *, is_last: bool) -> bool:
        """Read the whole body; False if it has to give way."""
        while self._bodies.append(body, part):
            self._check_size(len(body.data))
            if is_last:
                return True
            part, is_last = _part(await receive())
        return False

    async def _review_in_turn(self, source: str, body: Body) -> bytes:
        now = perf_counter()
        if not self._turns.are_needed(source, len(body), now):
            return self._observed_review(source, body, now)
        async with self._turns.turn(source, len(body)):
            return self._observed_review(source, body, perf_counter())

    def _observed_review(self, source: str, body: Body, now: float) -> bytes:
        clock = self._turns.clock(source, now)
        began = clock()
        try:
            return self.review(body)
        finally:
            self._turns.observe(source, len(body), clock() - began, now)

    def review(self, body: Body) -> bytes:
        """The answer to the review in *body*: always allowed, also after a fault.

        Raises:
            ReviewError: the body is not a review that can be answered.
        """
        try:
            request = decode_review(body)
        except UnreadablePodError as unreadable:
            is_complex = isinstance(unreadable, TooComplexPodError)
            reason = SkipReason.TOO_COMPLEX if is_complex else SkipReason.UNREADABLE_POD
            self._metrics.count(SKIPPED[reason])
            return allowed(unreadable.uid)
        try:
            decision = decide(request, self._state)
        except Exception:
            log.exception("admission_failed_open", uid=request.uid, namespace=request.namespace)
            decision = SKIPPED[SkipReason.INTERNAL_ERROR]
        self._metrics.count(decision)
        return patched(request.uid, decision.patch) if decision.patch else allowed(request.uid)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_review_bytes:
            raise ReviewError(413, f"the review is larger than {self._max_review_bytes} bytes")


def _part(message: Message) -> tuple[bytes, bool]:
    """The next part of a body, and whether it is the last one."""
    if message["type"] != "http.request":
        raise ReviewError(400, "the client disconnected before the whole review was sent")
    return message.get("body", b""), not message.get("more_body")
