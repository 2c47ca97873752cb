"""The values of a label, from the index of a server: no sample is read, so no series is too many."""

import msgspec

from app.history.samples import StepRange
from app.sources.http_clients import HttpClients
from app.sources.optional_answer import optional_answer

_MAX_BYTES = 4 * 1024 * 1024  # 60,000 names of 63 characters


class _Values(msgspec.Struct):
    data: list[str]


async def label_values(
    clients: HttpClients, url: str, label: str, selector: str, steps: StepRange
) -> list[str] | None:
    """The values of *label* among the selected series in *steps*; None if unknown for any reason."""
    parameters = {"match[]": selector, "start": str(steps.start_seconds), "end": str(steps.end_seconds)}
    path = f"{url}/api/v1/label/{label}/values"
    values = await optional_answer(clients, path, parameters, _Values, _MAX_BYTES)
    return values.data if values else None
