"""Turns for reviews that take long: one at a time, in rotation between source addresses.

Decoding blocks the event loop. Ordinary reviews are answered at once. A large one, and each one of a source
that sent many costly ones in the last second, waits until no other is in progress. A pause follows a long
one: a flood leaves half of the time to others. Reviews of one source rotate by size too, since behind a proxy
API servers share their address with a flood.

Costly is what takes CPU time: on a busy node, ordinary reviews wait for the CPU. Its clock takes ten times as
long to read, so it measures only reviews of a source that had one in the last second which was costly by the
wall clock.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter, thread_time

from app.errors import ReviewError
from app.fair_queue import FairQueue

_LARGE_BYTES = 64 * 1024  # recorded reviews have 9 to 14 kB
_LONG_SECONDS = 0.005  # ordinary reviews take 0.1 ms
_MAX_WAIT_SECONDS = 1.0  # a third of the time that an API server waits by default
# A source is busy for a second after costly reviews of 0.05 s in all within a second; the first does not
# count, since it may have waited for the CPU.
_COSTLY_SECONDS = 0.0005
_PERIOD_SECONDS, _BUSY_SECONDS = 1.0, 0.05


class Turns:
    """The reviews that wait for their turn, and the busy sources."""

    def __init__(self, max_wait_seconds: float = _MAX_WAIT_SECONDS) -> None:
        self._max_wait_seconds = max_wait_seconds
        self._waiting: FairQueue[tuple[str, int], asyncio.Future[None]] = FairQueue()
        self._is_taken = False
        self._costly_seconds: dict[str, float] = {}  # by source, in this period
        self._period_end = 0.0
        self._busy_until: dict[str, float] = {}

    def are_needed(self, source: str, size_bytes: int, now: float) -> bool:
        """True if a review of *size_bytes* from *source* may delay others."""
        return size_bytes > _LARGE_BYTES or (bool(self._busy_until) and self._busy_until.get(source, 0) > now)

    def clock(self, source: str, now: float) -> Callable[[], float]:
        """The clock that measures the next review of *source*."""
        return thread_time if now < self._period_end and source in self._costly_seconds else perf_counter

    def observe(self, source: str, size_bytes: int, seconds: float, now: float) -> None:
        """Count the *seconds* of a review, by its clock, if it is costly for its size."""
        if seconds <= _COSTLY_SECONDS or size_bytes > _LARGE_BYTES:
            return
        if now >= self._period_end:
            self._costly_seconds, self._period_end = {}, now + _PERIOD_SECONDS
            self._busy_until = {each: until for each, until in self._busy_until.items() if until > now}
        if source not in self._costly_seconds:
            self._costly_seconds[source] = 0
            return
        self._costly_seconds[source] += seconds
        if self._costly_seconds[source] > _BUSY_SECONDS:
            self._busy_until[source] = now + _PERIOD_SECONDS

    @asynccontextmanager
    async def turn(self, source: str, size_bytes: int) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the duration of the context.

        Raises:
            ReviewError: others took too long.
        """
        if self._is_taken:
            await self._wait((source, size_bytes.bit_length()))
        self._is_taken = True
        began = perf_counter()
        try:
            yield
        finally:
            took = perf_counter() - began
            pause = took if took > _LONG_SECONDS else 0
            asyncio.get_running_loop().call_later(pause, self._pass_on)

    async def _wait(self, rank: tuple[str, int]) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.put(rank, mine)
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():  # the turn came at the same moment
                self._pass_on()
            if isinstance(error, TimeoutError):
                raise ReviewError(503, "other reviews take too long") from error
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = self._waiting.pop()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._is_taken = False
