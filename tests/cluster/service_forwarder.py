"""A TCP forwarder that plays a Service: new connections go to endpoints that are ready, open ones stay.

Readiness is polled, so what changed is known a moment later, as in a cluster. Where nobody is ready, or the
endpoint that was chosen is gone, the client meets a reset connection.
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
PIECE_BYTES = 65536
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One replica: where it listens, and the URL that answers with success while it is ready."""

    name: str
    port: int
    ready_url: str


class ServiceForwarder:
    """A context manager; it serves from a thread of its own. Endpoints come and go by `add` and `remove`."""

    def __init__(self, port: int, poll_seconds: float = 1) -> None:
        self.port = port
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
        """The names of the endpoints that new connections go to."""
        return tuple(endpoint.name for endpoint in self._ready)

    def add(self, endpoint: Endpoint) -> None:
        """Forward to *endpoint*, too, from when it is seen to be ready."""
        self._endpoints = (*self._endpoints, endpoint)

    def remove(self, name: str) -> None:
        """Forget an endpoint that has ended; without this it is just never seen ready again."""
        self._endpoints = tuple(endpoint for endpoint in self._endpoints if endpoint.name != name)

    def until_ready(self, *names: str) -> None:
        """Wait until new connections go to exactly these."""
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
        server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
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
            found = await asyncio.gather(*(asyncio.to_thread(_is_ready, each) for each in endpoints))
            self._ready = tuple(each for each, is_ready in zip(endpoints, found, strict=True) if is_ready)
            await asyncio.sleep(self._poll_seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.create_task(self._forward(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            endpoint = self._next()
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, endpoint.port)
            writers.append(far_writer)
            self.forwarded[endpoint.name] += 1
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        except OSError:  # one end is gone: so is the other, at once
            pass
        finally:
            for each in writers:
                each.transport.abort()

    def _next(self) -> Endpoint:
        ready = self._ready
        if not ready:
            raise ConnectionRefusedError("no endpoint is ready")
        self._turn += 1
        return ready[self._turn % len(ready)]


def _is_ready(endpoint: Endpoint) -> bool:
    try:
        return answers(endpoint.ready_url)
    except HTTPException:  # it ended in the middle of its answer
        return False


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction, its end included: the other direction may go on."""
    while piece := await source.read(PIECE_BYTES):
        sink.write(piece)
        await sink.drain()
    sink.write_eof()
