"""The served certificate changes at run time, an invalid one changes nothing, and no key is on disk."""

import http.client
import os
import ssl
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.tls.key_pairs import KeyPair, parse_certificates
from app.tls.serving import ServingContext, UnusableCertificateError
from tests.http_server.background_listener import BackgroundListener
from tests.parts.locate import is_continuous_integration
from tests.tls.handshakes import served_certificate, strict_client
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
NAME = "127.0.0.1"
AUTHORITY = issue_authority(NOW)
FIRST = issue_serving_certificate(AUTHORITY, (NAME,), NOW)
SECOND = issue_serving_certificate(AUTHORITY, (NAME,), NOW)


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def serial_number(pair: KeyPair) -> int:
    return parse_certificates(pair.certificate)[0].serial_number


def shown(serving: ServingContext) -> int:
    """The serial number of the certificate that a new client receives."""
    return served_certificate(serving.context, AUTHORITY.certificate, NAME).serial_number


def ask(connection: http.client.HTTPSConnection) -> tuple[bytes, int]:
    """The response, and the serial number of the connection's certificate."""
    connection.request("GET", "/")
    body = connection.getresponse().read()
    assert isinstance(connection.sock, ssl.SSLSocket)
    certificate = connection.sock.getpeercert()
    assert certificate
    return body, int(str(certificate["serialNumber"]), 16)


def test_a_running_server_shows_a_new_certificate_to_new_connections_alone() -> None:
    """An open connection continues undisturbed after the change."""
    serving = ServingContext()
    serving.load(FIRST)
    trust = strict_client(AUTHORITY.certificate)
    with BackgroundListener(hello, serving.context) as running:

        def connect() -> http.client.HTTPSConnection:
            return http.client.HTTPSConnection(NAME, running.port, context=trust, timeout=10)

        with closing(connect()) as old, closing(connect()) as new:
            assert ask(old) == (b"hello", serial_number(FIRST))
            serving.load(SECOND)

            assert ask(new) == (b"hello", serial_number(SECOND))
            assert ask(old) == (b"hello", serial_number(FIRST))


def encrypted(pair: KeyPair) -> KeyPair:
    key = load_pem_private_key(pair.private_key, None)
    protected = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return KeyPair(pair.certificate, protected)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(KeyPair(SECOND.certificate, FIRST.private_key), id="mismatch"),
        pytest.param(KeyPair(b"", b""), id="empty"),
        pytest.param(KeyPair(b"hello", b"world"), id="nonsense"),
        pytest.param(KeyPair(SECOND.certificate, b""), id="no-key"),
        pytest.param(encrypted(SECOND), id="key-with-a-pass-phrase"),
    ],
)
def test_a_pair_that_can_not_be_served_leaves_the_one_before(pair: KeyPair) -> None:
    """The error says so, new connections get the first certificate, and a valid pair loads afterwards.

    A key with a pass phrase fails at once, without a prompt.
    """
    serving = ServingContext()
    serving.load(FIRST)
    with pytest.raises(UnusableCertificateError, match="the certificate can't be served: "):
        serving.load(pair)

    assert (serving.loaded, shown(serving)) == (FIRST, serial_number(FIRST))
    serving.load(SECOND)
    assert (serving.loaded, shown(serving)) == (SECOND, serial_number(SECOND))


def test_before_the_first_pair_no_connection_is_served() -> None:
    """The handshake fails; it does not hang, and the server continues."""
    with pytest.raises(ssl.SSLError):
        shown(ServingContext())


def test_a_pair_without_line_ends_is_served_too() -> None:
    """Text that was pasted into a Secret often has no final line end."""
    serving = ServingContext()
    serving.load(KeyPair(FIRST.certificate.rstrip(), FIRST.private_key.rstrip()))

    assert shown(serving) == serial_number(FIRST)


def test_a_chain_is_served_whole() -> None:
    """The server sends the intermediate certificate, so a client that trusts only the root accepts it."""
    serving = ServingContext()
    serving.load(KeyPair(FIRST.certificate + AUTHORITY.certificate, FIRST.private_key))

    assert shown(serving) == serial_number(FIRST)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", [NAME, "job-profiler.profiling.svc"], ids=["no-server-name", "server-name"])
def test_each_kind_of_handshake_meets_the_newest_certificate(name: str, version: ssl.TLSVersion) -> None:
    """In both TLS versions, with and without SNI (clients send none if they dial an address)."""
    serving = ServingContext()
    for _ in range(2):
        newest = issue_serving_certificate(AUTHORITY, (name,), NOW)
        serving.load(newest)
    client = strict_client(AUTHORITY.certificate)
    client.maximum_version = version

    shown_certificate = served_certificate(serving.context, AUTHORITY.certificate, name, client)
    assert shown_certificate.serial_number == serial_number(newest)


def test_only_tls_1_2_and_newer_is_accepted() -> None:
    """With forward secrecy and authenticated encryption."""
    context = ServingContext().context

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    old = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"}
    assert old
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in old)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_key_is_on_disk_if_files_can_be_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading works without temporary files and leaves no file descriptor open."""
    if not hasattr(os, "memfd_create"):
        (pytest.fail if is_continuous_integration() else pytest.skip)("this system has no files in memory")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    serving, before = ServingContext(), open_descriptors()
    for pair in (FIRST, SECOND):
        serving.load(pair)

    assert open_descriptors() == before
    assert shown(serving) == serial_number(SECOND)


def test_elsewhere_the_file_is_gone_after_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a failed load."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    serving = ServingContext()
    serving.load(FIRST)
    with pytest.raises(UnusableCertificateError):
        serving.load(KeyPair(SECOND.certificate, FIRST.private_key))

    assert list(tmp_path.iterdir()) == []
    assert shown(serving) == serial_number(FIRST)
