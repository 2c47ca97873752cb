"""How often a query is tried, and how long the pauses are."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries of a query, and the pauses between; *chance* returns random numbers in [0, 1)."""

    tries: int = 3
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def pause_after(self, tries: int, retry_after_seconds: float) -> float:
        """Doubles with each try, ±50 % at random; at least the server's Retry-After, at most the longest."""
        pause_seconds = self.pause_seconds * 2.0 ** (tries - 1) * (0.5 + self.chance())
        return min(max(pause_seconds, retry_after_seconds), self.longest_pause_seconds)
