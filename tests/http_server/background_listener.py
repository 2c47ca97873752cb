"""A listener of the product on a free port of 127.0.0.1, in a thread with the event loop of the product."""

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self

import uvloop

from app.http_server.listener import Listener
from app.http_server.open_connections import OpenConnections
from app.http_server.protocol import ANY_CLIENT, ClientPolicy

_PATIENCE_SECONDS = 10


class BackgroundListener:
    """A context manager; the listener drains and its thread has ended when the context is left."""

    def __init__(
        self, app: Any, tls: ssl.SSLContext | None = None, policy: ClientPolicy = ANY_CLIENT
    ) -> None:
        self._listener = Listener(app, "127.0.0.1", 0, tls, policy)
        self._thread = Thread(target=lambda: uvloop.run(self._serve()), name="listener")

    @property
    def port(self) -> int:
        """The bound port."""
        address = self._listener.own_address
        assert address
        return address[1]

    @property
    def connections(self) -> OpenConnections:
        """The open connections."""
        return self._listener.connections

    def call(self, function: Callable[[], object]) -> None:
        """Run *function* in the event loop."""
        self._loop.call_soon_threadsafe(function)

    def shut_down_connections(self, after: Callable[[], object]) -> None:
        """Ask each connection to end after *after* returned, with no turn of the event loop in between."""

        def shut_down() -> None:
            after()
            for connection in list(self._listener.server_state.connections):
                connection.shutdown()

        self.call(shut_down)

    def end(self) -> None:
        """Begin to end the listener."""
        self.call(self._serving.cancel)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._listener.started:
            assert self._thread.is_alive(), "the listener ended before it had started"
            assert time.monotonic() < deadline, "the listener does not start"
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the listener does not end"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.current_task()
        assert serving
        self._serving = serving
        with suppress(asyncio.CancelledError):
            await self._listener.run_until_cancelled()
