"""Small requests are responded to at once when they are complete, under the same limits as all others."""

import asyncio
import socket
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from app.http_server.open_connections import Slot, Stage
from app.http_server.protocol import MOST_HELD_BYTES, ClientPolicy
from tests.cluster.waiting import wait_until
from tests.http_server.background_listener import BackgroundListener
from tests.http_server.wire import Wire, connected

REQUEST = b'POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"body"'
AT_ONCE = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\n"body"'
CHUNKED = b"POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD_END = REQUEST.index(b"\r\n\r\n") + 4


class Echo:
    """Responds with the body: at once to `POST /now`, except to the body "late", and by ASGI to all else."""

    def may_respond_at_once(self, method: bytes, url: bytes) -> bool:
        """True for that request."""
        return (method, url) == (b"POST", b"/now")

    def respond_at_once(self, client: str, body: bytes) -> tuple[int, bytes] | None:
        """The body itself."""
        assert client == "10.0.0.1"
        return None if body == b'"late"' else (200, body)

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """One response without a content type."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body")
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


class Recording(Echo):
    """Records one message of ASGI, and does not respond."""

    received: object = None

    async def __call__(self, _scope: Any, receive: Any, _send: Any) -> None:
        """Receive, and no more."""
        self.received = await receive()


def by_asgi(body: bytes, *, is_last: bool = False) -> bytes:
    close = b"connection: close\r\n" if is_last else b""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n" % (len(body), close) + body


async def written(wire: Wire, *reads: bytes) -> bytes:
    """All that is written over *wire* for these reads, between which the application has time to respond."""
    connection = connected(Echo(), wire)
    for read in reads:
        connection.data_received(read)
        for _ in range(5):
            await asyncio.sleep(0)
    assert not connection.tasks
    return b"".join(wire.writes)


async def test_a_request_in_one_read_is_responded_to_within_it() -> None:
    """There is one write, no task, and no turn of the event loop is waited for; the connection goes on."""
    wire = Wire()
    connection = connected(Echo(), wire)
    for number in (1, 2):
        connection.data_received(REQUEST)

        assert (wire.writes, connection.tasks, wire.is_closed) == ([AT_ONCE] * number, set(), False)


@pytest.mark.parametrize("end", [1, 10, 30, HEAD_END - 1, HEAD_END, HEAD_END + 1, len(REQUEST) - 1])
async def test_a_request_in_two_reads_is_responded_to_within_the_second(end: int) -> None:
    """API servers send what is larger than 4 kB in pieces: wherever it is cut, there is no task."""
    wire = Wire()
    connection = connected(Echo(), wire)
    connection.data_received(REQUEST[:end])
    assert wire.writes == []
    connection.data_received(REQUEST[end:])

    assert (wire.writes, connection.tasks, wire.is_closed) == ([AT_ONCE], set(), False)


@pytest.mark.parametrize(("size", "is_passed_on"), [(MOST_HELD_BYTES, False), (MOST_HELD_BYTES + 1, True)])
@pytest.mark.parametrize("is_announced", [True, False], ids=["length", "chunks"])
async def test_a_large_body_that_is_not_complete_is_passed_on(
    size: int, *, is_announced: bool, is_passed_on: bool
) -> None:
    """Up to 16 KiB are held; of more, the application decides how much of it has room in memory."""
    body = b'"%b"' % (b"x" * (size - 2))
    if is_announced:
        head, *rest = b"POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size, body
    else:
        head, *rest = CHUNKED, b"%x\r\n%b\r\n" % (size, body), b"0\r\n\r\n"
    at_once = AT_ONCE.replace(b'6\r\n\r\n"body"', b"%d\r\n\r\n%b" % (size, body))

    received = await written(Wire(), head, *rest, REQUEST)

    assert received == (by_asgi(body) if is_passed_on else at_once) + AT_ONCE


async def test_a_client_that_goes_away_half_way_is_passed_on() -> None:
    """The application, which counts such requests, receives the end of the connection."""
    application = Recording()
    connection = connected(application, Wire())
    connection.data_received(REQUEST[:-1])
    connection.connection_lost(None)
    await asyncio.wait(connection.tasks)

    assert application.received == {"type": "http.disconnect"}


async def test_a_client_that_waits_for_a_continue_gets_it() -> None:
    """It sends the body after `100 Continue`, which the application asks for by ASGI."""
    head = REQUEST[:HEAD_END].replace(b"Host: a", b"Host: a\r\nExpect: 100-continue")

    received = await written(Wire(), head, REQUEST[HEAD_END:])

    assert received == b"HTTP/1.1 100 Continue\r\n\r\n" + by_asgi(b'"body"')


async def test_a_held_body_has_the_time_of_a_body() -> None:
    """3 s from the end of the head, whatever time that took; a further part does not extend it."""
    loop, slot = asyncio.get_running_loop(), Slot("10.0.0.1")
    connection = connected(Echo(), Wire(), ClientPolicy(7, exchange_seconds=3), slot)
    deadlines = []
    for begin, end in pairwise((0, 10, HEAD_END + 1, HEAD_END + 2)):
        before = loop.time()
        connection.data_received(REQUEST[begin:end])
        deadlines.append(slot.deadline)
        await asyncio.sleep(0.01)

    of_head, of_body, later = deadlines
    assert of_head < of_body == later < before + 3


async def test_a_request_that_the_application_does_not_answer_at_once_is_passed_on() -> None:
    """Its body is passed on too, and the connection goes on."""
    received = await written(Wire(), REQUEST.replace(b"body", b"late"), REQUEST)

    assert received == by_asgi(b'"late"') + AT_ONCE


@pytest.mark.parametrize(
    ("request_head", "is_last"),
    [
        (b"POST /later HTTP/1.1\r\nHost: a\r\n", False),
        (b"PUT /now HTTP/1.1\r\nHost: a\r\n", False),
        (b"POST /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", True),
        (b"POST /now HTTP/1.0\r\nHost: a\r\n", True),
        (b"POST /now HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n", True),
    ],
    ids=["path", "method", "close", "http-1.0", "http-1.0-keep-alive"],
)
async def test_other_requests_are_passed_on(request_head: bytes, *, is_last: bool) -> None:
    """So are those that end their connection, which closes after the response."""
    wire = Wire()
    received = await written(wire, request_head + b'Content-Length: 6\r\n\r\n"body"')

    assert received == by_asgi(b'"body"', is_last=is_last)
    assert wire.is_closed == is_last


@pytest.mark.parametrize(
    "request_in_one_read",
    [
        CHUNKED + b'3\r\n"bo\r\n3\r\ndy"\r\n0\r\n\r\n',
        REQUEST.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"),
    ],
    ids=["chunks", "expect"],
)
async def test_how_the_body_is_sent_makes_no_difference(request_in_one_read: bytes) -> None:
    """Chunks are joined; with the body here, the client waits for no `100 Continue`."""
    assert await written(Wire(), request_in_one_read) == AT_ONCE


async def test_a_request_for_an_upgrade_is_responded_to_too() -> None:
    """Nothing is upgraded; what follows the head is not its body, since it may be of the other protocol."""
    request = REQUEST.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket")

    assert await written(Wire(), request) == AT_ONCE.replace(b'6\r\n\r\n"body"', b"0\r\n\r\n")


async def test_a_second_request_in_the_same_read_ends_the_connection() -> None:
    """No client needs to send a request before the response: else one read could have hundreds of reviews."""
    wire = Wire()

    assert await written(wire, REQUEST * 2) == b""
    assert wire.is_closed


async def test_no_response_is_worked_out_for_a_connection_that_ended() -> None:
    """The first of two requests in one read is complete, but its client is disconnected."""
    wire = Wire()
    connection = connected(Echo(), wire)
    connection.data_received(REQUEST * 2)
    connection.connection_lost(None)

    assert (wire.writes, connection.tasks) == ([], set())


async def test_a_body_that_is_no_http_is_refused() -> None:
    """A chunk whose size is no number: the request is neither responded to nor passed on."""
    wire = Wire()
    received = await written(wire, CHUNKED + b'3\r\n"bo\r\nx\r\n')

    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert wire.is_closed


async def test_the_time_until_the_next_request_starts_at_the_response() -> None:
    """The patience is 7 s; the connection counts as used, and as one that served one request."""
    loop, slot = asyncio.get_running_loop(), Slot("10.0.0.1")
    connection = connected(Echo(), Wire(), ClientPolicy(7), slot)
    slot.deadline, before = 0, loop.time()
    assert slot.stage is Stage.UNUSED
    connection.data_received(REQUEST)

    assert before + 7 <= slot.deadline <= loop.time() + 7
    assert (slot.stage, slot.served) == (Stage.USED, 1)


async def test_a_client_that_does_not_read_may_not_send_the_next_request() -> None:
    """While the response waits in the transport, a next request ends the connection without one more."""
    wire = Wire()
    connection = connected(Echo(), wire)
    connection.data_received(REQUEST)
    connection.pause_writing()
    connection.data_received(REQUEST)

    assert (wire.writes, wire.is_closed) == ([AT_ONCE], True)


async def test_a_client_without_an_accepted_name_gets_no_response_of_the_application() -> None:
    """Neither at once nor later: the status is 403."""
    wire = Wire(peercert={"subject": ((("commonName", "kubelet"),),)})
    connection = connected(Echo(), wire, ClientPolicy(names=("kube-apiserver",)))
    connection.data_received(REQUEST)
    await asyncio.wait(connection.tasks)

    assert [write.startswith(b"HTTP/1.1 403 Forbidden\r\n") for write in wire.writes] == [True]
    assert b'"body"' not in wire.writes[0]


@pytest.mark.parametrize("received", [10, HEAD_END + 1], ids=["head", "body"])
async def test_the_last_request_of_a_listener_that_ends_closes_its_connection(received: int) -> None:
    """It has begun when the listener is to end: the response says so, and the connection is closed."""
    wire = Wire()
    connection = connected(Echo(), wire)
    connection.data_received(REQUEST[:received])
    connection.shutdown()
    connection.data_received(REQUEST[received:])
    await asyncio.wait(connection.tasks)

    assert (wire.writes, wire.is_closed) == ([by_asgi(b'"body"', is_last=True)], True)


class Faulty(Echo):
    """An application with a fault."""

    def respond_at_once(self, client: str, body: bytes) -> tuple[int, bytes] | None:
        """Fails."""
        raise KeyError(client, body)


def test_a_fault_of_the_application_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and nothing is left open; a request that is passed on by ASGI is still responded to."""
    with (
        BackgroundListener(Faulty()) as listener,
        closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as failing,
        closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as other,
    ):
        failing.sendall(REQUEST)
        assert failing.recv(65536) == b""
        other.sendall(REQUEST.replace(b"/now", b"/later"))
        assert other.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        wait_until(lambda: len(listener.connections) == 1, 5, "the end of the connection")

    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [KeyError]
