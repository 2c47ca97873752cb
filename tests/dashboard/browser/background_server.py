"""A fake API server on an event loop of its own: a browser occupies the loop of the test's thread."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tests.kubernetes.fake_api_server import FakeApiServer


@contextmanager
def api_server(serve: Callable[[FakeApiServer], object]) -> Iterator[FakeApiServer]:
    """A running server that *serve* has given its responses."""
    started, running = Event(), FakeApiServer()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with running:
            serve(running)
            started.set()
            await ended.wait()

    thread = Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        assert started.wait(10), "the server does not start"
        yield running
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
