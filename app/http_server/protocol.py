"""Server side of one connection: client time-out and check of the client's name.

uvicorn has a time-out between two requests only: it never closes a connection on which the client sends
nothing, or stops in the middle of a request. Here one rule applies at all times: unless a complete request is
being processed, the next request must be complete within the time-out. The time-out starts at the last
response (or when the connection opens), and again at the first byte of the request. The TLS handshake before
has a time-out of the event loop, 60 s.
"""

from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http_server.coalescing import CoalescedWrites


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """The client time-out, and the accepted common names of client certificates; an empty tuple accepts all.

    API servers keep idle connections open for 90 s, and open some in advance: a shorter time-out could close
    a connection while the next review is on its way.
    """

    timeout_seconds: float = 120
    names: tuple[str, ...] = ()


ANY_CLIENT = ClientPolicy()


class ClientConnection(HttpToolsProtocol):
    """Serves one client according to *policy*."""

    def __init__(self, policy: ClientPolicy, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._policy = policy
        self._deadline = 0.0  # moves forward only: the timer is set again when it fires, not on each request
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is open; with TLS after the handshake."""
        self._writes = CoalescedWrites(transport, self)
        super().connection_made(self._writes)
        self._extend_deadline()
        self._check_deadline()
        names = common_names(transport.get_extra_info("peercert"))
        if self._policy.names and not set(names) & set(self._policy.names):
            self.app = ForbiddenClient(names)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        super().connection_lost(exc)
        self._writes.detach()
        if self._timer:
            self._timer.cancel()

    def on_message_begin(self) -> None:
        """The first byte of a request has arrived."""
        super().on_message_begin()
        self._extend_deadline()

    def on_response_complete(self) -> None:
        """A response is complete; does the same as uvicorn's method, except for uvicorn's timer."""
        self._writes.flush()
        self._extend_deadline()
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def _is_processing(self) -> bool:
        """True while a completely received request has no complete response."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _extend_deadline(self) -> None:
        self._deadline = self.loop.time() + self._policy.timeout_seconds

    def _check_deadline(self) -> None:
        """Close the connection if the deadline has passed; otherwise check again at the deadline."""
        if self._is_processing():
            self._extend_deadline()
        if self._deadline <= self.loop.time():
            self.timeout_keep_alive_handler()
        else:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)


class ForbiddenClient:
    """An application that responds to each request with status 403 and the reason."""

    def __init__(self, names: list[str]) -> None:
        shown = ", ".join(map(repr, names)) or "none"
        self._body = msgspec.json.encode(
            {"error": f"the common name of the client certificate is not in CLIENT_NAMES: {shown}"}
        )

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response, and close the connection."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self._body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def common_names(certificate: Any) -> list[str]:
    """The common names in a client certificate as `ssl` decodes it; empty without a certificate."""
    subject = (certificate or {}).get("subject", ())
    return [value for part in subject for kind, value in part if kind == "commonName"]
