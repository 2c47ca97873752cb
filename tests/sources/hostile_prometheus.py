"""A server on loopback in a process of its own whose responses would fill the memory, and a client's view.

The first part of the path selects the attack. The server ends when its standard input does.
"""

import asyncio
import gzip
import itertools
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from app.errors import SourceError
from app.history.samples import StepRange
from app.sources.prometheus_api import PrometheusApi
from app.sources.retry_policy import RetryPolicy

STEPS = StepRange(5_907_744, 5_907_747)
MIB = 2**20
_OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BEGIN = b'{"status":"success","data":{"resultType":"matrix","result":['
Body = Iterable[bytes]


@cache
def _deflated_spaces(mib: int) -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join([*(compressor.compress(b" " * MIB) for _ in range(mib)), compressor.flush()])


def _stacked() -> Body:
    """400 MiB of spaces, compressed three times: some hundred bytes."""
    return [gzip.compress(gzip.compress(_deflated_spaces(400)))]


def _endless(piece: bytes, begin: bytes = b"") -> Body:
    return itertools.chain([begin], itertools.repeat(piece * (MIB // len(piece))))


def _rows(form: str) -> Body:
    """Series without end, each with other labels."""
    yield _BEGIN
    for number in itertools.count():
        rows = (form % (number * 2000 + each) for each in range(2000))
        yield ",".join(rows).encode() + b","


_ROW = '{"metric":{"pod":"web-%d"},"values":[[1772323200,"0.5"]]}'
_BODIES: dict[str, tuple[str, Callable[[], Body]]] = {
    "stacked": ("gzip, gzip, gzip", _stacked),
    "stacked in two headers": ("gzip\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip", _stacked),
    "brotli": ("br", lambda: [b"\x00" * 100]),
    "zstd": ("zstd", lambda: [b"\x28\xb5\x2f\xfd" * 10]),
    "no encoding": ("gzip-ish", lambda: [b"{}"]),
    "bomb": ("gzip", lambda: [_deflated_spaces(400)]),
    "deflate bomb": ("deflate", lambda: [zlib.compress(b" " * 200 * MIB, 1)]),
    "members": ("gzip", lambda: _endless(gzip.compress(b""))),
    "truncated": ("gzip", lambda: [gzip.compress(_BEGIN * 10)[:-9]]),
    "spaces": ("", lambda: _endless(b" ")),
    "series": ("", lambda: _rows(_ROW)),
    "spaced series": ("", lambda: _rows(_ROW.replace('":', '" : '))),
    "empty series": ("", lambda: _endless(b'{"metric":{},"values":[]},', _BEGIN)),
    "labels": ("", lambda: _endless(b'"":"",', _BEGIN + b'{"metric":{')),
    "points": ("", lambda: _endless(b'[60,"0"],', _BEGIN + b'{"metric":{"pod":"a"},"values":[')),
    "numbers": ("", lambda: _endless(b"1,", _BEGIN + b'{"metric":{"pod":"a"},"values":[[')),
    "finished numbers": (
        "",
        lambda: [_BEGIN, b'{"metric":{"pod":"a"},"values":[[', b"1," * 8 * MIB, b'1,"1"]]}]}}'],
    ),
    "text": ("", lambda: _endless(b"x", _BEGIN + b'{"metric":{"pod":"')),
    "digits": (
        "",
        lambda: [_BEGIN, b'{"metric":{"pod":"a"},"values":[[1772323200,"', b"9" * 8 * MIB, b'"]]}]}}'],
    ),
    "depth": ("", lambda: [b"[" * 2**16]),
    "deep metric": ("", lambda: [_BEGIN, b'{"metric":' + b'{"a":' * 2**12]),
    "warnings": ("", lambda: _endless(b'"aa",', b'{"status":"success","warnings":[')),
    "many warnings": ("", lambda: [b'{"status":"success","warnings":[', b'"aa",' * 2**16, b'"aa"]}']),
    "long warning": ("", lambda: [b'{"status":"success","warnings":["', b"x " * 16 * MIB, b'"]}']),
}
ATTACKS = tuple(_BODIES)


async def _respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if match := re.search(r"content-length: (\d+)", head.lower()):
            await reader.readexactly(int(match[1]))  # a close with unread bytes would be a reset
        attack = head.split()[1].split("/")[1].replace("%20", " ")
        if attack == "drip":
            writer.write((_OK + "\r\n").encode())
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        if attack == "error":
            writer.write(b"HTTP/1.1 500 No\r\nContent-Encoding: gzip, gzip\r\n\r\n" + b"x" * 100)
        elif attack == "endless error":
            writer.write(b"HTTP/1.1 500 No\r\n\r\n")
            for piece in _endless(b"x"):
                writer.write(piece)
                await writer.drain()
        else:
            encoding, body = _BODIES[attack]
            header = f"Content-Encoding: {encoding}\r\n" if encoding else ""
            writer.write(f"{_OK}{header}\r\n".encode())
            for piece in body():
                writer.write(piece)
                await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_respond, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def hostile_prometheus() -> Iterator[str]:
    """The URL of a running server."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


async def ask(url: str, timeout_seconds: float, queries: int = 1) -> list[list[str]]:
    """The class and text of the error of each query; an empty text for a result."""
    policy = RetryPolicy(tries=1)
    async with PrometheusApi(url, timeout_seconds=timeout_seconds, retry_policy=policy) as api:

        async def outcome() -> list[str]:
            try:
                result = await api.query_range("up", ("pod",), STEPS)
            except SourceError as error:
                return [type(error).__name__, str(error)]
            return ["", str(len(result.samples))]

        return await asyncio.gather(*(outcome() for _ in range(queries)))


async def ask_retention(url: str) -> list[float | None]:
    """The retention time of the server."""
    async with PrometheusApi(url, timeout_seconds=60) as api:
        return [await api.retention_seconds()]


if __name__ == "__main__":
    asyncio.run(_serve())
