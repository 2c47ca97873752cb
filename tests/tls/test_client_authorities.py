"""With a CA file the webhook serves only clients with a certificate of that CA and an accepted name."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.errors import SettingsError
from app.http_server.protocol import ClientPolicy
from app.tls.client_authorities import follow_client_authorities
from app.tls.serving import ServingContext, UnusableCertificateError, open_serving_context
from tests.http_server.background_listener import BackgroundListener
from tests.kubernetes.polling import until
from tests.tls.clients import Client, client_certificate
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
WEBHOOK, CLUSTER, OTHER = (issue_authority(NOW) for _ in range(3))
SERVED = issue_serving_certificate(WEBHOOK, ("127.0.0.1",), NOW)
API_SERVER = client_certificate(CLUSTER, "kube-apiserver")
KUBELET = client_certificate(CLUSTER, "system:node:a")


async def hello(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def serving(tmp_path: Path) -> ServingContext:
    """Asks for certificates of the cluster's authority."""
    file = tmp_path / "ca.crt"
    file.write_bytes(CLUSTER.certificate)
    context = open_serving_context(str(file))
    context.load(SERVED)
    return context


@pytest.fixture
def listener(serving: ServingContext) -> Iterator[BackgroundListener]:
    """Serves clients with such a certificate."""
    with BackgroundListener(hello, serving.context) as running:
        yield running


@pytest.mark.parametrize(
    ("shown", "is_served"),
    [(API_SERVER, True), (b"", False), (client_certificate(OTHER, "kube-apiserver"), False)],
    ids=["of-the-cluster", "none", "of-another-authority"],
)
def test_only_clients_of_the_authority_are_served(
    listener: BackgroundListener, tmp_path: Path, shown: bytes, *, is_served: bool
) -> None:
    """An accepted name in a certificate of another CA is rejected."""
    assert Client(WEBHOOK, tmp_path, shown).is_served(listener.port) == is_served


@pytest.mark.parametrize("size", [0, 4 * 1024 * 1024], ids=["empty", "large"])
def test_a_client_with_another_name_is_refused(serving: ServingContext, tmp_path: Path, size: int) -> None:
    """It gets a 403, however much it sends; the same listener serves a client with an accepted name."""
    policy = ClientPolicy(names=("kube-apiserver", "front-proxy"))
    with BackgroundListener(hello, serving.context, policy) as listener:
        status, answer = Client(WEBHOOK, tmp_path, KUBELET).post(listener.port, b" " * size)
        wanted = Client(WEBHOOK, tmp_path, API_SERVER).post(listener.port, b" " * size)

    assert (status, wanted) == (403, (200, b"hello"))
    assert json.loads(answer) == {
        "error": "the common name of the client certificate is not in CLIENT_NAMES: 'system:node:a'"
    }


def test_a_new_serving_certificate_still_requires_client_certificates(
    serving: ServingContext, listener: BackgroundListener, tmp_path: Path
) -> None:
    """A rotation changes the serving certificate, not the accepted clients."""
    serving.load(issue_serving_certificate(WEBHOOK, ("127.0.0.1",), NOW))

    assert Client(WEBHOOK, tmp_path, API_SERVER).is_served(listener.port)
    assert not Client(WEBHOOK, tmp_path).is_served(listener.port)


def test_new_authorities_take_the_place_of_the_old_ones(
    serving: ServingContext, listener: BackgroundListener, tmp_path: Path
) -> None:
    """Clients with a certificate of the old CA are rejected; an unreadable file changes nothing."""
    old, new = Client(WEBHOOK, tmp_path, API_SERVER), client_certificate(OTHER, "kube-apiserver")
    assert old.is_served(listener.port)
    for nonsense in (b"", b"nonsense", b"\xff"):
        with pytest.raises(UnusableCertificateError, match="no certificate can be read from it"):
            serving.replace_client_authorities(nonsense)
    assert old.is_served(listener.port)

    serving.replace_client_authorities(OTHER.certificate)

    assert not old.is_served(listener.port)
    assert Client(WEBHOOK, tmp_path, new).is_served(listener.port)


def test_no_session_is_resumed(listener: BackgroundListener, tmp_path: Path) -> None:
    """A client that offers the session of its last connection goes through a full handshake again.

    With TLS 1.2 a server can't prevent resumption, so this listener does not offer TLS 1.2.
    """
    context = Client(WEBHOOK, tmp_path, API_SERVER).context
    session = None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", listener.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
            session = client.session
            assert not client.session_reused
    of_1_2 = Client(WEBHOOK, tmp_path, API_SERVER)
    of_1_2.context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert not of_1_2.is_served(listener.port)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "no certificate can be read from it"),
        (b"hello", "no certificate can be read from it"),
    ],
    ids=["missing", "empty", "nonsense"],
)
def test_a_bad_file_is_a_wrong_setting(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The start fails and names the file and the error; no client is served without verification."""
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError) as raised:
        open_serving_context(str(file))

    (fault,) = raised.value.faults
    assert fault.startswith(f"CLIENT_CA_FILE (--client-ca-file) is '{file}': {reason}")


def test_names_without_a_file_are_a_wrong_setting() -> None:
    """Without a CA file no client certificate is requested, so there is no name to check."""
    with pytest.raises(SettingsError, match=r"CLIENT_NAMES .* is 'a,b': set CLIENT_CA_FILE"):
        open_serving_context("", ("a", "b"))


def test_without_a_file_no_client_certificate_is_required(tmp_path: Path) -> None:
    """The default: every client that trusts the webhook is served."""
    serving = open_serving_context("")
    serving.load(SERVED)
    with BackgroundListener(hello, serving.context) as listener:
        assert Client(WEBHOOK, tmp_path).is_served(listener.port)


async def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """New content is loaded; unusable content and a missing file are logged once and ignored."""
    file = tmp_path / "ca.crt"
    file.write_bytes(CLUSTER.certificate)
    serving = open_serving_context(str(file))
    with capture_logs() as logs:
        following = asyncio.create_task(follow_client_authorities(str(file), serving, 0.01))
        await asyncio.sleep(0.05)
        file.write_bytes(OTHER.certificate)
        await until(lambda: serving.client_authorities == OTHER.certificate)
        file.write_bytes(b"hello")
        await until(lambda: len(logs) == 2)
        await asyncio.sleep(0.05)
        file.unlink()
        await until(lambda: len(logs) == 3)
        assert serving.client_authorities == OTHER.certificate
        file.write_bytes(CLUSTER.certificate)
        await until(lambda: serving.client_authorities == CLUSTER.certificate)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    assert [entry["event"] for entry in logs] == [
        "client_authorities_loaded",
        "client_authorities_unusable",
        "client_authorities_unusable",
        "client_authorities_loaded",
    ]
