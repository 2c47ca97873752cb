"""The words for a connection that fails."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from app.errors import UnavailableError
from app.kubernetes.failures import map_exceptions
from tests.kubernetes.tls_api_server import TlsApiServer
from tests.tls.issued import issue_authority


@pytest.mark.parametrize(
    ("host", "cause", "words"),
    [
        ("10.0.0.1", OSError(113, "Connect call failed ('10.0.0.1', 443)"), "10.0.0.1:443: No route to host"),
        ("::1", OSError(111, "Connect call failed ('::1', 443, 0, 0)"), "[::1]:443: Connection refused"),
        ("k.test", socket.gaierror(-2, "Name not known"), "k.test:443: Name not known"),
        ("k.test", OSError("Multiple exceptions: one, two"), "k.test:443: Multiple exceptions: one, two"),
    ],
)
def test_an_address_and_a_reason_in_words(host: str, cause: OSError, words: str) -> None:
    """The library's text would have the object of the TLS settings, and the address twice."""
    key = ConnectionKey(
        host, 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )

    with pytest.raises(UnavailableError) as caught, map_exceptions("GET /x"):
        raise aiohttp.ClientConnectorError(key, cause)

    assert str(caught.value) == f"GET /x: can't connect to {words}"


async def test_a_certificate_of_another_authority(tmp_path: Path) -> None:
    """The text says what is not trusted and why, without the library's list of arguments."""
    async with TlsApiServer(tmp_path) as server:
        (tmp_path / "ca.crt").write_bytes(issue_authority(datetime.now(UTC)).certificate)
        tls = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        url = f"https://127.0.0.1:{server.port}/"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(UnavailableError) as caught, map_exceptions("GET /x"):
                await session.get(url, ssl=tls)

    start = f"GET /x: the certificate of 127.0.0.1:{server.port} is not trusted: "
    assert str(caught.value).startswith(start)
    assert "_ssl.c" not in str(caught.value)
