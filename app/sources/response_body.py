"""The body of a response, decompressed while it is received, up to a limit.

A deflated body can be a thousand times as large as what is received, and each further encoding multiplies
that: a body has at most one, and is inflated in small pieces, which the caller counts.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator

import httpx

from app.errors import SourceError

ACCEPTED = "gzip, deflate"
_PIECE_BYTES = 256 * 1024
_ANY_HEADER = 32 + zlib.MAX_WBITS  # of gzip or zlib
_NO_HEADER = -zlib.MAX_WBITS
_SHOWN_CHARACTERS = 100


async def decoded_chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in pieces of at most 256 KiB or as received.

    Raises:
        SourceError: the body has another encoding than gzip or deflate, more than one, or a broken one.
    """
    encoding, stream = _encoding(response.headers.get("content-encoding", "")), response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    if not encoding:
        async for chunk in stream:
            yield chunk
        return
    inflater = None
    async for chunk in stream:
        inflater, rest = inflater or zlib.decompressobj(_window(encoding, chunk)), chunk
        while rest:
            yield _inflate(inflater, rest)
            rest = inflater.unconsumed_tail
            await asyncio.sleep(0)  # a chunk may become a thousand pieces
    if inflater and not inflater.eof:
        raise _malformed("its compressed body ends early")


def _inflate(inflater: "zlib._Decompress", chunk: bytes) -> bytes:
    if inflater.eof:
        raise _malformed("it goes on after the end of its compressed body")
    try:
        piece = inflater.decompress(chunk, _PIECE_BYTES)
    except zlib.error as error:
        raise _malformed(f"its body can't be decompressed: {error}") from error
    if inflater.unused_data:
        raise _malformed("it goes on after the end of its compressed body")
    return piece


def _encoding(header: str) -> str:
    """The one encoding of the body; empty if there is none."""
    encodings = [name for part in header.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(encodings) > 1 or not {*encodings} <= {"gzip", "x-gzip", "deflate"}:
        raise _malformed(
            f"its Content-Encoding is {header[:_SHOWN_CHARACTERS]!r}, and only one of {ACCEPTED} is accepted"
        )
    return encodings[0] if encodings else ""


def _window(encoding: str, beginning: bytes) -> int:
    """Some servers send `deflate` without the header of zlib, which begins with the method 8."""
    has_header = encoding != "deflate" or beginning[0] & 0x0F == zlib.DEFLATED
    return _ANY_HEADER if has_header else _NO_HEADER


def _malformed(fault: str) -> SourceError:
    return SourceError("MalformedAnswer", f"Prometheus' response is not accepted: {fault}")
