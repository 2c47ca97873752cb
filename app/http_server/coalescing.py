"""Coalesced writes: a response's head and first body part in one TLS record, where uvicorn sends two.

Encrypting and sending a record takes longer than deciding on a Pod. A large part is not copied: many clients
may be sent the same one.
"""

from asyncio import Transport
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_MAX_COPIED_BYTES = 64 * 1024


class RespondingConnection(Protocol):
    """A connection with its current request-response cycle."""

    cycle: RequestResponseCycle


class CoalescedWrites(Transport):
    """Wraps the *transport* of a connection.

    The first write of a response is its head: it is held back until the second write or the end of the
    response.
    """

    def __init__(self, transport: Transport, connection: RespondingConnection) -> None:
        self._transport = transport
        self._connection: RespondingConnection | None = connection
        self._last_cycle: RequestResponseCycle | None = None
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, or hold it back if it is the head of a response."""
        cycle = self._connection.cycle if self._connection else None
        if self._head and len(data) <= _MAX_COPIED_BYTES:
            self._transport.write(self._head + data)
            self._head = b""
        elif self._head:
            self.flush()
            self._transport.write(data)
        elif cycle and cycle.response_started and cycle is not self._last_cycle:
            self._last_cycle, self._head = cycle, bytes(data)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send the head of a response without a body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Close the connection when all data is sent."""
        self.flush()
        self._transport.close()

    def detach(self) -> None:
        """Drop the reference to a closed connection, which would otherwise be a reference cycle."""
        self._connection = self._last_cycle = None

    def is_closing(self) -> bool:
        """True if the connection is closing."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the transport, such as the peer's certificate."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Pause reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading."""
        self._transport.resume_reading()
