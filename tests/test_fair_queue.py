"""The sources of a queue are served in rotation."""

import pytest

from app.fair_queue import FairQueue


def test_a_source_with_many_items_delays_only_its_own() -> None:
    """Three items of `a` are put before one of `b`: it is served second, and those of `a` stay in order."""
    queue = FairQueue[str, int]()
    for number in range(3):
        queue.put("a", number)
    queue.put("b", 10)

    assert [queue.pop() for _ in range(4)] == [0, 10, 1, 2]
    assert not queue
    with pytest.raises(LookupError):
        queue.pop()
