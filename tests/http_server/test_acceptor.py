"""Connections are counted and timed from the moment they are accepted, before a TLS handshake."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from app.http_server.open_connections import ConnectionLimits
from app.http_server.protocol import ClientPolicy
from app.tls.serving import ServingContext
from tests.cluster.waiting import wait_until
from tests.http_server.background_listener import BackgroundListener
from tests.tls.handshakes import strict_client
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
AUTHORITY = issue_authority(NOW)
SERVED = issue_serving_certificate(AUTHORITY, ("127.0.0.1",), NOW)
REQUEST = b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
EXCHANGE = 0.6
SLACK = 1.0  # for a busy machine


async def hello(_scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, and responds."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


LIMITS = ConnectionLimits()


def listener(limits: ConnectionLimits = LIMITS, exchange_seconds: float = EXCHANGE) -> BackgroundListener:
    """Over TLS, with 20 s between requests, and 0.6 s for each part of an exchange."""
    serving = ServingContext()
    serving.load(SERVED)
    return BackgroundListener(
        hello, serving.context, ClientPolicy(20, exchange_seconds=exchange_seconds, limits=limits)
    )


def plain(running: BackgroundListener, address: str = "127.0.0.1") -> socket.socket:
    """A connection without a handshake, from the source *address*."""
    return socket.create_connection(("127.0.0.1", running.port), timeout=10, source_address=(address, 0))


@contextmanager
def client(running: BackgroundListener, address: str = "127.0.0.1") -> Iterator[ssl.SSLSocket]:
    """A connection after its handshake."""
    with (
        closing(plain(running, address)) as connection,
        strict_client(AUTHORITY.certificate).wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        yield secured


def ask(connection: socket.socket) -> bytes:
    """The body of the response to one request."""
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(b"hello"):
        part = connection.recv(65536)
        assert part, f"the connection ended after {received!r}"
        received += part
    return received[-5:]


def has_ended(connection: socket.socket) -> bool:
    """True if the server has ended the connection."""
    connection.settimeout(0.05)
    try:
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00"], ids=["nothing", "the-begin-of-a-hello"])
def test_a_handshake_that_does_not_complete_is_dropped(sent: bytes) -> None:
    """After 0.6 s; asyncio waits 60 s for a handshake that began, and counts the connection only after it."""
    with listener() as running, closing(plain(running)) as half_open:
        began = time.monotonic()
        half_open.sendall(sent)
        wait_until(lambda: has_ended(half_open), 5, "the end of the connection")

        assert EXCHANGE - 0.1 <= time.monotonic() - began <= EXCHANGE + SLACK


def test_a_flood_of_one_address_drops_its_own_idle_connections() -> None:
    """The limit is four: 20 half-open and 20 idle ones leave used ones and other addresses open."""
    limits = ConnectionLimits(total=20, per_address=4)
    with listener(limits) as running, ExitStack() as stack:
        used = [stack.enter_context(client(running)) for _ in range(2)]
        other = stack.enter_context(client(running, "127.0.0.2"))
        for connection in (*used, other):
            assert ask(connection) == b"hello"
        for _ in range(20):
            stack.enter_context(closing(plain(running)))
            stack.enter_context(client(running))

        assert [ask(connection) for connection in (*used, other)] == [b"hello"] * 3


def test_a_flood_from_many_addresses_drops_those_that_are_not_used() -> None:
    """The limit is six in total: ten addresses with three connections each leave the used one open."""
    with listener(ConnectionLimits(total=6, per_address=4)) as running, ExitStack() as stack:
        used = stack.enter_context(client(running))
        assert ask(used) == b"hello"
        for number in range(2, 12):
            for _ in range(3):
                stack.enter_context(closing(plain(running, f"127.0.0.{number}")))

        assert ask(used) == b"hello"


def test_an_idle_connection_outlives_the_time_for_a_request() -> None:
    """Between two requests, and before the first, 0.6 s pass without an end."""
    with listener() as running, client(running) as unused, client(running) as used:
        assert ask(used) == b"hello"
        time.sleep(2 * EXCHANGE)

        assert (ask(unused), ask(used)) == (b"hello", b"hello")


@pytest.mark.parametrize(
    "sent",
    [REQUEST[:10], REQUEST[:-1], b"POST /any HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo"],
    ids=["head", "body", "chunk"],
)
def test_a_request_that_stops_is_dropped_although_idle_connections_are_kept(sent: bytes) -> None:
    """The deadline for a part of a request begins with it, and is shorter than the one of the connection."""
    with listener() as running, client(running) as stopped:
        began = time.monotonic()
        stopped.sendall(sent)
        wait_until(lambda: has_ended(stopped), 5, "the end of the connection")

        assert EXCHANGE - 0.1 <= time.monotonic() - began <= EXCHANGE + SLACK


def test_the_head_and_the_body_have_their_time_each() -> None:
    """Head and body take two thirds of the time each: together more than one of them may take."""
    with listener() as running, client(running) as slow:
        for part in (REQUEST[:20], REQUEST[20:-2]):
            slow.sendall(part)
            time.sleep(EXCHANGE * 2 / 3)
        slow.sendall(REQUEST[-2:])

        assert slow.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /any HTTP/1.1\r\nx: " + b"a" * 200_000,
        b"GET /any HTTP/1.1\r\n" + b"x: a\r\n" * 40_000,
        b"POST /any HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"a" * 200_000,
    ],
    ids=["a-header", "headers", "a-trailer"],
)
def test_an_endless_head_is_dropped(endless: bytes) -> None:
    """At 64 KiB, long before the time-out; it would stay in memory until then."""
    with listener(exchange_seconds=20) as running, client(running) as hostile:
        with suppress(OSError):  # reset or broken pipe
            for start in range(0, len(endless), 16_384):
                hostile.sendall(endless[start : start + 16_384])
                time.sleep(0.01)

        wait_until(lambda: has_ended(hostile), 10, "the end of the connection")


@pytest.mark.parametrize(("fields", "status"), [(99, b"200"), (100, b"400")])
def test_a_head_has_at_most_a_hundred_fields(fields: int, status: bytes) -> None:
    """With the length of the body: a head of 64 KiB could have 16,000, which take 3 MB."""
    with listener() as running, client(running) as sender:
        sender.sendall(REQUEST.replace(b"Host: a\r\n", b"a:\r\n" * fields))

        assert sender.recv(65536).split()[1] == status


@pytest.mark.parametrize("count", [2, 1000])
def test_a_request_before_the_response_to_the_last_one_ends_the_connection(count: int) -> None:
    """No client of the product sends one; a thousand would take 3 kB each until their turn."""
    with listener() as running, client(running) as hostile:
        with suppress(OSError):  # reset
            hostile.sendall(REQUEST * count)
        wait_until(lambda: has_ended(hostile), 5, "the end of the connection")


def test_a_listener_that_ends_drops_half_open_connections() -> None:
    """They do not delay the shutdown."""
    with listener() as running:
        half_open = plain(running)
        time.sleep(0.1)
    with closing(half_open):
        assert has_ended(half_open)


def test_a_request_that_is_on_its_way_is_answered_before_the_connection_ends() -> None:
    """It has arrived, but is not read yet when the connection is to end; an idle connection ends at once."""
    blocked, sent = threading.Event(), threading.Event()

    def until_sent() -> None:
        blocked.set()
        sent.wait(5)

    with listener() as running, client(running) as busy, client(running) as idle:
        assert (ask(busy), ask(idle)) == (b"hello", b"hello")
        running.shut_down_connections(after=until_sent)
        blocked.wait(5)
        busy.sendall(REQUEST)
        sent.set()

        assert response(busy).startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n")
        wait_until(lambda: has_ended(busy) and has_ended(idle), 5, "the end of both connections")


def response(connection: socket.socket) -> bytes:
    """All bytes until the end of the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def test_a_listener_that_ends_completes_a_handshake_and_answers_its_request() -> None:
    """The first bytes of the handshake arrive before the listener ends, the others and the request after."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with ExitStack() as stack:
        running = stack.enter_context(listener())
        connection = stack.enter_context(closing(plain(running)))
        secured = strict_client(AUTHORITY.certificate).wrap_bio(
            incoming, outgoing, server_hostname="127.0.0.1"
        )
        with suppress(ssl.SSLWantReadError):
            secured.do_handshake()
        hello = outgoing.read()
        connection.sendall(hello[:10])
        time.sleep(0.1)
        running.end()
        time.sleep(0.1)
        connection.sendall(hello[10:])
        incoming.write(connection.recv(65536))
        secured.do_handshake()
        secured.write(REQUEST)
        connection.sendall(outgoing.read())
        received = b""
        while not received.endswith(b"hello"):
            encrypted = connection.recv(65536)
            assert encrypted, f"the connection ended after {received!r}"
            incoming.write(encrypted)
            with suppress(ssl.SSLWantReadError):
                received += secured.read()

        assert received.startswith(b"HTTP/1.1 200 OK")
