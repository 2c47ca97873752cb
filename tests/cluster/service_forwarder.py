"""A TCP forwarder in place of a Service: it sends new connections to ready endpoints and keeps open ones.

Readiness is polled, so a change takes effect with a delay, as in a cluster. Without a ready endpoint, or if
the chosen endpoint is gone, the client's connection is reset.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.cluster.loopback_http import answers
from tests.cluster.waiting import wait_until

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65536
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One replica: its port, and the URL that responds with success while it is ready."""

    name: str
    port: int
    ready_url: str


class ServiceForwarder:
    """Context manager that serves from its own thread; `add` and `remove` change the endpoints."""

    def __init__(self, port: int, poll_seconds: float = 1, host: str = LOOPBACK) -> None:
        self.port = port
        self._host = host
        self.forwarded: Counter[str] = Counter()  # connections by the endpoint's name
        self._poll_seconds = poll_seconds
        self._endpoints: tuple[Endpoint, ...] = ()
        self._ready: tuple[Endpoint, ...] = ()
        self._turn = 0
        self._pipes: set[asyncio.Task[None]] = set()
        self._listens = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="service")

    @property
    def ready(self) -> tuple[str, ...]:
        """The names of the ready endpoints."""
        return tuple(endpoint.name for endpoint in self._ready)

    def add(self, endpoint: Endpoint) -> None:
        """Adds an endpoint, which receives connections once it is ready."""
        self._endpoints = (*self._endpoints, endpoint)

    def remove(self, name: str) -> None:
        """Removes an endpoint that terminates: it receives no further connection."""
        self._endpoints = tuple(endpoint for endpoint in self._endpoints if endpoint.name != name)

    def until_ready(self, *names: str) -> None:
        """Waits until exactly these endpoints are ready."""
        wait_until(lambda: set(self.ready) == set(names), PATIENCE_SECONDS, f"{names} as ready endpoints")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listens.wait(PATIENCE_SECONDS), "the forwarder does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the forwarder does not end"

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, self._host, self.port)
        self._running = asyncio.create_task(self._poll())
        self._listens.set()
        with suppress(asyncio.CancelledError):
            await self._running
        server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            endpoints = self._endpoints
            checks = (asyncio.to_thread(_is_ready, endpoint) for endpoint in endpoints)
            states = await asyncio.gather(*checks)
            self._ready = tuple(
                endpoint for endpoint, is_ready in zip(endpoints, states, strict=True) if is_ready
            )
            await asyncio.sleep(self._poll_seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.create_task(self._forward(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            endpoint = self._next()
            endpoint_reader, endpoint_writer = await asyncio.open_connection(LOOPBACK, endpoint.port)
            writers.append(endpoint_writer)
            self.forwarded[endpoint.name] += 1
            await asyncio.gather(_copy(reader, endpoint_writer), _copy(endpoint_reader, writer))
        except OSError:  # one side is gone: the other side is reset at once
            pass
        finally:
            for open_writer in writers:
                open_writer.transport.abort()

    def _next(self) -> Endpoint:
        ready = [endpoint for endpoint in self._ready if endpoint in self._endpoints]
        if not ready:
            raise ConnectionRefusedError("no endpoint is ready")
        self._turn += 1
        return ready[self._turn % len(ready)]


def _is_ready(endpoint: Endpoint) -> bool:
    try:
        return answers(endpoint.ready_url)
    except HTTPException:  # the replica terminated during its response
        return False


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies one direction up to its end of file; the other direction may continue."""
    while chunk := await source.read(CHUNK_BYTES):
        sink.write(chunk)
        await sink.drain()
    sink.write_eof()
