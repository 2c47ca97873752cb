"""A clock for tests, and waiting for asynchronous effects."""

import asyncio
from collections.abc import Callable


class Clock:
    """A monotonic clock that only a test advances."""

    def __init__(self, now: float = 0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The current time."""
        return self.now


async def until(fact: Callable[[], bool], within_seconds: float = 30) -> None:
    """Waits until *fact* is true; raises a TimeoutError otherwise."""
    async with asyncio.timeout(within_seconds):
        while not fact():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
