"""Scores of values with little history."""

import numpy as np
import pytest

from app.backtest.cold_start import cold_start, last_hours
from app.backtest.protocol import EvaluationPeriod
from app.domain.profiles import Resource
from tests.backtest.pasts import GIBIBYTE, day, lanes, usage

FULL = EvaluationPeriod(14, 14)


def test_a_history_of_one_hour() -> None:
    """Usage is 4 cores for 14 days, 1 core in their last hour, and 1 core on the evaluated day.

    1 core is raised by .5 / (1 + 1/24)^3 = 44.2 %, to 1.442 cores. The slack over the day's P95 of 1 core is
    1 - 1 / 1.442 = 0.307. KRR's value is 1 core with slack 0; its memory value is the maximum plus 15 %.
    """
    past = usage([4.0] * 13 + [day((276, 4.0), (12, 1.0)), 1.0])

    policies = cold_start(past, FULL, (1,))[1]

    ours, krr = policies["normal"], policies["krr"]
    assert ours.values[Resource.CPU][0, 14] == pytest.approx(1 + 0.5 / (1 + 1 / 24) ** 3, rel=1e-5)
    assert ours.scores[Resource.CPU].relative_slack == pytest.approx(0.307, abs=1e-3)
    assert ours.scores[Resource.CPU].container_days == 1
    assert krr.values[Resource.CPU][0, 14] == 1
    assert krr.scores[Resource.CPU].relative_slack == 0
    assert krr.values[Resource.MEMORY][0, 14] == pytest.approx(GIBIBYTE * 1.15)
    assert krr.statements is None


def test_more_history_lowers_raise_and_bound() -> None:
    """With 1 core on all days the raises are 44 %, 26 %, 6 % and 1 %, and the bound shrinks.

    The bound is .9 * .01 * (1 + 1 / days); days is at least .05.
    """
    results = cold_start(usage([1.0] * 15), FULL, (1, 6, 24, 72))

    values = [policies["normal"].values[Resource.CPU][0, 14] for policies in results.values()]
    raised = [1 + 0.5 / (1 + hours / 24) ** 3 for hours in (1, 6, 24, 72)]
    assert values == pytest.approx(raised)
    statements = [policies["normal"].statements for policies in results.values()]
    stated = [statement.cpu_bound.stated for statement in statements if statement]
    assert stated == pytest.approx([0.009 * (1 + 1 / days) for days in (0.05, 0.25, 1, 3)], rel=1e-3)


def test_without_samples_in_the_history_there_is_no_value() -> None:
    """Without samples in the last hour there is no value from one hour of history, but one from six."""
    away = day((276, 1.0))

    results = cold_start(usage([1.0] * 13 + [away, 1.0]), FULL, (1, 6))

    for name in ("normal", "krr", "vpa"):
        assert results[1][name].scores[Resource.CPU].container_days == 0
        assert results[6][name].scores[Resource.CPU].container_days == 1


def test_histories_longer_than_the_usage_are_left_out() -> None:
    """Two of five days precede the evaluated days, so a history of three days is left out."""
    assert list(cold_start(usage([1.0] * 5), EvaluationPeriod(2, 4), (1, 48, 72))) == [1, 48]


def test_of_a_short_past_six_hours_are_history() -> None:
    """The six hours before the second day are all there is; a day of history would be the same six."""
    short = EvaluationPeriod(1, 1, is_short_past=True)

    assert list(cold_start(usage([1.0]).aligned_starts(6), short, (1, 6, 24))) == [1, 6]


def test_only_the_last_hours_of_the_days_remain() -> None:
    """The thirty hours before day 3 are day 2 and the last quarter of day 1."""
    short = last_hours(lanes([1.0, 2.0, 3.0, 4.0]), 3, 30)

    assert short.values.shape == (1, 2, 288)
    assert np.isfinite(short.values).sum(axis=2).tolist() == [[72, 288]]
    assert np.isfinite(short.values[0, 0, -72:]).all()
    assert (short.values[0, 0, -1], short.values[0, 1, 0]) == (2, 3)
