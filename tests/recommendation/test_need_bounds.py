"""Bounds for VPA's updater."""

import numpy as np
import pytest

from app.domain.profiles import Resource, RiskLevel
from app.recommendation.bands import BAND_LEVELS, LEVELS
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.need_bounds import lower_bound, upper_bound
from app.recommendation.rules import rules_at

CPU = rules_at(RiskLevel.NORMAL)[Resource.CPU]


def days(today_cores: float, today_share: float) -> DaySummaries:
    """28 whole days of 1 core, and today so far."""
    quantiles = np.ones((1, 29, len(LEVELS)), dtype=np.float32)
    quantiles[:, -1] = today_cores
    share = np.ones((1, 29), dtype=np.float32)
    share[:, -1] = today_share
    return DaySummaries(quantiles, share)


def test_the_lower_bound_is_what_a_third_of_the_price_needs() -> None:
    """At a third of the price of 34, what is used for 1/12.33 = 8.1 % of the weighted time is not needed.

    Yesterday has 1 / 3.927 = 25.5 % of the weight (the sum of 1/1 to 1/28). Its upper bands, above .8, have
    .2 * 25.5 % = 5.1 % and are not needed; from .6 on they have 10.2 %, and are. The whole need is 4 cores
    then, plus .5 / 29^3 = .002 %. A target below that need is its own lower bound.
    """
    calm, busy = days(1.0, 0.0), days(1.0, 0.0)
    calm.quantiles[0, 27, [level > 0.8 for level in LEVELS]] = 4
    busy.quantiles[0, 27, [level > 0.6 for level in LEVELS]] = 4

    assert BAND_LEVELS[2:4] == (0.7, 0.84)
    assert lower_bound(np.array([5.0]), calm, CPU) == pytest.approx([1 + 0.5 / 29**3])
    assert lower_bound(np.array([5.0]), busy, CPU) == pytest.approx([4 * (1 + 0.5 / 29**3)])
    assert lower_bound(np.array([3.0]), busy, CPU).tolist() == [3.0]


def test_todays_use_raises_the_lower_bound() -> None:
    """Today is half a day old, so an hour of it weighs 2/24 = .083 beside 3.927: 2.1 %, and six hours 11.3 %.

    8.1 % or more of the weighted time at 4 cores needs them.
    """
    target = np.array([5.0])

    assert lower_bound(target, days(4.0, 1 / 24), CPU) == pytest.approx([1.0], rel=0.01)
    assert lower_bound(target, days(4.0, 6 / 24), CPU) == pytest.approx([4.0], rel=0.01)


@pytest.mark.parametrize(
    ("target", "need_at_low", "seen", "bound"),
    [
        pytest.param(1.0, 0.5, 28.0, 1.1 * 29 / 28, id="a-tenth-above-the-target"),
        pytest.param(1.0, 2.0, 28.0, 2.0 * 29 / 28, id="the-need-at-low-risk"),
        pytest.param(1.0, 2.0, 1.0, 4.0, id="twice-as-wide-after-a-day"),
        pytest.param(1.0, 1.0, 0.0, 1.1 * 21, id="at-most-21-times-as-wide"),
    ],
)
def test_the_upper_bound(target: float, need_at_low: float, seen: float, bound: float) -> None:
    """max(1.1 * target, need at low risk) * (1 + 1 / days seen); less than .05 days count as .05."""
    assert upper_bound(np.array([target]), np.array([need_at_low]), np.array([seen])) == pytest.approx(
        [bound]
    )
