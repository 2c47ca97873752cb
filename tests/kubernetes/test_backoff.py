"""Pauses between attempts."""

import pytest

from app.periodic import Backoff


@pytest.mark.parametrize(
    ("chance", "expected"),
    [(0.0, [0.5, 1, 2, 4, 5, 5]), (1.0, [1, 2, 4, 8, 10, 10])],
    ids=["shortest", "longest"],
)
def test_pauses_double_up_to_the_limit(chance: float, expected: list[float]) -> None:
    """Each pause doubles, from 1 s to at most 10 s; a random share of up to half is subtracted."""
    backoff = Backoff(first_seconds=1, limit_seconds=10, chance=lambda: chance)

    assert [backoff.next_pause() for _ in range(6)] == expected


def test_a_reset_starts_with_the_first_pause() -> None:
    """After a reset the next pause is the first one, and the number of failures is 0."""
    backoff = Backoff(first_seconds=1, limit_seconds=10, chance=lambda: 1)
    backoff.next_pause()
    backoff.next_pause()
    assert backoff.failures == 2

    backoff.reset()

    assert backoff.failures == 0
    assert backoff.next_pause() == 1
