"""HTTP requests to programs on 127.0.0.1, without the environment's proxy."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def request_json(url: str, *, ca_file: Path | None = None, token: str = "", body: Any = None) -> Any:
    """The decoded JSON response; a `body` is posted as JSON. Raises OSError, also for HTTP and URL errors."""
    return json.loads(request(url, ca_file=ca_file, token=token, body=body))


def request(
    url: str,
    *,
    ca_file: Path | None = None,
    token: str = "",
    body: Any = None,
    content: bytes | None = None,
) -> bytes:
    """The response body; *content* is posted as it is. Otherwise like `request_json`."""
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = content if body is None else json.dumps(body).encode()
    with opener.open(urllib.request.Request(url, data, headers), timeout=10) as answer:
        received: bytes = answer.read()
    return received


def answers(url: str, *, ca_file: Path | None = None, token: str = "") -> bool:
    """True if the URL responds with success; False on any error, a missing CA file included."""
    try:
        request(url, ca_file=ca_file, token=token)
    except OSError:
        return False
    return True
