"""For how long a listener waits for a client: as long as API servers need, and never for ever."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from app.http_server.protocol import ClientPolicy, common_names
from app.tls.serving import ServingContext
from tests.http_server.background_listener import BackgroundListener
from tests.tls.handshakes import strict_client
from tests.tls.issued import issue_authority, issue_serving_certificate

PATIENCE = 0.6
SLACK = 0.5  # of a machine that has other things to do
REQUEST = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path; `/slow` takes twice the patience, `/unread` leaves the body where it is."""
    path = scope["path"].encode()
    while path != b"/unread" and (await receive()).get("more_body"):
        pass
    await asyncio.sleep(2 * PATIENCE if path == b"/slow" else 0)
    headers = [(b"content-length", str(len(path)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": path})


@pytest.fixture(scope="module")
def listener() -> Iterator[BackgroundListener]:
    """One with little patience."""
    with BackgroundListener(application, policy=ClientPolicy(PATIENCE)) as running:
        yield running


@pytest.fixture
def client(listener: BackgroundListener) -> Iterator[socket.socket]:
    """A connection that has sent nothing yet."""
    with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as connection:
        yield connection


def answered(client: socket.socket, path: bytes = b"/any") -> bytes:
    """The next answer as far as its body; the test's answers come in one piece or two."""
    received = b""
    while not received.endswith(b"\r\n\r\n" + path):
        part = client.recv(65536)
        assert part, f"the connection ended after {received!r}"
        received += part
    return received


def seconds_until_closed(client: socket.socket) -> float:
    began = time.monotonic()
    assert client.recv(65536) == b""
    return time.monotonic() - began


def assert_dropped_in_time(seconds: float) -> None:
    assert PATIENCE - 0.05 <= seconds <= PATIENCE + SLACK


def test_a_connection_that_never_sends_anything_is_dropped_after_the_patience(client: socket.socket) -> None:
    """And not before: API servers open connections ahead of the reviews that they send on them."""
    assert_dropped_in_time(seconds_until_closed(client))


def test_so_is_one_that_is_silent_after_its_handshake() -> None:
    """The same over TLS, where the listener learns of the connection when the handshake is over."""
    now = datetime.now(UTC)
    authority, serving = issue_authority(now), ServingContext()
    serving.load(issue_serving_certificate(authority, ("127.0.0.1",), now))
    with (
        BackgroundListener(application, serving.context, ClientPolicy(PATIENCE)) as listener,
        socket.create_connection(("127.0.0.1", listener.port), timeout=10) as plain,
        strict_client(authority.certificate).wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        assert_dropped_in_time(seconds_until_closed(client))


@pytest.mark.parametrize(
    "sent",
    [b"P", b"POST /any HTTP/1.1\r\nHost: a\r\nX-", REQUEST[:-4] % b"any", REQUEST[:-1] % b"any"],
    ids=["method", "headers", "body-not-begun", "body"],
)
def test_a_request_that_stops_in_the_middle_is_dropped(client: socket.socket, sent: bytes) -> None:
    """Wherever it stops, it has the whole patience from its first byte on."""
    time.sleep(PATIENCE / 2)
    client.sendall(sent)

    assert_dropped_in_time(seconds_until_closed(client))


def test_a_request_that_comes_by_drops_has_no_more_time(client: socket.socket) -> None:
    """A byte every 0.1 s does not hold the connection: the whole request has to be there in time."""
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_slowly(client, REQUEST % (b"a" * 50))

    assert time.monotonic() - began <= PATIENCE + SLACK


def send_slowly(client: socket.socket, request: bytes) -> None:
    for byte in request:
        client.sendall(bytes([byte]))
        time.sleep(0.1)


@pytest.mark.parametrize("then", [b"", b"\r\n"], ids=["silence", "empty-line"])
def test_a_connection_is_kept_between_requests_and_dropped_after_the_last(
    client: socket.socket, then: bytes
) -> None:
    """Three requests, each sent two thirds of the patience after the answer before, on one connection.

    Then it is dropped; an empty line, which a parser ignores, makes no difference.
    """
    for _ in range(3):
        time.sleep(PATIENCE * 2 / 3)
        client.sendall(REQUEST % b"any")
        answered(client)
    client.sendall(then)

    assert_dropped_in_time(seconds_until_closed(client))


def test_an_answer_may_take_its_time(client: socket.socket) -> None:
    """While a whole request is being answered it is we who are waited for; the patience begins afterwards."""
    client.sendall(REQUEST % b"slow")
    assert answered(client, b"/slow").startswith(b"HTTP/1.1 200 OK")

    assert_dropped_in_time(seconds_until_closed(client))


@pytest.mark.parametrize("is_last", [True, False], ids=["the-last-request", "another-follows"])
def test_a_body_that_nobody_reads_does_not_hold_the_connection(
    client: socket.socket, *, is_last: bool
) -> None:
    """Answered before its body was there: the rest is taken, and a next request is waited for as ever."""
    request = REQUEST % b"unread"
    client.sendall(request[:-2])
    answered(client, b"/unread")
    client.sendall(request[-2:])
    if not is_last:
        time.sleep(PATIENCE * 2 / 3)
        client.sendall(REQUEST % b"any")
        answered(client)

    assert_dropped_in_time(seconds_until_closed(client))


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (None, []),
        ({}, []),
        ({"subject": ((("organizationName", "system:masters"),), (("commonName", "api"),))}, ["api"]),
        ({"subject": ((("commonName", "a"), ("commonName", "b")),)}, ["a", "b"]),
    ],
    ids=["none", "not-verified", "one", "two"],
)
def test_common_names(certificate: Any, names: list[str]) -> None:
    """All of them, and nothing else of the subject."""
    assert common_names(certificate) == names
