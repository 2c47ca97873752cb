"""A small answer of Prometheus' API that the product can do without; it is bounded like every other."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import TypeVar

import httpx
import msgspec

from app.errors import SourceError
from app.sources.http_clients import HttpClients
from app.sources.response_body import decoded_chunks

_TIMEOUT_SECONDS = 10.0
_HEADERS = {"Accept-Encoding": "identity"}
_UNKNOWN = (
    SourceError,
    TimeoutError,
    httpx.HTTPError,
    httpx.InvalidURL,
    msgspec.DecodeError,
    UnicodeError,
    RecursionError,
)
T = TypeVar("T")


async def optional_answer(
    clients: HttpClients, url: str, parameters: Mapping[str, str], kind: type[T], max_bytes: int
) -> T | None:
    """The answer to a GET request, decoded as *kind*; None after any fault, and if it is larger."""
    try:
        async with (
            clients.current() as client,
            asyncio.timeout(_TIMEOUT_SECONDS),
            client.stream("GET", url, params=parameters, headers=_HEADERS) as response,
        ):
            if not response.is_success:
                return None
            body = bytearray()
            async for chunk in decoded_chunks(response):
                body += chunk
                if len(body) > max_bytes:
                    return None
        return msgspec.json.decode(body.removeprefix(BOM_UTF8), type=kind)
    except _UNKNOWN:
        return None
