"""Bounds that are calibrated by the outcomes of earlier days."""

import numpy as np
import pytest

from app.backtest.stated_bounds import BoundRecord


def record(outcome: list[list[float]], expected: float = 0.0) -> BoundRecord:
    """Bounds of .1 at scale 1 on all days."""
    outcomes = np.array(outcome)
    return BoundRecord(np.full(outcomes.shape, 0.1), np.full(outcomes.shape, expected), outcomes)


def test_the_first_bound_has_the_default_scale() -> None:
    """.9 of .1; days whose outcome does not count change nothing."""
    assert record([[np.nan, np.nan]]).at_most() == pytest.approx(np.full((1, 2), 0.09))


def test_outcomes_of_the_last_seven_days_set_the_scale() -> None:
    """200 series have outcomes of .2, 2 times the bound: their scale is 2, and the default has equal weight.

    So the next bound is (2 + .9) / 2 * .1 = .145. Seven days later it is 2 * 1400 / 1600 and .9 / 8 =
    1.8625, and on the day after the first outcomes are forgotten.
    """
    outcome = np.full((200, 10), 0.2)
    outcome[:, 8:] = np.nan

    bounds = record(outcome.tolist()).at_most()

    assert bounds[0, :2] == pytest.approx([0.09, 0.145])
    assert bounds[0, 7] == pytest.approx(0.18625)
    assert bounds[0, 8:] == pytest.approx([0.18625, (2 * 1200 + 180) / 1400 * 0.1])


def test_a_bound_is_at_least_what_is_expected() -> None:
    """.3 of the time is expected above the value."""
    assert record([[np.nan]], expected=0.3).at_most() == pytest.approx(0.3)


def test_others_do_not_calibrate_a_subset() -> None:
    """The first series alone has no outcomes: its bound keeps the default scale."""
    both = record([[np.nan, np.nan], [0.9, 0.9]])

    assert both.at_most()[0, 1] > 0.09
    assert both.of(np.array([0])).at_most() == pytest.approx(np.full((1, 2), 0.09))
