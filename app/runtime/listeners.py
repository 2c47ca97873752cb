"""The two listeners, served by uvicorn inside the process's own event loop."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.errors import ProfilerError

# API servers keep idle connections for 90 s: a shorter time here would meet their next review half way.
_KEEP_ALIVE_SECONDS = 120
_DRAIN_SECONDS = 5


class Listener(uvicorn.Server):
    """A server that leaves signals to the process."""

    def __init__(self, app: Any, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the process in an order of its own: see `serving`."""
        yield

    async def run_until_cancelled(self) -> None:
        """Serve; a cancellation lets the requests that are under way end.

        Raises:
            ProfilerError: the address can't be listened on.
        """
        serving = asyncio.create_task(self._serve_or_raise())
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise

    async def _serve_or_raise(self) -> None:
        try:
            await self.serve()
        except SystemExit as exit_:  # uvicorn could not bind, and has logged why
            address = f"{self.config.host}, port {self.config.port}"
            raise ProfilerError(f"can't listen on {address}: is it in use?") from exit_
