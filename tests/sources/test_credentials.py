"""Credentials and trusted CAs: files are read again when they change, and errors name them."""

import asyncio
import gc
import ssl
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.errors import SettingsError, SourceError
from app.runtime.prometheus import check_access
from app.settings.environment import read_settings
from app.sources.credentials import PrometheusCredentials
from app.sources.http_clients import HttpClients
from app.sources.prometheus_api import PrometheusApi
from app.sources.retry_policy import RetryPolicy
from app.tls.key_pairs import KeyPair
from tests.sources.backend import Backend, Reply
from tests.sources.wire import FIRST, STEPS, matrix, row
from tests.tls.clients import client_certificate
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
SERVERS, CLIENTS, OTHER = (issue_authority(NOW) for _ in range(3))
ANSWER = matrix(row({"pod": "web-1"}, [(FIRST, "0.5")]))


def served_by(authority: KeyPair, directory: Path) -> ssl.SSLContext:
    """A server with a certificate of *authority*; it verifies certificates of the clients' authority."""
    leaf = issue_serving_certificate(authority, ("127.0.0.1",), NOW)
    file, clients = directory / "server.pem", directory / "clients.pem"
    file.write_bytes(leaf.certificate + leaf.private_key)
    clients.write_bytes(CLIENTS.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.load_verify_locations(clients)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """Serves HTTPS and answers every request."""
    directory = tmp_path / "server"
    directory.mkdir()
    with Backend("", lambda _: Reply(200, ANSWER), served_by(SERVERS, directory)) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> PrometheusCredentials:
    """The right CA, and a certificate with its key in one file."""
    access = PrometheusCredentials(
        ca_file=str(tmp_path / "ca.crt"), certificate_file=str(tmp_path / "client.pem")
    )
    Path(access.ca_file).write_bytes(SERVERS.certificate)
    Path(access.certificate_file).write_bytes(client_certificate(CLIENTS, "profiler"))
    return access


async def outcome_of(api: PrometheusApi) -> str:
    """`answered`, or what went wrong."""
    try:
        await api.query_range("up", ("pod",), STEPS)
    except SourceError as error:
        return str(error)
    return "answered"


def put(file: str, content: bytes | None) -> None:
    """Write a file, or delete it."""
    if content is None:
        Path(file).unlink()
    else:
        Path(file).write_bytes(content)


def taken_away(file: str) -> bytes:
    """Delete a file and return its content; nothing if there is none."""
    content = Path(file).read_bytes() if Path(file).exists() else b""
    Path(file).unlink(missing_ok=True)
    return content


def api(backend: Backend, access: PrometheusCredentials) -> PrometheusApi:
    return PrometheusApi(
        backend.url, timeout_seconds=10, credentials=access, retry_policy=RetryPolicy(tries=1)
    )


async def test_only_the_ca_file_is_trusted(
    backend: Backend, files: PrometheusCredentials, tmp_path: Path
) -> None:
    """Without the CA file the server's certificate is not trusted, and neither with another CA."""
    async with api(backend, files) as trusting:
        assert await outcome_of(trusting) == "answered"
    async with api(backend, PrometheusCredentials()) as usual:
        assert "CERTIFICATE_VERIFY_FAILED" in await outcome_of(usual)
    other = tmp_path / "other.crt"
    other.write_bytes(OTHER.certificate)
    async with api(backend, PrometheusCredentials(ca_file=str(other))) as misled:
        assert "CERTIFICATE_VERIFY_FAILED" in await outcome_of(misled)


async def test_a_client_certificate_that_the_server_does_not_trust(
    backend: Backend, files: PrometheusCredentials
) -> None:
    """The client presents it, and the server closes the connection."""
    put(files.certificate_file, client_certificate(OTHER, "profiler"))

    async with api(backend, files) as stranger:
        assert "can't be reached" in await outcome_of(stranger)


async def test_files_that_change_are_loaded_without_a_restart(
    backend: Backend, files: PrometheusCredentials
) -> None:
    """A wrong CA, and the right one again; while the file is invalid or missing, the last CA stays in use."""
    async with api(backend, files) as client:
        assert await outcome_of(client) == "answered"
        put(files.ca_file, OTHER.certificate)
        assert "CERTIFICATE_VERIFY_FAILED" in await outcome_of(client)
        put(files.ca_file, SERVERS.certificate)
        assert await outcome_of(client) == "answered"
        put(files.ca_file, b"half of a certificate")
        assert await outcome_of(client) == "answered"
        put(files.ca_file, None)
        assert await outcome_of(client) == "answered"


async def test_replaced_clients_are_dropped(tmp_path: Path) -> None:
    """Ten rotations of a CA leave one client, one pool and one TLS context."""
    ca = tmp_path / "ca.crt"
    ca.write_bytes(SERVERS.certificate)
    clients = HttpClients(PrometheusCredentials(ca_file=str(ca)), None, 10, None)
    references: list[weakref.ref[httpx.AsyncClient]] = []
    for number in range(10):
        put(str(ca), SERVERS.certificate * (1 + number % 2))
        async with clients.current() as client:
            references.append(weakref.ref(client))
        del client
    gc.collect()

    assert [reference() is not None for reference in references] == [False] * 9 + [True]
    await clients.close()


async def test_a_client_that_is_replaced_during_a_request_completes_it(tmp_path: Path) -> None:
    """It stays open for its request, and is closed afterwards."""
    ca = tmp_path / "ca.crt"
    ca.write_bytes(SERVERS.certificate)
    clients = HttpClients(PrometheusCredentials(ca_file=str(ca)), None, 10, None)
    async with clients.current() as before:
        put(str(ca), SERVERS.certificate * 2)
        async with clients.current() as after:
            assert (after is not before, before.is_closed) == (True, False)
    assert before.is_closed
    assert not after.is_closed

    await clients.close()
    assert after.is_closed


@pytest.mark.parametrize("field", ["bearer_token_file", "ca_file", "certificate_file"])
async def test_a_missing_file_fails_queries_until_it_exists(
    field: str, backend: Backend, files: PrometheusCredentials
) -> None:
    """Each query fails and names the setting; the first query after the file exists has a result."""
    away = getattr(files, field) or f"{files.ca_file}.token"
    content = taken_away(away) or b"t"

    async with api(backend, replace(files, **{field: away})) as client:
        fault = f"PROMETHEUS_{field.upper()} is {away!r}, which can't be used: No such file or directory"
        assert [await outcome_of(client) for _ in range(2)] == [fault] * 2
        assert await client.retention_seconds() is None
        put(away, content)
        assert await outcome_of(client) == "answered"


@pytest.mark.parametrize(("scheme", "reads"), [("http", False), ("https", True)])
async def test_public_cas_are_read_only_for_https(scheme: str, *, reads: bool) -> None:
    """There are more than a hundred, which takes 25 ms, and a server without TLS has no certificate."""
    async with (
        PrometheusApi(f"{scheme}://prometheus", timeout_seconds=1) as prometheus,
        prometheus._clients.current() as client,
    ):
        transport = client._transport
        assert isinstance(transport, httpx.AsyncHTTPTransport)
        context = transport._pool._ssl_context
        assert context is not None
        assert bool(context.get_ca_certs()) is reads


async def test_concurrent_first_queries_make_one_client(tmp_path: Path) -> None:
    """Four concurrent requests use the same client."""
    clients = HttpClients(PrometheusCredentials(), None, 10, None)

    async def client() -> httpx.AsyncClient:
        async with clients.current() as current:
            await asyncio.sleep(0)
            return current

    assert len(set(await asyncio.gather(*(client() for _ in range(4))))) == 1
    await clients.close()


async def test_a_missing_token_fails_the_query_and_names_the_setting(tmp_path: Path) -> None:
    """The file is deleted after the start; once it exists again, queries have results."""
    token = tmp_path / "token"
    token.write_text("t")
    with Backend("", lambda _: Reply(200, ANSWER)) as backend:
        async with api(backend, PrometheusCredentials(bearer_token_file=str(token))) as client:
            token.unlink()
            fault = "which can't be used: No such file or directory"
            assert await outcome_of(client) == f"PROMETHEUS_BEARER_TOKEN_FILE is {str(token)!r}, {fault}"
            token.write_text("t")
            assert await outcome_of(client) == "answered"


@pytest.mark.parametrize(
    ("setting", "companions", "content", "reason"),
    [
        ("bearer_token_file", {}, None, "No such file or directory"),
        ("bearer_token_file", {}, " \n", "it is empty"),
        ("bearer_token_file", {}, b"\xff\xfe", "can't decode byte"),
        ("password_file", {"prometheus_username": "me"}, None, "No such file or directory"),
        ("ca_file", {}, None, "No such file or directory"),
        ("ca_file", {}, "no certificate", "can't be used"),
        ("certificate_file", {}, "no certificate", "can't be used"),
        ("bearer_token_file", {}, "a" * (2**20 + 1), "File too large"),
        ("ca_file", {}, "a" * (2**20 + 1), "File too large"),
        ("certificate_file", {}, "a" * (2**20 + 1), "File too large"),
    ],
)
def test_a_wrong_file_is_named_at_the_start(
    setting: str, companions: dict[str, str], content: str | bytes | None, reason: str, tmp_path: Path
) -> None:
    """Before any query: the variable, the path, and the error."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(SettingsError) as caught:
        check_access(
            read_settings({"prometheus_url": "prometheus", f"prometheus_{setting}": str(file), **companions})
        )

    (fault,) = caught.value.faults
    assert fault.startswith(f"PROMETHEUS_{setting.upper()} is {str(file)!r}, which can't be used: ")
    assert reason in fault


def test_without_credentials_nothing_is_read() -> None:
    """The defaults use no credentials and trust the public CAs."""
    check_access(read_settings({}))
    access = PrometheusCredentials()

    assert access.authentication() is None
    assert access.headers() == {}
    assert access.fingerprint() == ()
