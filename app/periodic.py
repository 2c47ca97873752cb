"""Retry pauses with exponential backoff and jitter, and the schedule of periodic runs.

The jitter keeps replicas from retrying at the same time.
"""

import asyncio
import math
import random
from collections.abc import Callable


class Backoff:
    """Pauses that double with each failure, up to a limit; jitter shortens each by up to half."""

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
        """The seconds to wait after another failure."""
        pause = self._next_seconds * (1 + self._chance()) / 2
        self._next_seconds = min(self.limit_seconds, 2 * self._next_seconds)
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._next_seconds = self._first_seconds
        self.failures = 0


def next_run(due_seconds: float, period_seconds: float, now_seconds: float) -> tuple[float, int]:
    """The time of the next run after the run that was due at *due_seconds*, and the number of skipped runs.

    Runs stay whole periods apart: if a run takes longer than its period, the runs in between are skipped, so
    that none piles up and none is late.
    """
    periods = max(1, math.ceil((now_seconds - due_seconds) / period_seconds))
    return due_seconds + periods * period_seconds, periods - 1


_POLL_SECONDS = 0.05


async def wait_synced(is_synced: Callable[[], bool], *, within_seconds: float | None = None) -> None:
    """Return once *is_synced* holds: the lists and watches behind it set no event, so it is polled.

    Raises:
        TimeoutError: it does not hold after *within_seconds*.
    """
    async with asyncio.timeout(within_seconds):
        while not is_synced():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
