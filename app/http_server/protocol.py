"""Server side of one connection: its deadlines, and the size of a request beside its body.

uvicorn has a time-out between two requests only: it never closes a connection on which the client sends
nothing, or stops in the middle of a request. Here the head of a request must be complete within a time-out
that starts at its first byte, its body within another one, and the next request must begin within a longer
one. No time-out runs while a complete request is being processed.
"""

from asyncio import Transport
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from select import POLLIN, poll
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http_server.client_names import ForbiddenClient, common_names
from app.http_server.coalescing import CoalescedWrites
from app.http_server.immediate import ImmediateApplication, json_response
from app.http_server.open_connections import ConnectionLimits, OpenConnections, Slot, Stage


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """The time-outs of clients, and the accepted common names of client certificates; an empty tuple accepts
    all.

    `timeout_seconds` is for a connection between two requests: API servers keep idle connections open for
    90 s, and open some in advance, so that a shorter time-out could close a connection while the next review
    is on its way. `exchange_seconds` is for the TLS handshake, for the head of a request and for its body,
    each: none takes an API server more than a few round trips.
    """

    timeout_seconds: float = 120
    names: tuple[str, ...] = ()
    exchange_seconds: float = 10
    max_head_bytes: int = 64 * 1024
    max_head_fields: int = 100
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)

    def __post_init__(self) -> None:
        """No part of a request has more time than a connection without one."""
        object.__setattr__(self, "exchange_seconds", min(self.exchange_seconds, self.timeout_seconds))


ANY_CLIENT = ClientPolicy()


# Of a body that is not complete; most reviews have 3 to 9 kB. With the most connections, 8 MiB.
MOST_HELD_BYTES = 16 * 1024


class _Awaited(Enum):
    """The part of a request that the client has to send next."""

    BEGIN = "begin"
    HEAD = "head"
    BODY = "body"


class ClientConnection(HttpToolsProtocol):
    """Serves one client according to *policy*; *slot* is its place among the open *connections*."""

    def __init__(
        self, policy: ClientPolicy, connections: OpenConnections, slot: Slot, **uvicorn: Any
    ) -> None:
        super().__init__(**uvicorn)
        self._policy, self._open_connections, self._slot = policy, connections, slot
        self._awaited = _Awaited.BEGIN
        self._is_receiving = False
        self._is_last = False  # whether the connection ends with the next response
        # Of the request that is being received; a body in chunks is not announced.
        self._received_bytes = self._body_bytes = self._announced_bytes = 0
        self._is_held = False  # until the request is complete, if it is small
        self._held_body = bytearray()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is open; with TLS after the handshake."""
        self._writes = CoalescedWrites(transport, self)
        super().connection_made(self._writes)
        self._slot.drop, self._slot.expire = transport.abort, self._expire
        certificate = transport.get_extra_info("peercert")
        names = common_names(certificate)
        is_accepted = not self._policy.names or bool(set(names) & set(self._policy.names))
        if not is_accepted:
            self.app = ForbiddenClient(names)
        self._immediate = self.app if isinstance(self.app, ImmediateApplication) else None
        self._open_connections.advance(
            self._slot, Stage.USED if certificate and is_accepted else Stage.UNUSED
        )
        self._expire_after(self._policy.timeout_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        if self._is_held and self._is_receiving:
            self._release()
        super().connection_lost(exc)
        self._open_connections.discard(self._slot)
        self._slot.detach()
        self._writes.detach()

    def data_received(self, data: bytes) -> None:
        """Parse *data*; does the same as uvicorn's method, without its timer and its log lines."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered as one without an upgrade
        except httptools.HttpParserError:
            if self._is_answering():
                self._drop()
            else:
                self.send_400_response("Invalid HTTP request received.")
            return
        if self._is_held and not self._holds_on():
            self._release()
        cycle: RequestResponseCycle | None = self.cycle
        if self._is_last and cycle:  # a response begins in a task, which is later
            cycle.keep_alive = False
        if self._is_receiving:
            self._wait_for_rest(len(data))

    def on_message_begin(self) -> None:
        """The first byte of a request has arrived."""
        if self._is_answering():
            raise ValueError("no client needs to send a request before the response to the last one")
        super().on_message_begin()
        self._is_receiving = True
        self._awaited = _Awaited.BEGIN
        self._received_bytes = self._body_bytes = self._announced_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head has arrived; does the same as uvicorn's method, for fewer fields."""
        headers, name = self.headers, name.lower()
        if len(headers) >= self._policy.max_head_fields:
            raise ValueError("a field of three bytes takes 200 in memory")
        if name == b"content-length":
            self._announced_bytes = int(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        if (
            self._immediate
            and self._keeps_alive()
            and self._immediate.may_respond_at_once(self.parser.get_method(), self.url)
        ):
            self._is_held = True
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived."""
        self._body_bytes += len(body)
        if self._is_held:
            self._held_body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._is_receiving = False
        if not self._is_held:
            super().on_message_complete()
            if self.cycle.response_complete:
                self._expire_after(self._policy.timeout_seconds)
                return
        self._slot.deadline = inf

    def on_response_complete(self) -> None:
        """A response is complete; does the same as uvicorn's method, except for uvicorn's timer."""
        self._writes.flush()
        self.server_state.total_requests += 1
        self._slot.served += 1
        if self._slot.stage is Stage.UNUSED:
            self._open_connections.advance(self._slot, Stage.USED)
        if self.flow.read_paused and not self.transport.is_closing():
            self.flow.resume_reading()
        if not self._is_receiving:
            is_unread = self.flow.write_paused
            self._expire_after(self._policy.exchange_seconds if is_unread else self._policy.timeout_seconds)

    def shutdown(self) -> None:
        """Close the connection, after the response to a request that is on its way.

        No client repeats a POST that was sent on a connection before it noticed the connection's end.
        """
        self._is_last = True
        if not (self._is_receiving or has_data(self._writes)):
            super().shutdown()

    def _holds_on(self) -> bool:
        """True while the rest of the held request may come soon: clients send a few kB in some pieces."""
        is_small = max(self._announced_bytes, self._body_bytes) <= MOST_HELD_BYTES
        return self._is_receiving and is_small and not self.expect_100_continue

    def _release(self) -> None:
        """Respond to the held request if it is complete, or pass on what has arrived of it."""
        self._is_held = False
        body, self._held_body = bytes(self._held_body), bytearray()
        if response := self._immediate_response(body):
            self.transport.write(json_response(*response))
            self.on_response_complete()
        else:
            self._pass_on(body)

    def _immediate_response(self, body: bytes) -> tuple[int, bytes] | None:
        if self._is_receiving or self._is_last or not self._immediate:
            return None
        return self._immediate.respond_at_once(self._slot.address, body)

    def _pass_on(self, body: bytes) -> None:
        super().on_headers_complete()
        if body:
            super().on_body(body)
        if not self._is_receiving:
            super().on_message_complete()

    def _keeps_alive(self) -> bool:
        """True unless the connection ends with the response to the request that is being received."""
        parser = self.parser
        return not self._is_last and parser.should_keep_alive() and parser.get_http_version() != "1.0"

    def _wait_for_rest(self, received_bytes: int) -> None:
        """The request is incomplete: set the deadline of its current part, and check the size of its head."""
        cycle: RequestResponseCycle | None = self.cycle
        has_head = self._is_held or (cycle is not None and cycle.scope is self.scope)
        awaited = _Awaited.BODY if has_head else _Awaited.HEAD
        if awaited is not self._awaited:
            self._awaited = awaited
            self._expire_after(self._policy.exchange_seconds)
        # Beside the body there are the head, the framing of chunks and trailers.
        self._received_bytes += received_bytes
        if self._received_bytes - self._body_bytes > self._policy.max_head_bytes:
            self._drop()

    def _drop(self) -> None:
        self._open_connections.discard(self._slot)
        self._slot.drop()

    def _is_answering(self) -> bool:
        """True while the client can't have received the complete response to its last request.

        A request that arrives before would wait for the client, without a time-out.
        """
        is_processing = self._slot.deadline == inf
        return is_processing or self.flow.write_paused

    def _expire_after(self, seconds: float) -> None:
        self._slot.deadline = self.loop.time() + seconds

    def _expire(self) -> None:
        """Close an idle connection; abort one that waits for the client, if only for the end of a close."""
        if self._is_receiving or self.flow.write_paused or self.transport.is_closing():
            self._slot.drop()
        else:
            self.transport.close()
            self._expire_after(self._policy.exchange_seconds)


def has_data(transport: Transport) -> bool:
    """True if the socket of *transport* has received bytes, or the end of file, that are not read yet."""
    received = poll()
    received.register(transport.get_extra_info("socket").fileno(), POLLIN)
    return bool(received.poll(0))
