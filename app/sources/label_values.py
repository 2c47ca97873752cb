"""The values of a label, from the index of a server: no sample is read, so no series is too many."""

import httpx
import msgspec

from app.errors import SourceError
from app.history.samples import StepRange
from app.sources.http_clients import HttpClients

_TIMEOUT_SECONDS = 10.0


class _Values(msgspec.Struct):
    data: list[str]


async def label_values(
    clients: HttpClients, url: str, label: str, selector: str, steps: StepRange
) -> list[str]:
    """The values of *label* among the selected series in *steps*; empty if unknown for any reason."""
    parameters = {"match[]": selector, "start": str(steps.start_seconds), "end": str(steps.end_seconds)}
    try:
        async with clients.current() as client:
            response = await client.get(
                f"{url}/api/v1/label/{label}/values", params=parameters, timeout=_TIMEOUT_SECONDS
            )
        return msgspec.json.decode(response.content, type=_Values).data if response.is_success else []
    except (SourceError, httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeError):
        return []
