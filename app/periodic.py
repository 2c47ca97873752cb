"""How attempts are repeated: after growing pauses, with jitter, so that replicas do not come back at once.

What is done once a period is never done late and twice.
"""

import asyncio
import math
import random
from collections.abc import Callable


class Backoff:
    """Pauses that double with each failure, up to a limit; chance takes up to half off each."""

    def __init__(
        self,
        first_seconds: float = 1.0,
        limit_seconds: float = 30.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_seconds = first_seconds
        self.limit_seconds = limit_seconds
        self._chance = chance
        self._next_seconds = first_seconds
        self.failures = 0

    def next_pause(self) -> float:
        """The seconds to wait after one more failure."""
        pause = self._next_seconds * (1 + self._chance()) / 2
        self._next_seconds = min(self.limit_seconds, 2 * self._next_seconds)
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Something succeeded: the next failure is a first one."""
        self._next_seconds = self._first_seconds
        self.failures = 0


def next_turn(due: float, period: float, now: float) -> tuple[float, int]:
    """When to begin after the turn that was *due* has ended *now*, and how many turns went by meanwhile.

    Turns stay whole periods apart: one that takes longer than its period skips, so that none piles up.
    """
    turns = max(1, math.ceil((now - due) / period))
    return due + turns * period, turns - 1


_POLL_SECONDS = 0.05


async def wait_synced(is_synced: Callable[[], bool], *, within_seconds: float | None = None) -> None:
    """Return once *is_synced* holds: the lists and watches behind it set no event, so it is polled.

    Raises:
        TimeoutError: it does not hold after *within_seconds*.
    """
    async with asyncio.timeout(within_seconds):
        while not is_synced():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
