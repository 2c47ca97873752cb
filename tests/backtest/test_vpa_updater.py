"""VPA's updater: which Pods it acts on, by its own rule."""

import numpy as np
import pytest

from app.backtest.hourly_recommendations import HourlyRecommendations
from app.backtest.protocol import EvaluationPeriod
from app.backtest.vpa_updater import UpdaterScores, run_updater
from app.domain.profiles import Resource
from tests.backtest.pasts import GIBIBYTE, Day, day, usage

Hours = dict[int, float]  # the value from each hour on


def hourly(target: Hours, lower: Hours, upper: Hours) -> HourlyRecommendations:
    """One container on one day; each amount holds until the next hour that is named."""
    recommendations = HourlyRecommendations.empty(1, 1)
    for kind, amounts in zip(recommendations.kinds, (target, lower, upper), strict=True):
        for hour, amount in amounts.items():
            kind[0, 0, hour:] = amount
    return recommendations


STEADY_MEMORY = hourly({0: GIBIBYTE}, {0: GIBIBYTE}, {0: 2 * GIBIBYTE})


def act(cpu: HourlyRecommendations, used: Day = 1.0) -> UpdaterScores:
    past = usage([1.0, used])
    recommendations = {Resource.CPU: cpu, Resource.MEMORY: STEADY_MEMORY}
    return run_updater(past.lanes, np.array([[False, True]]), EvaluationPeriod(1, 1), recommendations)


def test_the_first_request_is_the_target_and_no_action() -> None:
    """A steady target within its bounds needs nothing; 1 core of usage is 0.5 over half of it."""
    scores = act(hourly({0: 0.5}, {0: 0.4}, {0: 0.6}))

    assert scores.actions == 0
    assert scores.overuse[Resource.CPU] == pytest.approx(0.5)


def test_a_request_below_the_lower_bound_is_renewed_at_once() -> None:
    """From 3 o'clock on the lower bound is above the request of 1 core: one action, then the request is 2.

    Usage is 2 cores all day: 1 core over for 3 of 24 hours.
    """
    scores = act(hourly({0: 1.0, 3: 2.0}, {0: 0.5, 3: 1.5}, {0: 4.0}), 2.0)

    assert (scores.actions, scores.actions_below) == (1, 1)
    assert scores.overuse[Resource.CPU] == pytest.approx(3 / 24)


def test_a_request_above_the_upper_bound_is_renewed_at_once() -> None:
    """At 1 o'clock the upper bound falls below the request of 2 cores."""
    scores = act(hourly({0: 2.0, 1: 1.0}, {0: 0.5}, {0: 4.0, 1: 1.5}))

    assert (scores.actions, scores.actions_above) == (1, 1)


@pytest.mark.parametrize(
    ("target", "actions"), [pytest.param(1.09, 0, id="nine-per-cent"), pytest.param(1.11, 1, id="eleven")]
)
def test_a_difference_of_a_tenth_within_the_bounds_waits_for_twelve_hours(
    target: float, actions: int
) -> None:
    """The target changes at 1 o'clock, the Pod is 12 hours old at noon; before it nothing is done."""
    wide = {0: 0.5}, {0: 2.0}

    assert act(hourly({0: 1.0, 1: target, 12: 1.0}, *wide)).actions == 0
    assert act(hourly({0: 1.0, 1: target, 13: 1.0}, *wide)).actions_by_difference == actions * 1


def test_differences_of_both_resources_add_up() -> None:
    """6 % of CPU and 6 % of memory are more than a tenth together."""
    past = usage([1.0, 1.0])
    wide = hourly({0: 1.0, 1: 1.06}, {0: 0.5}, {0: 2.0})
    memory = hourly({0: GIBIBYTE, 1: 1.06 * GIBIBYTE}, {0: 0.5 * GIBIBYTE}, {0: 2 * GIBIBYTE})

    scores = run_updater(
        past.lanes,
        np.array([[False, True]]),
        EvaluationPeriod(1, 1),
        {Resource.CPU: wide, Resource.MEMORY: memory},
    )

    assert scores.actions_by_difference == 1


def test_hours_without_a_recommendation_or_samples_count_for_nothing() -> None:
    """There is no target before 6 o'clock, and no sample after 12: 6 hours of 1 core over .5 remain."""
    scores = act(hourly({6: 0.5}, {6: 0.4}, {6: 0.6}), day((144, 1.0)))

    assert scores.actions == 0
    assert scores.overuse[Resource.CPU] == pytest.approx(0.5 * 6 / 24)
