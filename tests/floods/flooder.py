"""A client that floods the webhook: `python -m tests.floods.flooder FLOOD PORT SECONDS SOURCE`.

It is a process of its own with low priority, so that it does not delay the client that measures. At its end
it prints what it did.
"""

import asyncio
import json
import os
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from tests.floods.honest_reviews import request
from tests.webhook.reviews import encoded, review, web_pod

MEBIBYTE = 1024 * 1024
_PACE_SECONDS = 0.5


class Flooder:
    """The connections of a flood, and what became of them."""

    def __init__(self, port: int, source: str) -> None:
        self._port, self._source = port, source
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        self.counts = Counter[str]()
        self._opening = asyncio.Semaphore(100)

    async def connect(self, *, tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        async with self._opening:
            opened = await asyncio.open_connection(
                "127.0.0.1",
                self._port,
                ssl=self._tls if tls else None,
                local_addr=(self._source, 0),
            )
        self.counts["opened"] += 1
        return opened

    async def repeat(self, connections: int, attack: Callable[[], Awaitable[None]]) -> None:
        """Runs *attack* on so many connections, again and again."""

        async def again() -> None:
            while True:
                try:
                    await attack()
                except (OSError, asyncio.IncompleteReadError):
                    self.counts["ended by the server"] += 1
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(again() for _ in range(connections)))

    async def idle(self, *, tls: bool = True) -> None:
        """Sends nothing, after the handshake or before it."""
        reader, writer = await self.connect(tls=tls)
        await self._until_end(reader, writer)

    async def send(self, *parts: bytes, pace_seconds: float = 0) -> None:
        """Sends these parts, and waits for the end."""
        reader, writer = await self.connect()
        with suppress(OSError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pace_seconds)
        await self._until_end(reader, writer)

    async def ask(self, body: bytes) -> None:
        """Sends reviews on one connection, each after the response to the one before."""
        reader, writer = await self.connect()
        try:
            while True:
                writer.write(request(body))
                await self._receive(reader)
        finally:
            writer.transport.abort()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        """Reads one response."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        self.counts[f"status {head.split()[1].decode()}"] += 1

    async def scrape(self) -> None:
        """Asks for the metrics on one plain connection, again and again."""
        reader, writer = await self.connect(tls=False)
        try:
            while True:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: health\r\n\r\n")
                await self._receive(reader)
        finally:
            writer.transport.abort()

    async def churn(self) -> None:
        """A handshake, and the end."""
        _, writer = await self.connect()
        writer.transport.abort()

    async def ignore_answers(self, body: bytes) -> None:
        """Sends reviews and reads no response."""
        reader, writer = await self.connect()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not writer.transport.is_closing():
            writer.write(request(body))
            await writer.drain()
            await asyncio.sleep(0.01)

    async def _until_end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while received := await reader.read(65536):
                if received.startswith(b"HTTP/"):
                    self.counts[f"status {received.split()[1].decode()}"] += 1
        finally:
            self.counts["ended by the server"] += 1
            writer.transport.abort()


def containers(count: int) -> bytes:
    """A review of a Pod of `web` with so many containers."""
    pod = web_pod()
    pod["spec"]["containers"] = [{"name": f"a{number}"} for number in range(count)]
    return json.dumps(review(pod), separators=(",", ":")).encode()


def annotations(count: int, prefix: str = "a") -> bytes:
    """The same with so many annotations."""
    return encoded(review(web_pod({f"{prefix}{number}": "" for number in range(count)})))


def escaped(characters: int) -> bytes:
    """The same with an argument of so many `<`, as API servers write them."""
    pod = web_pod()
    pod["spec"]["containers"][0]["args"] = ["@"]
    return encoded(review(pod)).replace(b"@", rb"\u003c" * characters)


HEAD = request(b"")[:-4]
SHORT_BODY = request(b" " * (3 * MEBIBYTE))[:-1]
BYTES = [bytes([byte]) for byte in HEAD]
FLOODS: dict[str, Callable[[Flooder], Awaitable[None]]] = {
    "short-bodies": lambda flooder: flooder.repeat(150, lambda: flooder.send(SHORT_BODY)),
    "small-short-bodies": lambda flooder: flooder.repeat(
        400, lambda: flooder.send(request(b" " * 200_000)[:-1])
    ),
    "idle": lambda flooder: flooder.repeat(9000, flooder.idle),
    "half-open": lambda flooder: flooder.repeat(3000, lambda: flooder.idle(tls=False)),
    "slow-heads": lambda flooder: flooder.repeat(
        500, lambda: flooder.send(*BYTES, pace_seconds=_PACE_SECONDS)
    ),
    "endless-heads": lambda flooder: flooder.repeat(
        50, lambda: flooder.send(HEAD, *[b"x-%d: " % 0 + b"a" * 60_000 + b"\r\n"] * 100)
    ),
    "many-fields": lambda flooder: flooder.repeat(
        250, lambda: flooder.send(HEAD, b"\r\n" + b"a:\r\n" * 15_000)
    ),
    "slow-bodies": lambda flooder: flooder.repeat(
        500, lambda: flooder.send(request(b" " * 1000)[:-999], *[b" "] * 998, pace_seconds=_PACE_SECONDS)
    ),
    "containers": lambda flooder: flooder.repeat(2, lambda: flooder.ask(containers(160_000))),
    "many-containers": lambda flooder: flooder.repeat(50, lambda: flooder.ask(containers(3000))),
    "annotations": lambda flooder: flooder.repeat(4, lambda: flooder.ask(annotations(100_000))),
    "large": lambda flooder: flooder.repeat(4, lambda: flooder.ask(escaped(3 * MEBIBYTE))),
    "unread-answers": lambda flooder: flooder.repeat(
        100, lambda: flooder.ignore_answers(annotations(900, "liqo.io/connectionProfile"))
    ),
    "handshakes": lambda flooder: flooder.repeat(100, flooder.churn),
    "pipelined": lambda flooder: flooder.repeat(50, lambda: flooder.send(b"GET / HTTP/1.1\r\n\r\n" * 20_000)),
    "metrics": lambda flooder: flooder.repeat(250, flooder.scrape),
}
OF_HEALTH_PORT = {"metrics"}


async def _flood(name: str, port: int, seconds: float, source: str) -> None:
    flooder = Flooder(port, source)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await FLOODS[name](flooder)
    print(json.dumps(flooder.counts), flush=True)
    os._exit(0)  # without the end of thousands of connections one by one


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, 10)
    uvloop.run(_flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
