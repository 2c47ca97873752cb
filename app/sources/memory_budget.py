"""The memory that the answers of all queries take together, reserved before it is used."""

import threading
import weakref

from app.errors import TooLargeError

DEFAULT_BYTES = 512 * 1024 * 1024
MIB = 1024 * 1024


class MemoryBudget:
    """A number of bytes for queries that run and for results that are still in use.

    Each of *queries* concurrent ones may take its share of one half for certain, so that a large answer never
    stops a small one. What exceeds the shares, and all results, take from the other half.
    """

    def __init__(self, queries: int, total_bytes: int = DEFAULT_BYTES) -> None:
        self.share_bytes = total_bytes // (2 * queries)
        self._pool_bytes = total_bytes - queries * self.share_bytes
        self._taken_bytes = 0
        self._lock = threading.Lock()

    @property
    def largest_bytes(self) -> int:
        """The largest size of one answer while no other is in use."""
        return self.share_bytes + self._pool_bytes

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
            TooLargeError: there is no room; a smaller query may succeed.
        """
        wanted_bytes = max(needed_bytes - self._share_bytes, 0)
        if not self._budget.take(wanted_bytes - self._taken_bytes):
            limit = f"{self._budget.largest_bytes // MIB} MiB"
            message = f"Prometheus' responses need more memory than all of them may take, one at most {limit}"
            raise TooLargeError("AnswerTooLarge", message)
        self._taken_bytes = wanted_bytes

    def keep_for(self, result: object, needed_bytes: int) -> None:
        """Reserve *needed_bytes* until *result* is dropped: the query's share is free again.

        Raises:
            TooLargeError: there is no room beside the other results.
        """
        self._share_bytes = 0
        self.resize(needed_bytes)
        weakref.finalize(result, self.release)

    def release(self) -> None:
        """Give everything back."""
        self._budget.take(-self._taken_bytes)
        self._taken_bytes = 0
