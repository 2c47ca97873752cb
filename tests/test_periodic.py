"""The schedule of periodic runs."""

import pytest

from app.periodic import next_run


@pytest.mark.parametrize(
    ("now", "due", "skipped"),
    [
        pytest.param(103.0, 250.0, 0, id="in-time"),
        pytest.param(250.0, 250.0, 0, id="just-in-time"),
        pytest.param(251.0, 400.0, 1, id="a-little-too-long"),
        pytest.param(700.5, 850.0, 4, id="for-four-turns-more"),
    ],
)
def test_turns_stay_whole_periods_apart(now: float, due: float, skipped: int) -> None:
    """Due at 100 and every 150 s: 250, 400, 550, 700, 850; missed runs are skipped."""
    assert next_run(100.0, 150.0, now) == (due, skipped)
