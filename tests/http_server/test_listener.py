"""A listener serves until it is cancelled, completes open requests, and leaves signals to the process."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.errors import ProfilerError
from app.http_server.listener import Listener
from app.http_server.protocol import ClientPolicy
from tests.kubernetes.polling import until


class SlowApplication:
    """Responds when the test allows it."""

    def __init__(self) -> None:
        self.request_received = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """One response."""
        self.request_received.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})


@asynccontextmanager
async def serving(application: SlowApplication) -> AsyncIterator[tuple[asyncio.Task[None], str]]:
    """The task of a started listener, and its URL."""
    listener = Listener(application, "127.0.0.1", 0)
    task = asyncio.create_task(listener.run_until_cancelled())
    try:
        await until(lambda: listener.started)
        assert listener.own_address
        yield task, f"http://127.0.0.1:{listener.own_address[1]}/"
    finally:
        application.may_answer.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_cancelled_listener_completes_open_requests() -> None:
    """The response is complete, the task ends as cancelled, and the port is closed."""
    application = SlowApplication()
    async with serving(application) as (task, url), httpx.AsyncClient(trust_env=False) as client:
        request = asyncio.create_task(client.get(url))
        await application.request_received.wait()
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        application.may_answer.set()

        assert (await request).text == "done"
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_listener_leaves_signals_to_the_process() -> None:
    """SIGTERM and SIGINT have the same handlers before and while it serves."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    async with serving(SlowApplication()):
        assert [signal.getsignal(number) for number in numbers] == before


async def test_an_address_in_use_is_a_fault_that_names_it() -> None:
    """The task raises an error of the product, which ends the process in order; it does not exit at once."""
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        listener = Listener(SlowApplication(), "127.0.0.1", port)

        with pytest.raises(
            ProfilerError, match=f"can't listen on 127.0.0.1, port {port}: Address already in use"
        ):
            await listener.run_until_cancelled()


async def test_the_own_address_of_a_listener() -> None:
    """Before the start there is none; then it is the address that this process can connect to."""
    listener = Listener(SlowApplication(), "0.0.0.0", 0)
    assert listener.own_address is None

    async with serving(SlowApplication()) as (_, url):
        assert url.startswith("http://127.0.0.1:")


def test_idle_connections_outlive_those_of_an_api_server() -> None:
    """API servers keep an idle connection for 90 s; if closed earlier by us, their next review could fail."""
    assert ClientPolicy().timeout_seconds == 120
    assert Listener(SlowApplication(), "127.0.0.1", 0).config.timeout_keep_alive == 120
