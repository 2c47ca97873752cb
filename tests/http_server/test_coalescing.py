"""The writes of a listener for a response: its head and the beginning of its body are one write."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from app.http_server.protocol import ClientConnection
from tests.cluster.waiting import wait_until
from tests.http_server.background_listener import BackgroundListener
from tests.http_server.wire import Wire, connected

Send = Callable[[dict[str, Any]], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
REQUEST = b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


def written(request: bytes, *answer: bytes, length: int | None = None) -> Wire:
    """The connection's writes for *request* if its application responds with these parts of a body."""

    async def application(_scope: Any, receive: Any, send: Send) -> None:
        await receive()
        size = sum(map(len, answer)) if length is None else length
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(answer, start=1):
            more = number < len(answer)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    async def serve() -> Wire:
        wire = Wire()
        connection = connected(application, wire)
        connection.data_received(request)
        await asyncio.wait(connection.tasks)
        connection.connection_lost(None)
        return wire

    return asyncio.run(serve())


def test_head_and_body_are_one_write() -> None:
    """There is one write, since each write becomes a TLS record."""
    assert written(REQUEST, b"answer").writes == [HEAD % 6 + b"answer"]


def test_later_parts_of_a_body_are_written_at_once() -> None:
    """Of three parts of two bytes, the first is written with the head, the others as they are sent."""
    assert written(REQUEST, b"an", b"sw", b"er").writes == [HEAD % 6 + b"an", b"sw", b"er"]


def test_a_head_without_a_body_is_written_too() -> None:
    """In response to HEAD, uvicorn writes nothing after the head."""
    request = REQUEST.replace(b"POST", b"HEAD")

    assert written(request, b"", length=6).writes == [HEAD % 6]


def test_the_last_response_is_written_before_the_connection_closes() -> None:
    """With `Connection: close`, the connection closes after the write, not before."""
    request = REQUEST.replace(b"Host: a", b"Host: a\r\nConnection: close")
    wire = written(request, b"answer")

    assert wire.writes == [HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") % 6 + b"answer"]
    assert wire.is_closed


def test_a_client_that_waits_for_100_continue_gets_it_at_once() -> None:
    """The interim response is no head: if it were held back, client and server would wait for each other."""
    request = REQUEST.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue")

    assert written(request, b"answer").writes == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD % 6 + b"answer"]


async def empty(_scope: Any, receive: Any, send: Send) -> None:
    """An application that responds without a body."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_a_connection_that_ended_is_gone_without_the_garbage_collector() -> None:
    """Each connection holds 60 kB for TLS, and garbage collection may be late: after 20 none is left."""
    with BackgroundListener(empty) as listener, collector_switched_off():
        for _ in range(20):
            with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as client:
                client.sendall(REQUEST.replace(b"Host: a", b"Host: a\r\nConnection: close"))
                while client.recv(65536):
                    pass
        wait_until(lambda: connections_left() == 0, 5, "no connection to be left")


@contextmanager
def collector_switched_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def connections_left() -> int:
    return sum(isinstance(each, ClientConnection) for each in gc.get_objects())
