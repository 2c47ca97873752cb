"""How fast the cluster is asked to change things."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

# A little lateness is made up for, so that the rate is held; more of it would be a burst.
_LATE_SECONDS = 0.1


class RateLimiter:
    """Gives out turns at a rate; a server that asks for a pause gets it."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval_seconds = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._next = clock()

    async def turn(self) -> None:
        """Wait for the next turn."""
        while (wait := self._next - self._clock()) > 0:
            await self._sleep(wait)
        self._next = max(self._next, self._clock() - _LATE_SECONDS) + self._interval_seconds

    def hold(self, seconds: float) -> None:
        """No turn before so many seconds have passed."""
        self._next = max(self._next, self._clock() + seconds)


class SlidingWindowLimit:
    """So many tokens, each of which comes back some time after it was taken: never more in that time."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque([float("-inf")] * tokens, maxlen=tokens)

    def take(self, now_seconds: float) -> bool:
        """True where one was left; a clock that was set back gives all of them back."""
        if 0 <= now_seconds - self._taken[0] < self._seconds:
            return False
        self._taken.append(now_seconds)
        return True
