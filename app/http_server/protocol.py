"""One connection of a listener: whom it serves, and for how long it waits for the other end.

uvicorn waits for ever for a client that never sends anything, or stops in the middle of a request: its only
timer runs between two requests. Here one rule holds at all times. Unless a whole request is being answered,
the next one must have come within the patience, counted from the last answer (or the connection's begin), or
from its first byte once there is one. The first handshake of TLS has a limit of the event loop, 60 s.
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
    """How long a client is waited for, and the common names that its certificate may bear; none means any.

    API servers keep idle connections for 90 s, and open some before they need them: less patience than that
    would meet their next review half way.
    """

    patience_seconds: float = 120
    names: tuple[str, ...] = ()


ANY_CLIENT = ClientPolicy()


class ClientConnection(HttpToolsProtocol):
    """Serves one client on *terms*."""

    def __init__(self, terms: ClientPolicy, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._terms = terms
        self._deadline = 0.0  # only ever later, so that a timer is armed anew where it goes off, not before
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection begins; with TLS after the handshake."""
        self._writes = CoalescedWrites(transport, self)
        super().connection_made(self._writes)
        self._wait()
        self._look()
        names = common_names(transport.get_extra_info("peercert"))
        if self._terms.names and not set(names) & set(self._terms.names):
            self.app = ForbiddenClient(names)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        super().connection_lost(exc)
        self._writes.let_go()
        if self._timer:
            self._timer.cancel()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._wait()

    def on_response_complete(self) -> None:
        """The last byte of an answer: what uvicorn does then, but for a timer of its own."""
        self._writes.flush()
        self._wait()
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def _is_answering(self) -> bool:
        """True while a request that came as a whole has no whole answer yet."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.time() + self._terms.patience_seconds

    def _look(self) -> None:
        """Lose patience, if it is time."""
        if self._is_answering():
            self._wait()
        if self._deadline <= self.loop.time():
            self.timeout_keep_alive_handler()
        else:
            self._timer = self.loop.call_at(self._deadline, self._look)


class ForbiddenClient:
    """An application that answers each request with a 403, which says why."""

    def __init__(self, names: list[str]) -> None:
        shown = ", ".join(map(repr, names)) or "nobody"
        self._answer = msgspec.json.encode(
            {"error": f"the client certificate is that of {shown}, who is not among CLIENT_NAMES"}
        )

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """One answer, which ends the connection."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self._answer)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": self._answer})


def common_names(certificate: Any) -> list[str]:
    """The common names in a client's certificate, in the form in which `ssl` tells it; none without one."""
    subject = (certificate or {}).get("subject", ())
    return [value for part in subject for kind, value in part if kind == "commonName"]
