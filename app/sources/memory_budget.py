"""The memory that the answers of all queries take together, reserved before it is used."""

import asyncio
import threading
import weakref
from time import monotonic

from app.errors import TooLargeError

DEFAULT_BYTES = 512 * 1024 * 1024
MIB = 1024 * 1024
_LOOK_SECONDS, _QUIET_SECONDS = 0.1, 10.0


class NoRoomError(TooLargeError):
    """The other answers in use leave no room for *pool_bytes* of the common half: later they may."""

    def __init__(self, reason: str, message: str, pool_bytes: int) -> None:
        super().__init__(reason, message)
        self.pool_bytes = pool_bytes


class MemoryBudget:
    """A number of bytes for queries that run and for results that are still in use.

    Each of *queries* concurrent ones may take its share of one half for certain, so that a large answer never
    stops a small one. What exceeds the shares, and all results, take from the other half.

    Queries that found no room there try again in *turn*, one after the other: together none may have enough.
    """

    def __init__(
        self, queries: int, total_bytes: int = DEFAULT_BYTES, *, quiet_seconds: float = _QUIET_SECONDS
    ) -> None:
        self.share_bytes = total_bytes // (2 * queries)
        self._pool_bytes = total_bytes - queries * self.share_bytes
        self._quiet_seconds = quiet_seconds
        self._taken_bytes = 0
        self._lock = threading.Lock()
        self.turn = asyncio.Lock()

    @property
    def largest_bytes(self) -> int:
        """The largest size of one answer while no other is in use."""
        return self.share_bytes + self._pool_bytes

    @property
    def in_use_bytes(self) -> int:
        """What is taken of the common half."""
        return self._taken_bytes

    def may_hold(self, pool_bytes: int) -> bool:
        """True if the common half has *pool_bytes* while no answer is in use."""
        return pool_bytes <= self._pool_bytes

    async def wait_for(self, pool_bytes: int, within_seconds: float) -> bool:
        """True once the common half has room for *pool_bytes*; False if it has none *within_seconds*.

        It has none, too, if no answer comes or goes for a while: then all that are in use may wait like this
        one.
        """
        ends = monotonic() + within_seconds
        in_use_bytes, quiet_since = self.in_use_bytes, monotonic()
        # Results are dropped in any thread, where no event of the loop can be set.
        while self.in_use_bytes + pool_bytes > self._pool_bytes:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.in_use_bytes != in_use_bytes:
                in_use_bytes, quiet_since = self.in_use_bytes, monotonic()
            if monotonic() > min(ends, quiet_since + self._quiet_seconds):
                return False
        return True

    def take(self, more_bytes: int) -> bool:
        """Take from the common half; False if it has no room. Negative numbers give back."""
        with self._lock:
            if more_bytes > 0 and self._taken_bytes + more_bytes > self._pool_bytes:
                return False
            self._taken_bytes += more_bytes
            return True


class Reservation:
    """The memory of one query, and then of its result; used from one thread at a time."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._share_bytes = budget.share_bytes
        self._taken_bytes = 0

    def resize(self, needed_bytes: int) -> None:
        """Reserve *needed_bytes* in place of the present number.

        Raises:
            NoRoomError: other answers take the room.
            TooLargeError: there is never room; a smaller query may succeed.
        """
        wanted_bytes = max(needed_bytes - self._share_bytes, 0)
        if not self._budget.take(wanted_bytes - self._taken_bytes):
            limit = f"{self._budget.largest_bytes // MIB} MiB"
            message = f"Prometheus' responses need more memory than all of them may take, one at most {limit}"
            if self._budget.may_hold(wanted_bytes):
                raise NoRoomError("AnswerTooLarge", message, wanted_bytes)
            raise TooLargeError("AnswerTooLarge", message)
        self._taken_bytes = wanted_bytes

    def keep_for(self, result: object, needed_bytes: int) -> None:
        """Reserve *needed_bytes* until *result* is dropped: the query's share is free again.

        Raises:
            NoRoomError: other answers take the room.
            TooLargeError: there is never room.
        """
        self._share_bytes = 0
        self.resize(needed_bytes)
        weakref.finalize(result, self.release)

    def release(self) -> None:
        """Give everything back."""
        self._budget.take(-self._taken_bytes)
        self._taken_bytes = 0
