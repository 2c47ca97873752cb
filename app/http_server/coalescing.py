"""An answer's head and the begin of its body in one write: one TLS record, where uvicorn makes two.

To encrypt and send a record takes longer than to decide on a Pod.
"""

from asyncio import Transport
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class AnsweringConnection(Protocol):
    """A connection that says what it answers."""

    cycle: RequestResponseCycle


class CoalescedWrites(Transport):
    """The transport of a connection; *transport* is what it writes to.

    The first write of an answer is its head: it is held until the second, or until nothing more comes.
    """

    def __init__(self, transport: Transport, connection: AnsweringConnection) -> None:
        self._transport = transport
        self._connection: AnsweringConnection | None = connection
        self._answered: RequestResponseCycle | None = None
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, or hold it where it is the head of an answer."""
        cycle = self._connection.cycle if self._connection else None
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif cycle and cycle.response_started and cycle is not self._answered:
            self._answered, self._head = cycle, bytes(data)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send the head of an answer that has no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """End the connection when all was sent."""
        self.flush()
        self._transport.close()

    def let_go(self) -> None:
        """Forget the connection, which has ended: in a circle both would wait for the garbage collector."""
        self._connection = self._answered = None

    def is_closing(self) -> bool:
        """Whether the connection is about to end."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the other end."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take in no more for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take in more again."""
        self._transport.resume_reading()
