"""Rate limits of writes and Events."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

# A delay up to this is caught up, which keeps the rate; to catch up a longer one would cause a burst.
_MAX_CATCH_UP_SECONDS = 0.1


class RateLimiter:
    """Grants permits at a constant rate; `pause` delays the next one, as with Retry-After."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval_seconds = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._next_seconds = clock()

    async def acquire(self) -> None:
        """Wait for the next permit."""
        while (wait := self._next_seconds - self._clock()) > 0:
            await self._sleep(wait)
        self._next_seconds = (
            max(self._next_seconds, self._clock() - _MAX_CATCH_UP_SECONDS) + self._interval_seconds
        )

    def pause(self, seconds: float) -> None:
        """Grant no permit for *seconds*."""
        self._next_seconds = max(self._next_seconds, self._clock() + seconds)


class SlidingWindowLimit:
    """At most *tokens* within any window of *seconds*; each returns *seconds* after it was taken."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque([float("-inf")] * tokens, maxlen=tokens)

    def take(self, now_seconds: float) -> bool:
        """True if a token was left; all are returned if the clock was set back."""
        if 0 <= now_seconds - self._taken[0] < self._seconds:
            return False
        self._taken.append(now_seconds)
        return True
