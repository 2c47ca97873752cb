"""Time-outs of a listener for its clients: as long as API servers need, and finite."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from app.http_server.client_names import common_names
from app.http_server.protocol import ClientPolicy
from app.tls.serving import ServingContext
from tests.http_server.background_listener import BackgroundListener
from tests.tls.handshakes import strict_client
from tests.tls.issued import issue_authority, issue_serving_certificate

PATIENCE = 0.6
SLACK = 0.5  # for a busy machine
HUGE_BYTES = 64 * 1024 * 1024
REQUEST = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Responds with the path; `/slow` takes twice the patience, `/unread` does not read the body.

    The response to `/huge` is 64 MiB of it, which no buffer of a socket holds.
    """
    path = scope["path"].encode()
    while path != b"/unread" and (await receive()).get("more_body"):
        pass
    await asyncio.sleep(2 * PATIENCE if path == b"/slow" else 0)
    body = path * (HUGE_BYTES // len(path)) if path == b"/huge" else path
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def listener() -> Iterator[BackgroundListener]:
    """A listener with a short time-out."""
    with BackgroundListener(application, policy=ClientPolicy(PATIENCE)) as running:
        yield running


@pytest.fixture
def client(listener: BackgroundListener) -> Iterator[socket.socket]:
    """A connection that has sent nothing yet."""
    with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as connection:
        yield connection


def answered(client: socket.socket, path: bytes = b"/any") -> bytes:
    """The next response up to its body, which arrives in one or two parts."""
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
    """And not earlier: API servers open connections before the reviews that they send on them."""
    assert_dropped_in_time(seconds_until_closed(client))


def test_so_is_one_that_is_silent_after_its_handshake() -> None:
    """Over TLS, the connection begins for the listener when the handshake is complete."""
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
    """The whole patience starts at its first byte, wherever it stops."""
    time.sleep(PATIENCE / 2)
    client.sendall(sent)

    assert_dropped_in_time(seconds_until_closed(client))


def test_a_slow_request_has_no_more_time(client: socket.socket) -> None:
    """A byte every 0.1 s does not extend the time in which the whole request must arrive."""
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
    """Three requests on one connection, each sent two thirds of the patience after the previous response.

    Then the connection is closed; an empty line, which a parser ignores, makes no difference.
    """
    for _ in range(3):
        time.sleep(PATIENCE * 2 / 3)
        client.sendall(REQUEST % b"any")
        answered(client)
    client.sendall(then)

    assert_dropped_in_time(seconds_until_closed(client))


def test_a_response_may_take_longer_than_the_patience(client: socket.socket) -> None:
    """While a response is computed the client waits; the patience starts after the response."""
    client.sendall(REQUEST % b"slow")
    assert answered(client, b"/slow").startswith(b"HTTP/1.1 200 OK")

    assert_dropped_in_time(seconds_until_closed(client))


@pytest.mark.parametrize("is_last", [True, False], ids=["the-last-request", "another-follows"])
def test_an_unread_body_does_not_hold_the_connection(client: socket.socket, *, is_last: bool) -> None:
    """If the response precedes the rest of the body, the rest is discarded, and a next request may follow."""
    request = REQUEST % b"unread"
    client.sendall(request[:-2])
    answered(client, b"/unread")
    client.sendall(request[-2:])
    if not is_last:
        time.sleep(PATIENCE * 2 / 3)
        client.sendall(REQUEST % b"any")
        answered(client)

    assert_dropped_in_time(seconds_until_closed(client))


@pytest.mark.parametrize("then", [b"", REQUEST % b"any"], ids=["nothing", "another-request"])
def test_a_response_that_is_not_read_ends_the_connection(client: socket.socket, then: bytes) -> None:
    """Also if another request follows, which would wait for the client without a time-out."""
    client.sendall(REQUEST % b"huge")
    time.sleep(PATIENCE / 3)
    client.sendall(then)
    time.sleep(PATIENCE + SLACK)

    received = 0
    with suppress(ConnectionResetError):
        while part := client.recv(2**20):
            received += len(part)
    assert received < HUGE_BYTES


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
    """All common names, and no other attribute of the subject."""
    assert common_names(certificate) == names
