"""How far back a server remembers, as far as it tells: Prometheus itself does, other backends do not."""

import re

import httpx
import msgspec

from app.errors import SourceError
from app.sources.http_clients import HttpClients

_PATH = "api/v1/status/runtimeinfo"
_TIMEOUT_SECONDS = 10.0
_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


class _Data(msgspec.Struct, rename="camel"):
    storage_retention: str = ""


class _Answer(msgspec.Struct):
    data: _Data


async def retention_seconds(clients: HttpClients, url: str) -> float | None:
    """The time for which *url* keeps samples; None where it does not tell, for whatever reason."""
    try:
        async with clients.current() as client:
            answer = await client.get(f"{url}/{_PATH}", timeout=_TIMEOUT_SECONDS)
        told = msgspec.json.decode(answer.content, type=_Answer) if answer.is_success else _Answer(_Data())
    except (SourceError, httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeError):
        return None
    return duration_seconds(told.data.storage_retention)


def duration_seconds(text: str) -> float | None:
    """`15d`, `1h30m`, `15d or 10GiB`: the time in it, None where there is none."""
    time = next((part for part in text.split(" or ") if re.fullmatch(rf"({_PART.pattern})+", part)), "")
    seconds = sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(time))
    return seconds or None
