"""Targets and bounds of each hour: VPA's and our own."""

import numpy as np
import pytest

from app.backtest.hourly_recommendations import our_recommendations, vpa_recommendations
from app.backtest.learning import DayFeatures, replay_profiler
from app.backtest.protocol import EvaluationPeriod
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.rules import rules_at
from tests.backtest.pasts import GIBIBYTE, MEBIBYTE, Day, day, usage, vpa_edge


def test_vpas_bounds_are_widened_by_confidence() -> None:
    """1 core and 1 GiB for two days: after one day the upper bound is 2 times, after 36 hours 5/3 of P95.

    All percentiles are the end of the bucket plus 15 %; the lower bound is 1.001^-2 of P50 after a day.
    """
    both = vpa_recommendations(usage([1.0, 1.0]).lanes, EvaluationPeriod(1, 1))

    for resource, value in ((Resource.CPU, vpa_edge(0.01, 1)), (Resource.MEMORY, vpa_edge(1e7, GIBIBYTE))):
        hourly = both[resource]
        assert hourly.target[0, 0] == pytest.approx(np.full(24, value * 1.15))
        assert hourly.lower[0, 0, 0] == pytest.approx(value * 1.15 * 1.001**-2)
        assert hourly.upper[0, 0, [0, 12]] == pytest.approx([value * 1.15 * 2, value * 1.15 * 5 / 3])


def test_vpas_floor_holds_for_bounds_too() -> None:
    """An idle container has 25 millicores and 250 MiB as target, lower and upper bound.

    Its upper bound is 11.5 millicores times 2 after a day: below the floor.
    """
    both = vpa_recommendations(usage([0.0, 0.0], 1.0).lanes, EvaluationPeriod(1, 1))

    assert [float(kind[0, 0, 0]) for kind in both[Resource.CPU].kinds] == pytest.approx([0.025] * 3)
    assert [float(kind[0, 0, 0]) for kind in both[Resource.MEMORY].kinds] == [250 * MEBIBYTE] * 3


def test_vpas_memory_target_rises_within_the_day() -> None:
    """A peak of 4 GiB at 5 o'clock has weight 1 of 1 + 1/2: the target of 6 o'clock follows it."""
    memory: list[Day] = [GIBIBYTE, day((60, GIBIBYTE), (12, 4 * GIBIBYTE), (216, GIBIBYTE))]

    hourly = vpa_recommendations(usage([1.0, 1.0], memory).lanes, EvaluationPeriod(1, 1))[Resource.MEMORY]

    assert hourly.target[0, 0, 5] == pytest.approx(vpa_edge(1e7, GIBIBYTE) * 1.15)
    assert hourly.target[0, 0, 6] == pytest.approx(vpa_edge(1e7, 4 * GIBIBYTE) * 1.15)


def test_vpas_cpu_weights_halve_in_a_day() -> None:
    """After a day of .1 cores, 1 core from midnight on: at h o'clock its weight is 1 - 2^-h/24 of the sum.

    P90 is 1 core once that is a tenth of the whole: with x = 2^-h/24 that is (1 - x) / (1 - x + x / 2) > .1,
    so x < .947 and h > 1.88: from 2 o'clock on.
    """
    hourly = vpa_recommendations(usage([0.1, 1.0]).lanes, EvaluationPeriod(1, 1))[Resource.CPU]

    low, high = vpa_edge(0.01, 0.1) * 1.15, vpa_edge(0.01, 1.0) * 1.15
    assert hourly.target[0, 0, :4] == pytest.approx([low, low, high, high])


def test_our_bounds_enclose_the_target_and_follow_todays_use() -> None:
    """1 core on 14 days and until noon, then 4 cores: the target and the lower bound follow within hours.

    The upper bound is a tenth above the target, times 1 + 1/14.
    """
    past, period = usage([1.0] * 14 + [day((144, 1.0), (144, 4.0))]), EvaluationPeriod(14, 14)
    features = DayFeatures(past.lanes[Resource.CPU], GRIDS[Resource.CPU])
    rule = rules_at(RiskLevel.NORMAL)[Resource.CPU]
    published = replay_profiler(
        features, rule, period, lambda _day, values: np.zeros(len(values)), lambda: None
    )

    hourly = our_recommendations(Resource.CPU, features, published, RiskLevel.NORMAL, period)

    target, lower, upper = (kind[0, 0] for kind in hourly.kinds)
    assert target[12] == pytest.approx(1, rel=0.05)
    assert target[23] == pytest.approx(4, rel=0.05)
    assert (lower <= target).all()
    assert lower[[12, 23]] == pytest.approx([1, 4], rel=0.05)
    assert upper == pytest.approx(1.1 * target * 15 / 14, rel=1e-3)
