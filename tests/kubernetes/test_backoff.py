"""The pauses between attempts."""

import pytest

from app.periodic import Backoff


@pytest.mark.parametrize(
    ("chance", "expected"),
    [(0.0, [0.5, 1, 2, 4, 5, 5]), (1.0, [1, 2, 4, 8, 10, 10])],
    ids=["shortest", "longest"],
)
def test_pauses_double_up_to_the_limit(chance: float, expected: list[float]) -> None:
    """From 1 s to at most 10 s each pause doubles; chance takes away up to half of it."""
    backoff = Backoff(first_seconds=1, limit_seconds=10, chance=lambda: chance)

    assert [backoff.next_pause() for _ in range(6)] == expected


def test_a_success_begins_anew() -> None:
    """After a reset the next pause is a first one, and no failure is counted."""
    backoff = Backoff(first_seconds=1, limit_seconds=10, chance=lambda: 1)
    backoff.next_pause()
    backoff.next_pause()
    assert backoff.failures == 2

    backoff.reset()

    assert backoff.failures == 0
    assert backoff.next_pause() == 1
