"""Responses at once: without a task, in the read that completes a small request.

A task, and the messages of ASGI for a request and its response, take longer than a decision on a Pod.
"""

from typing import Protocol, runtime_checkable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_HEAD = b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@runtime_checkable
class ImmediateApplication(Protocol):
    """An ASGI application that can respond to some requests at once."""

    def may_respond_at_once(self, method: bytes, url: bytes) -> bool:
        """True if `respond_at_once` is to be asked first for a request with this head."""

    def respond_at_once(self, client: str, body: bytes) -> tuple[int, bytes] | None:
        """The status and the JSON of the response; None if the request has to be passed on by ASGI.

        After an exception the connection closes.
        """


def json_response(status: int, body: bytes) -> bytes:
    """A response with the JSON *body*; the connection stays open."""
    return _HEAD % (STATUS_LINE[status], len(body)) + body
