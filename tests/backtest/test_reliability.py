"""Reliability of stated risk: bins, and the risks stated by our policies."""

import numpy as np
import pytest

from app.backtest.learning import DayFeatures
from app.backtest.protocol import EvaluationPeriod, evaluation_mask, evaluation_period
from app.backtest.reliability import BINS, reliability
from app.backtest.replay import Replay, replay
from app.backtest.report import document, scores_of
from app.backtest.scores import build_scorers
from app.domain.profiles import Resource
from app.history.grid import GRIDS
from tests.backtest.pasts import Day, day, lanes, usage


def test_bins_are_tenths_of_the_days_in_the_order_of_stated_risk() -> None:
    """Stated 1 % to 100 %, shuffled, with twice that observed, give ten bins of ten, the first of 1 to 10 %.

    The means of the first bin are 5.5 % and 11 %, those of all days 50.5 % and 101 %.
    """
    stated = np.random.default_rng(1).permutation(np.arange(1, 101) / 100).reshape(4, 25)

    result = reliability(stated, 2 * stated)

    assert [reliability_bin.container_days for reliability_bin in result.bins] == [10] * BINS
    assert (result.bins[0].stated, result.bins[0].observed) == pytest.approx((0.055, 0.11))
    assert [reliability_bin.stated for reliability_bin in result.bins] == sorted(
        reliability_bin.stated for reliability_bin in result.bins
    )
    assert (result.stated, result.observed) == pytest.approx((0.505, 1.01))


def test_equal_stated_risks_share_a_bin() -> None:
    """95 days with a stated risk of 0.4 % and 5 with 2 % give two bins."""
    stated = np.array([[0.004] * 95 + [0.02] * 5])
    observed = np.array([[0.0] * 95 + [0.03] * 5])

    result = reliability(stated, observed)

    assert [reliability_bin.container_days for reliability_bin in result.bins] == [95, 5]
    assert [reliability_bin.observed for reliability_bin in result.bins] == pytest.approx([0, 0.03])


def test_only_days_with_stated_and_observed_risk_count() -> None:
    """Days without a stated or an observed risk are left out; without any days the means are NaN."""
    result = reliability(np.array([[0.1, np.nan, 0.3]]), np.array([[0.2, 0.2, np.nan]]))
    nothing = reliability(np.array([[np.nan]]), np.array([[0.2]]))

    assert (result.stated, result.observed, result.bins[0].container_days) == (0.1, 0.2, 1)
    assert np.isnan(nothing.stated)
    assert nothing.bins == ()


def replayed(cpu: list[Day], memory: list[Day] | float = 2.0**30) -> Replay:
    past = usage(cpu, memory)
    period = evaluation_period(past.days)
    assert period
    return replay(past, period)


STATED_OF_STEADY_CPU = 0.03 / 15 + 0.02 / 15**4


def test_stated_risk_beside_observed_risk() -> None:
    """1 core and 1 GiB on 14 days; on the evaluated day 3 cores and 3 GiB for half of the time.

    No past day was above 1.0002 cores: 1.3 * 0 + 3 % / 15 = 0.2 % is stated, 50 % is observed.
    For memory a small chance is stated, and the day exceeds the value. With 14 days of history the bound is
    at most .9 * (0 + .01) * 15 / 14 = 0.96 %, and does not hold.
    """
    half: Day = day((144, 1.0), (144, 3.0))
    result = replayed([1.0] * 14 + [half], [*[2.0**30] * 14, np.asarray(half) * 2.0**30]).policies["normal"]

    assert result.statements
    assert result.statements.cpu_above.stated == pytest.approx(STATED_OF_STEADY_CPU)
    assert result.statements.cpu_above.observed == pytest.approx(0.5)
    assert result.statements.memory_above.observed == 1
    assert 0.002 < result.statements.memory_above.stated < 0.2
    assert result.statements.cpu_bound.observed == 0
    assert result.statements.cpu_bound.stated <= 0.9 * 0.01 * 15 / 14 + 1e-6
    scores = scores_of(result)
    assert scores["cpu_expected_above"] == pytest.approx(STATED_OF_STEADY_CPU)
    assert scores["memory_expected_days_above"] == result.statements.memory_above.stated
    assert scores["cpu_bound_held"] == 0


def test_the_document_has_bins_of_our_own_policies_only() -> None:
    """The policies of other tools state no risk."""
    result = replayed([1.0] * 15)
    scores = document(result)

    assert list(scores["reliability"]) == ["low", "normal", "high"]
    assert scores["reliability"]["low"]["cpu_above"] == [
        {"stated": pytest.approx(STATED_OF_STEADY_CPU), "came": 0.0, "container_days": 1}
    ]
    assert "cpu_expected_above" not in scores_of(result.policies["krr"])


def test_features_are_of_evaluated_days_only() -> None:
    """Only day 14 of 16 is evaluated: half of its samples are above 2. Other days are NaN."""
    past = usage([1.0] * 14 + [day((144, 1.0), (144, 3.0)), 9.0])
    scorer = build_scorers(past, evaluation_mask(past, EvaluationPeriod(14, 14)))[Resource.CPU]
    values = np.full((1, 16), 2.0)

    assert scorer.time_above(values)[0, 14] == 0.5
    assert scorer.exceeded(values)[0, 14] == 1
    assert np.isfinite(scorer.time_above(values)).sum() == np.isfinite(scorer.exceeded(values)).sum() == 1


@pytest.mark.parametrize(
    ("hours", "days"), [(1, [1 / 24]), (6, [6 / 24]), (24, [1]), (36, [0.5, 1]), (72, [1, 1, 1])]
)
def test_the_last_hours_before_a_day(hours: int, days: list[float]) -> None:
    """The last hours before day 8 are its newest days, the oldest of them in part.

    Usage on day n is n + 1 cores, plus 0.01 for each hour: the maximum of the newest day is 8.23.
    """
    heights = [np.repeat(number + 1 + np.arange(24) / 100, 12) for number in range(10)]
    features = DayFeatures(lanes(heights), GRIDS[Resource.CPU])

    summaries = features.last_hours(8, hours)

    seen = np.flatnonzero(summaries.share[0])
    assert summaries.share[0, seen] == pytest.approx(days)
    assert summaries.time_seen_days[0] == pytest.approx(hours / 24)
    assert summaries.share[0, -1] == 0
    assert summaries.quantiles[0, seen[-1], -1] == pytest.approx(8.23)
    least = summaries.quantiles[0, seen[0], 0]  # P50 of the last hours of the oldest day, or of all of it
    rest = hours % 24 or 24
    oldest = 8 - len(days) + 1
    assert least == pytest.approx(oldest + (24 - rest + (rest - 1) / 2) / 100, rel=0.05)
