"""Accepts connections, counts them at once, and completes their TLS handshakes in turns.

A server of asyncio counts nothing before the handshake is complete, and waits 60 s for it. Here a connection
that sends nothing has only a socket and a slot, and a handshake begins when its first byte has arrived. One
begins per turn of the event loop, since a handshake takes as long as several reviews.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from app.fair_queue import FairQueue
from app.http_server.open_connections import OpenConnections, Slot, Stage
from app.http_server.protocol import ClientPolicy

log = structlog.get_logger(__name__)
_BACKLOG = 2048
_RECEIVE_BUFFER_BYTES = 64 * 1024
_ACCEPTED_PER_TURN = 16
_EXPIRY_PERIOD_SECONDS = 0.1
_OUT_OF_FILES_PAUSE_SECONDS = 0.5
_TLS_SHUTDOWN_SECONDS = 2
_LOG_PERIOD_SECONDS = 60
BuildProtocol = Callable[[Slot], asyncio.Protocol]


class Acceptor:
    """Serves clients on the bound *sockets*; stands in for a server of asyncio at uvicorn."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        connections: OpenConnections,
        policy: ClientPolicy,
        tls: ssl.SSLContext | None,
        build_protocol: BuildProtocol,
    ) -> None:
        self.sockets = sockets
        self._connections, self._policy, self._tls = connections, policy, tls
        self._build_protocol = build_protocol
        self._loop = asyncio.get_running_loop()
        self._arrived: FairQueue[str, Callable[[], None]] = FairQueue()
        self._opening: set[asyncio.Task[None]] = set()
        self._expiry = self._loop.call_later(_EXPIRY_PERIOD_SECONDS, self._expire)
        self._logged_drops, self._next_log = 0, 0.0
        for listening in sockets:
            # Inherited by connections: one read takes 64 KiB at most, so that many reads stay short.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            listening.listen(_BACKLOG)
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)

    def stop_accepting(self) -> None:
        """Close the bound sockets; handshakes go on."""
        for listening in self.sockets:
            if listening.fileno() >= 0:
                self._loop.remove_reader(listening)
                listening.close()

    def close(self) -> None:
        """Stop to accept; connections without a complete handshake are dropped."""
        self.stop_accepting()
        self._connections.drop_all(Stage.HANDSHAKE)

    async def wait_closed(self) -> None:
        """Stop to expire connections: all have ended."""
        self._expiry.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_PER_TURN):
            try:
                client, peer = listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:  # no file descriptors are left: open connections expire meanwhile
                log.warning("can_not_accept", reason=str(error))
                self._loop.remove_reader(listening)
                self._loop.call_later(_OUT_OF_FILES_PAUSE_SECONDS, self._resume, listening)
                return
            self._admit(client, peer[0])

    def _resume(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)

    def _admit(self, client: socket.socket, address: str) -> None:
        slot = Slot(address, self._loop.time() + self._policy.exchange_seconds)
        if not self._connections.admit(slot):
            client.close()
            return

        def drop() -> None:
            self._loop.remove_reader(client)
            self._connections.discard(slot)
            client.close()

        slot.drop = slot.expire = drop
        client.setblocking(False)
        self._loop.add_reader(client, self._first_byte, client, slot)

    def _first_byte(self, client: socket.socket, slot: Slot) -> None:
        self._loop.remove_reader(client)
        if not self._arrived:
            self._loop.call_soon(self._open_next)
        self._arrived.put(slot.address, lambda: self._open(client, slot))

    def _open_next(self) -> None:
        """Begin the next handshake; the one after it begins in the next turn of the event loop."""
        self._arrived.pop()()
        if self._arrived:
            self._loop.call_soon(self._open_next)

    def _open(self, client: socket.socket, slot: Slot) -> None:
        if client.fileno() < 0:  # dropped meanwhile
            return
        opening = self._loop.create_task(self._handshake(client, slot))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _handshake(self, client: socket.socket, slot: Slot) -> None:
        if client.fileno() < 0:
            return
        opening = asyncio.current_task()
        assert opening
        slot.drop = slot.expire = opening.cancel
        time_left = max(slot.deadline - self._loop.time(), 0.001)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._loop.connect_accepted_socket(
                    lambda: self._build_protocol(slot),
                    client,
                    ssl=self._tls,
                    ssl_handshake_timeout=time_left if self._tls else None,
                    ssl_shutdown_timeout=_TLS_SHUTDOWN_SECONDS if self._tls else None,
                )
                return
        finally:
            if slot.stage is Stage.HANDSHAKE:
                self._connections.discard(slot)

    def _expire(self) -> None:
        now = self._loop.time()
        self._connections.expire(now)
        if self._connections.dropped > self._logged_drops and now >= self._next_log:
            dropped = self._connections.dropped - self._logged_drops
            log.warning("connections_dropped", dropped=dropped, open=len(self._connections))
            self._logged_drops, self._next_log = self._connections.dropped, now + _LOG_PERIOD_SECONDS
        self._expiry = self._loop.call_later(_EXPIRY_PERIOD_SECONDS, self._expire)
