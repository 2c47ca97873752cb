"""HTTP listener: a uvicorn server in the process's own event loop."""

import asyncio
import math
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.errors import ProfilerError
from app.http_server.acceptor import Acceptor
from app.http_server.binding import bind, loopback
from app.http_server.open_connections import OpenConnections, Slot
from app.http_server.protocol import ANY_CLIENT, ClientConnection, ClientPolicy

_DRAIN_SECONDS = 5
# A few round trips of the cluster's network: a client that connects sends its first request within them.
_FIRST_REQUEST_SECONDS = 0.5


class Listener(uvicorn.Server):
    """A server without signal handlers of its own."""

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        policy: ClientPolicy = ANY_CLIENT,
    ) -> None:
        self._tls, self._policy = tls, policy
        verifies_clients = tls is not None and tls.verify_mode is ssl.CERT_REQUIRED
        self.connections = OpenConnections(policy.limits, verifies_clients=verifies_clients)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=ClientConnection,
                ws="none",
                lifespan="off",
                access_log=False,
                proxy_headers=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=math.ceil(policy.timeout_seconds),
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )

    @property
    def own_address(self) -> tuple[str, int] | None:
        """The address at which this process can connect to the listener; None before it has started."""
        if not self.started:
            return None
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return loopback(host), port

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: `app.runtime.serving` handles signals."""
        yield

    async def run_until_cancelled(self) -> None:
        """Serve until cancelled; requests in progress are completed first.

        Raises:
            ProfilerError: the address can't be bound.
        """
        serving = asyncio.create_task(self._serve_or_raise())
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on the bound *sockets*."""
        await self.lifespan.startup()
        acceptor = Acceptor(sockets or [], self.connections, self._policy, self._tls, self._connection)
        self._acceptor = acceptor
        self.servers = [acceptor]  # type: ignore[list-item]  # has what uvicorn uses of a server
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, then idle connections; handshakes and requests that have begun are completed."""
        self._acceptor.stop_accepting()
        if self.connections.await_a_first_request:
            await asyncio.sleep(_FIRST_REQUEST_SECONDS)
        await super().shutdown(sockets)

    def _connection(self, slot: Slot) -> ClientConnection:
        return ClientConnection(
            self._policy,
            self.connections,
            slot,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    async def _serve_or_raise(self) -> None:
        sockets: list[socket.socket] = []
        try:
            sockets = bind(self.config.host, self.config.port)
            await self.serve(sockets)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name can be so long
            reason = error.strerror if isinstance(error, OSError) else error
            address = f"{self.config.host or 'all addresses'}, port {self.config.port}"
            raise ProfilerError(f"can't listen on {address}: {reason}") from error
        finally:
            for bound in sockets:
                bound.close()
