"""Explanations of values: days, weights, cost and other policies."""

import numpy as np
import pytest

from app.backtest.explanation import ContainerUsage, explain
from app.domain.profiles import Resource, RiskLevel
from tests.backtest.pasts import FIRST_DAY, GIBIBYTE, day, usage


def test_the_days_add_up() -> None:
    """With 29 days and today, the 28 days before today count; the weights sum to 1, the newest is largest.

    The samples are 288 * 28 of whole days and 144 of today.
    """
    past = usage([1.0] * 29 + [day((144, 1.0))])

    explanation = explain(ContainerUsage(past, Resource.CPU, 0), RiskLevel.NORMAL)

    assert explanation
    assert [day.day for day in explanation.days] == list(range(FIRST_DAY + 1, FIRST_DAY + 29))
    assert sum(day.weight for day in explanation.days) == pytest.approx(1)
    assert max(explanation.days, key=lambda day: day.weight) is explanation.days[-1]
    assert (explanation.samples, explanation.replicas, explanation.today_counts) == (288 * 28 + 144, 1, False)
    assert explanation.days[0].quantiles == pytest.approx((1, 1, 1, 1), rel=0.05)


def test_the_value_is_that_of_least_cost_with_the_raise_for_a_short_past() -> None:
    """14 days of 1 core: the least cost is at 1 core; it is raised by .5 / (1 + 14)^3 = 0.015 %."""
    explanation = explain(ContainerUsage(usage([1.0] * 14 + [np.nan]), Resource.CPU, 0), RiskLevel.NORMAL)

    assert explanation
    assert explanation.short_past == pytest.approx(0.5 / 3375)
    assert explanation.base.value == pytest.approx(1, rel=0.05)
    assert explanation.chosen.value == pytest.approx(explanation.base.value * (1 + 0.5 / 3375))
    assert explanation.at_most is not None
    assert 0 <= explanation.expected <= 1


@pytest.mark.parametrize("resource", Resource)
def test_no_other_policy_costs_less(resource: Resource) -> None:
    """On the days that the value is chosen from, its cost before the raise is the least."""
    random = np.random.default_rng(5)
    past = usage([day((276, 1.0), (12, float(height))) for height in random.uniform(1, 4, 15)])

    explanation = explain(ContainerUsage(past, resource, 0), RiskLevel.LOW)

    assert explanation
    assert explanation.base.cost <= min(other.cost for other in explanation.others.values()) * 1.001


def test_values_of_other_policies_are_listed() -> None:
    """KRR's memory value is the maximum plus 15 %; without requests there is no such policy."""
    explanation = explain(ContainerUsage(usage([1.0] * 15), Resource.MEMORY, 0), RiskLevel.NORMAL)
    with_requests = explain(
        ContainerUsage(usage([1.0] * 15, requests=(2.0, GIBIBYTE)), Resource.CPU, 0), RiskLevel.NORMAL
    )

    assert explanation
    assert with_requests
    assert list(explanation.others) == ["low", "normal", "high", "krr", "vpa", "autopilot"]
    assert explanation.others["krr"].value == pytest.approx(GIBIBYTE * 1.15)
    assert explanation.others["normal"].value == pytest.approx(explanation.chosen.value)
    assert explanation.at_most is None
    assert with_requests.others["requests"].value == 2
    assert with_requests.others["requests"].cost == pytest.approx(2)


def test_today_counts_if_it_exceeds_the_days_before() -> None:
    """After 14 days of 1 core, 4 cores today raise the value, and `today_counts` is True."""
    explanation = explain(ContainerUsage(usage([1.0] * 14 + [4.0]), Resource.CPU, 0), RiskLevel.NORMAL)

    assert explanation
    assert explanation.today_counts
    assert explanation.chosen.value > 1.5


def test_today_counts_without_earlier_days() -> None:
    """A container with only one hour of usage, today, is explained by it."""
    explanation = explain(ContainerUsage(usage([day((12, 1.0))]), Resource.CPU, 0), RiskLevel.NORMAL)

    assert explanation
    assert (explanation.today_counts, len(explanation.days)) == (True, 1)
    assert explanation.short_past > 0.4


def test_today_counts_with_less_than_a_day_of_history() -> None:
    """With half a day of equal usage yesterday and today, both days count although today exceeds nothing."""
    half = day((144, 1.0))

    explanation = explain(ContainerUsage(usage([half, half]), Resource.CPU, 0), RiskLevel.NORMAL)

    assert explanation
    assert (explanation.today_counts, len(explanation.days)) == (True, 2)


def test_a_container_without_samples_is_not_explained() -> None:
    """A container that terminated before the window has no explanation."""
    assert explain(ContainerUsage(usage([1.0] + [np.nan] * 29), Resource.CPU, 0), RiskLevel.NORMAL) is None
