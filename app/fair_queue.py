"""A queue that serves its sources in rotation, so that a source with many items delays only its own."""

from collections import deque
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class FairQueue(Generic[S, T]):
    """Items by source; those of one source are in order."""

    def __init__(self) -> None:
        self._items: dict[S, deque[T]] = {}

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, source: S, item: T) -> None:
        """Append *item* to the items of *source*."""
        self._items.setdefault(source, deque()).append(item)

    def pop(self) -> T:
        """The first item of the source that waits longest for its turn; LookupError if the queue is empty."""
        if not self._items:
            raise LookupError("the queue is empty")
        source = next(iter(self._items))
        items = self._items.pop(source)
        item = items.popleft()
        if items:
            self._items[source] = items
        return item
