"""A client that sends reviews at a fixed rate on connections that stay open, as API servers do."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles

from tests.floods.served_product import ServedProduct
from tests.webhook.reviews import encoded, review, web_pod

CONNECTIONS = 10
RATE = 50
_PATIENCE_SECONDS = 10
REVIEW = encoded(review(web_pod()))


def request(body: bytes) -> bytes:
    """The bytes of a POST."""
    head = f"POST /mutate?timeout=3s HTTP/1.1\r\nHost: webhook\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class OpenConnection:
    """One kept-alive connection; a fault ends the test, since it would cost an API server a review."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def ask(self, body: bytes = REVIEW) -> tuple[int, bytes]:
        """The status and the body of the response."""
        self.writer.write(request(body))
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head.split()[1]), await self._reader.readexactly(length)


@dataclass
class Measured:
    """The response times in milliseconds, and the reviews without a patch."""

    milliseconds: list[float] = field(default_factory=list)
    unpatched: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile."""
        return quantiles(self.milliseconds, n=100)[98]


class HonestReviews:
    """Sends the review of a Pod of `web`."""

    def __init__(self, connections: list[OpenConnection]) -> None:
        self._free: asyncio.LifoQueue[OpenConnection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def during(self, seconds: float) -> Measured:
        """Sends reviews for *seconds*; the time of a review starts when it is due."""
        measured, began = Measured(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * RATE)):
                due = began + number / RATE
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(self._send(due, measured))
        return measured

    async def _send(self, due: float, measured: Measured) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            connection = await self._free.get()
            status, body = await connection.ask()
        self._free.put_nowait(connection)
        measured.milliseconds.append((time.perf_counter() - due) * 1000)
        if status != 200 or b"patch" not in body:
            measured.unpatched.append((status, body))


@asynccontextmanager
async def open_connection(product: ServedProduct, source: str = "127.0.0.1") -> AsyncIterator[OpenConnection]:
    """A connection from the address *source*."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        product.port,
        ssl=product.trust,
        server_hostname="127.0.0.1",
        local_addr=(source, 0),
        limit=16 * 1024 * 1024,
    )
    try:
        yield OpenConnection(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def honest_reviews(product: ServedProduct) -> AsyncIterator[HonestReviews]:
    """Connections that have each answered one review; without garbage collection of this process."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(open_connection(product)) for _ in range(CONNECTIONS)]
        for connection in connections:
            await connection.ask()
        gc.collect()
        gc.disable()
        try:
            yield HonestReviews(connections)
        finally:
            gc.enable()
