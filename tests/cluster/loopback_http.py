"""Plain requests to the parts on 127.0.0.1, without any proxy that the environment may name."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def request_json(url: str, *, ca_file: Path | None = None, token: str = "", body: Any = None) -> Any:
    """The decoded answer; a `body` is posted as JSON. OSError, HTTP and URL errors among it, on failure."""
    return json.loads(request(url, ca_file=ca_file, token=token, body=body))


def request(url: str, *, ca_file: Path | None = None, token: str = "", body: Any = None) -> bytes:
    """The answer as it is; else as `request_json`."""
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with opener.open(urllib.request.Request(url, data, headers), timeout=10) as answer:
        content: bytes = answer.read()
    return content


def answers(url: str, *, ca_file: Path | None = None, token: str = "") -> bool:
    """True when the URL answers with success; any refusal, and a CA file that is not there yet, is False."""
    try:
        request(url, ca_file=ca_file, token=token)
    except OSError:
        return False
    return True
