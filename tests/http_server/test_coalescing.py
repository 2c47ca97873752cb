"""What a listener writes for an answer: its head and the begin of its body in one piece."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from app.http_server.protocol import ANY_CLIENT, ClientConnection
from tests.cluster.waiting import wait_until
from tests.http_server.background_listener import BackgroundListener

Send = Callable[[dict[str, Any]], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
REQUEST = b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it; nothing comes after the end."""
        assert not self.is_closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """Note it."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Never asked for here."""

    def resume_reading(self) -> None:
        """Never asked for here."""


def written(request: bytes, *answer: bytes, length: int | None = None) -> Wire:
    """What a connection writes for *request* when its application answers with these parts of a body."""

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
        config = uvicorn.Config(application, log_config=None, lifespan="off", server_header=False)
        config.load()
        connection = ClientConnection(ANY_CLIENT, config=config, server_state=ServerState(), app_state={})
        connection.connection_made(wire)
        connection.data_received(request)
        while tasks := connection.tasks:  # a pipelined request begins its own when the first has ended
            await asyncio.wait(tasks)
        connection.connection_lost(None)
        return wire

    return asyncio.run(serve())


def test_head_and_body_are_one_write() -> None:
    """Each write becomes a TLS record of its own: there is one."""
    assert written(REQUEST, b"answer").writes == [HEAD % 6 + b"answer"]


def test_what_comes_after_the_begin_of_a_body_is_not_held() -> None:
    """Three parts of two bytes: the first with the head, each other when it comes."""
    assert written(REQUEST, b"an", b"sw", b"er").writes == [HEAD % 6 + b"an", b"sw", b"er"]


def test_a_head_without_a_body_goes_out_too() -> None:
    """The answer to HEAD: uvicorn writes nothing after the head."""
    request = REQUEST.replace(b"POST", b"HEAD")

    assert written(request, b"", length=6).writes == [HEAD % 6]


def test_the_last_answer_goes_out_before_the_connection_ends() -> None:
    """Asked to close, the connection closes after the write, not before."""
    request = REQUEST.replace(b"Host: a", b"Host: a\r\nConnection: close")
    wire = written(request, b"answer")

    assert wire.writes == [HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") % 6 + b"answer"]
    assert wire.is_closed


def test_a_client_that_waits_for_100_continue_gets_it_at_once() -> None:
    """It is no head of an answer: held back, both sides would wait."""
    request = REQUEST.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue")

    assert written(request, b"answer").writes == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD % 6 + b"answer"]


def test_two_requests_in_one_piece_get_two_writes() -> None:
    """Pipelined: the second waits for the first, and both answers are whole."""
    wire = written(REQUEST * 2, b"answer")

    assert b"".join(wire.writes) == (HEAD % 6 + b"answer") * 2


async def empty(_scope: Any, receive: Any, send: Send) -> None:
    """Answers without a body."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_a_connection_that_ended_is_gone_without_the_garbage_collector() -> None:
    """Each holds 60 kB for TLS, and the collector may come late: after 20 connections none is left."""
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
