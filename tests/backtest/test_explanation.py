"""Where a number comes from: days, weights, the candidate and what other rules give."""

import numpy as np
import pytest

from app.backtest.explanation import ContainerPast, elapsed_of, explain
from app.domain.profiles import Resource, RiskLevel
from tests.backtest.pasts import FIRST_DAY, GIBIBYTE, day, usage


def test_the_days_add_up() -> None:
    """15 days and today: the 14 before today count, with weights that sum to 1, the newest the most.

    288 * 14 samples of whole days and 144 of today are in the window that is told of.
    """
    past = usage([1.0] * 15 + [day((144, 1.0))])

    told = explain(ContainerPast(past, Resource.CPU, 0), RiskLevel.NORMAL, 0.5)

    assert told
    assert [each.day for each in told.days] == list(range(FIRST_DAY + 1, FIRST_DAY + 15))
    assert sum(each.weight for each in told.days) == pytest.approx(1)
    assert max(told.days, key=lambda each: each.weight) is told.days[-1]
    assert (told.samples, told.replicas, told.today_counts) == (288 * 14 + 144, 1, False)
    assert told.days[0].quantiles == pytest.approx((1, 1, 1, 1), rel=0.05)


def test_the_value_is_the_candidates_and_what_is_added_for_a_short_past() -> None:
    """14 days of 1 core: whatever the candidate, its base is 1 core, and 1 / (1 + 14)^2 = 0.44 % is added."""
    told = explain(ContainerPast(usage([1.0] * 14 + [np.nan]), Resource.CPU, 0), RiskLevel.NORMAL, 0.0)

    assert told
    assert told.little_history == pytest.approx(1 / 225)
    assert told.base == pytest.approx(1, rel=0.05)
    assert told.chosen.value == pytest.approx(told.base * (1 + 1 / 225))
    assert told.at_most is not None
    assert 0 <= told.expected <= 1


def test_the_choice_is_the_cheapest_of_the_candidates_that_are_shown() -> None:
    """They stand in the order of their cost, and no value twice."""
    random = np.random.default_rng(5)
    past = usage([day((276, 1.0), (12, float(height))) for height in random.uniform(1, 4, 15)])

    told = explain(ContainerPast(past, Resource.CPU, 0), RiskLevel.LOW, 1.0)

    assert told
    costs = [considered.cost for _, considered in told.best]
    assert costs == sorted(costs)
    assert len({considered.value for _, considered in told.best}) == len(told.best) == 5
    assert told.best[0][0] == told.candidate
    assert told.best[0][1].value == pytest.approx(told.base)


def test_other_choices_stand_beside_it() -> None:
    """KRR's memory is the maximum and 15 %; what nobody asks for is left out."""
    told = explain(ContainerPast(usage([1.0] * 15), Resource.MEMORY, 0), RiskLevel.NORMAL, 1.0)
    asked = explain(
        ContainerPast(usage([1.0] * 15, requests=(2.0, GIBIBYTE)), Resource.CPU, 0), RiskLevel.NORMAL, 1.0
    )

    assert told
    assert asked
    assert list(told.others) == ["low", "normal", "high", "krr", "vpa", "autopilot"]
    assert told.others["krr"].value == pytest.approx(GIBIBYTE * 1.15)
    assert told.others["normal"].value == pytest.approx(told.chosen.value)
    assert told.at_most is None
    assert asked.others["requests"].value == 2
    assert asked.others["requests"].slack == pytest.approx(0.5, abs=0.03)


def test_today_counts_for_who_outgrew_the_days_before() -> None:
    """14 days of 1 core, and today 4 cores: the value rises with today's samples, and that is said."""
    told = explain(ContainerPast(usage([1.0] * 14 + [4.0]), Resource.CPU, 0), RiskLevel.NORMAL, 1.0)

    assert told
    assert told.today_counts
    assert told.chosen.value > 1.5


def test_today_counts_for_who_has_no_past() -> None:
    """One hour of today is all that there is."""
    told = explain(ContainerPast(usage([day((12, 1.0))]), Resource.CPU, 0), RiskLevel.NORMAL, 1 / 24)

    assert told
    assert (told.today_counts, len(told.days)) == (True, 1)
    assert told.little_history > 0.5


def test_today_counts_for_who_is_known_for_less_than_a_day() -> None:
    """Half of yesterday, and today the same: nothing was outgrown, but both halves are needed."""
    half = day((144, 1.0))

    told = explain(ContainerPast(usage([half, half]), Resource.CPU, 0), RiskLevel.NORMAL, 0.5)

    assert told
    assert (told.today_counts, len(told.days)) == (True, 2)


def test_who_was_not_seen_is_not_explained() -> None:
    """A container that ended more than a window ago."""
    assert (
        explain(ContainerPast(usage([1.0] + [np.nan] * 15), Resource.CPU, 0), RiskLevel.NORMAL, 1.0) is None
    )


def test_how_much_of_a_day_has_passed() -> None:
    """A day's first step ends after 5 minutes, its last one with the day."""
    assert elapsed_of(288 * 7 + 1) == pytest.approx(1 / 288)
    assert elapsed_of(288 * 8) == 1
