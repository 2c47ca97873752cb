"""A connection of the listener over a transport in memory, which has one read per call."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from app.http_server.open_connections import OpenConnections, Slot
from app.http_server.protocol import ANY_CLIENT, ClientConnection, ClientPolicy


class Wire(asyncio.Transport):
    """A transport that records each write."""

    def __init__(self, **extra: object) -> None:
        super().__init__({"peername": ("10.0.0.1", 50_000)} | extra)
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record *data*; fails after close."""
        assert not self.is_closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        """True after close."""
        return self.is_closed

    def close(self) -> None:
        """Close."""
        self.is_closed = True

    def abort(self) -> None:
        """Close, as without data that is left to be written."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Has no effect."""

    def resume_reading(self) -> None:
        """Has no effect."""


def connected(
    application: Any, wire: Wire, policy: ClientPolicy = ANY_CLIENT, slot: Slot | None = None
) -> ClientConnection:
    """The open connection over *wire*; its *slot* is for the address `10.0.0.1` by default."""
    config = uvicorn.Config(
        application,
        log_config=None,
        lifespan="off",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    config.load()
    connections, slot = OpenConnections(policy.limits), slot or Slot("10.0.0.1")
    connections.admit(slot)
    connection = ClientConnection(
        policy, connections, slot, config=config, server_state=ServerState(), app_state={}
    )
    connection.connection_made(wire)
    return connection
