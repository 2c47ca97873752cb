"""Prometheus' side of HTTP, scripted: responses are sent in order, requests and pauses are recorded."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec

from app.history.samples import StepRange
from app.sources.retry_policy import RetryPolicy

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
Points = Sequence[tuple[float, str]]

STEPS = StepRange(5_907_744, 5_907_747)  # 2026-03-04 00:00 to 00:15 UTC
FIRST, SECOND, THIRD, FOURTH = (step * 300 for step in range(STEPS.first, STEPS.last + 1))


def row(labels: Mapping[str, str], points: Points, **extra: Any) -> dict[str, Any]:
    """One series of a matrix."""
    return {"metric": dict(labels), "values": [list(point) for point in points], **extra}


def matrix(*rows: Mapping[str, Any], **envelope: Any) -> dict[str, Any]:
    """The body of a successful response; *envelope* adds to it or replaces a part."""
    return {"status": "success", "data": {"resultType": "matrix", "result": list(rows)}, **envelope}


def parts_of(query: str) -> list[tuple[str, str]]:
    """The number and the text of each part of a query on a mesh."""
    first, *others = query.split(" or (label_replace(")
    matches = [re.fullmatch(r'(.+),"part","(\d)","",""\)+', other) for other in others]
    return [("0", first), *((match[2], match[1]) for match in matches if match)]


def answer(*rows: Mapping[str, Any], **envelope: Any) -> httpx.Response:
    """A successful response with these series."""
    return successful(matrix(*rows, **envelope))


def successful(body: Any) -> httpx.Response:
    """A response with this body."""
    return httpx.Response(200, content=encoded(body), headers={"Content-Type": "application/json"})


def encoded(body: Any) -> bytes:
    """JSON as Prometheus writes it, in an eighth of the time of Python's encoder."""
    return msgspec.json.encode(body)


class ScriptedPrometheus(httpx.AsyncBaseTransport):
    """Sends the replies in order, the last one repeatedly; an exception is raised like one of the network."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Record the request, send the next reply."""
        await request.aread()
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            return reply(request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def form(self, number: int = -1) -> dict[str, str]:
        """The form fields of one request."""
        return {key: value for key, [value] in parse_qs(self.requests[number].content.decode()).items()}


class Pauses:
    """Replaces sleeping: *seconds* has the requested pauses."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Return at once."""
        self.seconds.append(seconds)

    def retry_policy(self) -> RetryPolicy:
        """Three tries, and the middle of the random range."""
        return RetryPolicy(sleep=self.sleep, chance=lambda: 0.5)
