"""Retention time of a Prometheus server; other back ends do not report theirs."""

import re

import msgspec

from app.sources.http_clients import HttpClients
from app.sources.optional_answer import optional_answer

_PATH = "api/v1/status/runtimeinfo"
_MAX_BYTES = 64 * 1024
_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


class _Data(msgspec.Struct, rename="camel"):
    storage_retention: str = ""


class _RuntimeInfo(msgspec.Struct):
    data: _Data


async def retention_seconds(clients: HttpClients, url: str) -> float | None:
    """The time for which the server at *url* keeps samples; None if it is unknown for any reason."""
    info = await optional_answer(clients, f"{url}/{_PATH}", {}, _RuntimeInfo, _MAX_BYTES)
    return duration_seconds(info.data.storage_retention) if info else None


def duration_seconds(text: str) -> float | None:
    """The duration in a text like `15d`, `1h30m` or `15d or 10GiB`; None if there is none."""
    duration = next((part for part in text.split(" or ") if re.fullmatch(rf"({_PART.pattern})+", part)), "")
    seconds = sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(duration))
    return seconds or None
