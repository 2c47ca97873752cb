"""The names in the certificate of a client, and the response to a client without an accepted one."""

from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send


class ForbiddenClient:
    """An application that responds to each request with status 403 and the reason."""

    def __init__(self, names: list[str]) -> None:
        shown = ", ".join(map(repr, names)) or "none"
        self._body = msgspec.json.encode(
            {"error": f"the common name of the client certificate is not in CLIENT_NAMES: {shown}"}
        )

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response, and close the connection."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self._body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def common_names(certificate: Any) -> list[str]:
    """The common names in a client certificate as `ssl` decodes it; empty without a certificate."""
    subject = (certificate or {}).get("subject", ())
    return [value for part in subject for kind, value in part if kind == "commonName"]
