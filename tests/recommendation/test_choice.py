"""The choice and its stabilization on given days; the costs are worked out by hand."""

import numpy as np
import pytest

from app.domain.profiles import Resource, RiskLevel
from app.recommendation.array_types import Float32Array, Float64Array
from app.recommendation.bands import LEVELS
from app.recommendation.choice import choose, choose_at, exceeded_today, least_cost, stabilize
from app.recommendation.cost import costs_of, risk_of
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import ResourceRule, rules_at
from app.recommendation.short_past import short_past_raise
from app.recommendation.stated_risk import (
    conformal_scale,
    exceedance_bound,
    expected_exceedance,
    worst_past_day,
)
from tests.recommendation.builders import sample_quantiles

CPU, MEMORY = (rules_at(RiskLevel.NORMAL)[resource] for resource in Resource)
WHOLE_DAY = np.ones(1, dtype=np.float32)


def days_of(*samples: Float64Array, seen: float = 1.0) -> DaySummaries:
    """One series with these samples on its past days; today is blank."""
    quantiles = np.stack([*(sample_quantiles(day[np.newaxis])[0] for day in samples), np.zeros(len(LEVELS))])
    share = np.array([seen] * len(samples) + [0.0])
    return DaySummaries(quantiles[np.newaxis].astype(np.float32), share[np.newaxis].astype(np.float32))


def constant(value: float) -> Float64Array:
    return np.full(288, value)


def bursting(share: float, *, base: float = 0.1, height: float = 1.0) -> Float64Array:
    """*base*, and *height* for the last *share* of the day."""
    samples = constant(base)
    samples[288 - round(288 * share) :] = height
    return samples


def only(values: Float32Array | Float64Array) -> float:
    assert values.shape == (1,)
    return float(values[0])


def test_constant_cpu_needs_its_own_value() -> None:
    """14 equal days: the value is what is used, raised by .5 / 15^3 for a past of 14 days."""
    days = days_of(*[constant(0.2)] * 14)

    assert only(choose(days, CPU)) == pytest.approx(0.2 * (1 + 0.5 / 3375), rel=1e-6)
    assert only(risk_of(np.array([0.2]), days, CPU)) == 0


@pytest.mark.parametrize(
    ("risk", "margin"), [(RiskLevel.LOW, 0.08), (RiskLevel.NORMAL, 0.06), (RiskLevel.HIGH, 0.04)]
)
def test_constant_memory_gets_the_margin_that_costs_least(risk: RiskLevel, margin: float) -> None:
    """A constant maximum over 14 days has the width .1 / 14 = .00714 in logarithms.

    A value of e^x times it costs e^x + p * (y^(-3/2) / 2 + .00357 * y^(-1/2)), with y = 1 + 2 x / .00714, and
    is raised by nothing, since the day is steady. Of values 2 % apart that costs least at x = .04 for 3
    (1.0791, beside 1.1128 at .02 and 1.0843 at .06), .06 for 6 (1.1069, 1.1173 and 1.1142), and .08 for 14.
    """
    value = only(choose(days_of(*[constant(1e9)] * 14), rules_at(risk)[Resource.MEMORY]))

    assert value / 1e9 == pytest.approx(np.exp(margin), rel=1e-5)


@pytest.mark.parametrize(("share", "value"), [(0.01, 0.1), (0.12, 1.0), (0.3, 1.0)])
def test_what_is_used_for_hours_of_each_day_is_covered(share: float, value: float) -> None:
    """Usage of ten times the rest: 14 minutes of a day may be above the value, 2.9 hours may not.

    At most 1 / (1 + 34) of the time, 41 minutes a day, is above a value.
    """
    assert only(choose(days_of(*[bursting(share)] * 14), CPU)) == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize("resource", Resource)
def test_low_risk_takes_larger_values(resource: Resource) -> None:
    """Days of noise: the value rises from high over normal to low."""
    chance, scale = np.random.default_rng(3), 1.0 if resource is Resource.CPU else 1e10
    days = days_of(*(scale * chance.lognormal(-2, 0.5, 288) for _ in range(14)))
    values = [only(choose(days, rules_at(risk)[resource])) for risk in reversed(RiskLevel)]

    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.parametrize("resource", Resource)
def test_choices_at_several_prices_are_those_at_each(resource: Resource) -> None:
    """Sorting the days (CPU), or pricing the coarse values (memory), once for all prices changes nothing."""
    chance, scale = np.random.default_rng(3), 1.0 if resource is Resource.CPU else 1e10
    means = np.linspace(-2.5, -1.5, 14)
    rising, falling = (
        days_of(*(scale * chance.lognormal(mean, 0.5, 288) for mean in order))
        for order in (means, means[::-1])
    )
    both = DaySummaries(
        np.concatenate((rising.quantiles, falling.quantiles)), np.concatenate((rising.share, falling.share))
    )
    rules = [rules_at(risk)[resource] for risk in RiskLevel]

    together = choose_at(both, rules[0], [rule.price for rule in rules])

    assert together.tolist() == [[only(choose(days, rule)) for rule in rules] for days in (rising, falling)]


@pytest.mark.parametrize(("published", "stays"), [(0.2, True), (0.207, True), (0.21, False), (0.1995, False)])
def test_a_value_changes_only_if_that_saves_four_percent(published: float, *, stays: bool) -> None:
    """Constant 0.2, chosen 0.20003 at a cost of as much. Keeping 0.207 costs 3.5 % more, 0.21 5 %.

    0.1995 costs 35 * .0005 more than itself, .217, which is 8.5 % more.
    """
    days = days_of(*[constant(0.2)] * 14)
    chosen = choose(days, CPU)

    settled = only(stabilize(np.array([published]), chosen, days, CPU))

    assert settled == pytest.approx(published if stays else only(chosen), rel=1e-6)


def test_without_a_published_value_the_choice_is_taken() -> None:
    """A published value of NaN means none; one day raises the choice by .5 / 8."""
    days = days_of(constant(0.2))

    assert only(stabilize(np.array([np.nan]), choose(days, CPU), days, CPU)) == pytest.approx(0.2125)


@pytest.mark.parametrize(("busy", "expected"), [(0.005, False), (0.04, True)])
def test_cpu_is_outgrown_once_overuse_has_cost_two_days_of_the_value(busy: float, *, expected: bool) -> None:
    """A value of .5 and a day of .1 with bursts of 10 cores, 9.5 too many: 35 * 9.5 * the burst's share.

    Two days of the value cost 1, which is reached at a share of .30 %; bands stand for a part of a day: .3 %
    at the end of it.
    """
    quantiles = sample_quantiles(bursting(busy, height=10.0)[np.newaxis])

    is_exceeded = exceeded_today(np.array([0.5]), quantiles, WHOLE_DAY, CPU)

    assert is_exceeded.tolist() == [expected]


@pytest.mark.parametrize(("maximum", "expected"), [(1e9, False), (1.01e9, True)])
def test_memory_is_outgrown_by_one_sample(maximum: float, *, expected: bool) -> None:
    """Memory has no allowed time above: one sample above the value is enough."""
    quantiles = sample_quantiles(np.array([[5e8, maximum]]))

    is_exceeded = exceeded_today(np.array([1e9]), quantiles, WHOLE_DAY * np.float32(0.01), MEMORY)

    assert is_exceeded.tolist() == [expected]


def test_a_short_past_raises_less_with_each_day() -> None:
    """CPU .5 / (1 + t)^3 after 1, 3 and 14 days: 1/16, 1/128, 1/6750."""
    for count, raised in ((1, 1 / 16), (3, 1 / 128), (14, 1 / 6750)):
        days = days_of(*[constant(1.0)] * count)
        assert only(short_past_raise(days, CPU)) == pytest.approx(raised, rel=1e-6)


@pytest.mark.parametrize(("ratio", "share"), [(1.0, 0.0), (1.1, 0.1906), (1.65, 1.0), (5.0, 1.0)])
def test_what_is_steady_is_raised_less(ratio: float, share: float) -> None:
    """Memory after 6 hours: 3 / 1.25^3 = 1.536 times 2 ln(maximum / median)."""
    days = days_of(bursting(0.05, base=1e9, height=ratio * 1e9), seen=0.25)

    assert only(short_past_raise(days, MEMORY)) == pytest.approx(1.536 * share, abs=1e-3)


def test_the_bound_depends_on_the_worst_day_seen() -> None:
    """Three days, one of them a tenth above: 0.9 * (0.1 + 0.01) * (1 + 1/3) = 0.132."""
    days = days_of(constant(0.1), bursting(0.1), constant(0.1))
    worst = worst_past_day(np.array([0.5]), days)

    assert only(worst) == pytest.approx(0.1, abs=0.03)
    bound = exceedance_bound(np.array([0.1], dtype=np.float32), days.time_seen_days, 0.9)
    assert only(bound) == pytest.approx(0.132, abs=1e-4)


def test_the_scale_follows_past_outcomes() -> None:
    """Without outcomes it is the default, .9, which has the weight of 200 outcomes.

    1,800 outcomes, each as large as predicted, make it (1 * 1800 + .9 * 200) / 2000 = .99.
    """
    nothing = np.empty(0, dtype=np.float32)
    assert conformal_scale(nothing, nothing) == 0.9
    outcomes = np.full(1800, 0.02, dtype=np.float32)
    assert conformal_scale(outcomes, outcomes) == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("rule", "stated"),
    [(CPU, 1.3 * 0.02 + 0.03 / 4 + 0.02 / 4**4), (MEMORY, 0.02 * (0.2 + 9 / 4) + 0.2 / 4**4)],
)
def test_a_shorter_past_is_stated_less_optimistically(rule: ResourceRule, stated: float) -> None:
    """A risk of 2 % on three past days."""
    risk, seen = np.array([0.02], dtype=np.float32), np.array([3.0], dtype=np.float32)

    assert only(expected_exceedance(risk, seen, rule)) == pytest.approx(stated)


def test_a_value_is_priced_by_overuse_in_cores() -> None:
    """A day with 1 core for 12 % of it: at .4 cores .6 are missing for 12 % of the time, 35 * .072 cores."""
    days = days_of(bursting(0.12))
    cost = costs_of(np.array([[0.4, 1.0]], dtype=np.float32), days, CPU)

    assert only(risk_of(np.array([0.4]), days, CPU)) == pytest.approx(0.12, abs=1e-6)
    assert cost[0].tolist() == pytest.approx([0.4 + 35 * 0.072, 1.0], rel=1e-5)


def test_costs_of_memory_are_in_bytes() -> None:
    """Twice the usage costs twice as much, so that containers can be added up."""
    small, large = days_of(*[constant(1e8)] * 3), days_of(*[constant(2e8)] * 3)
    costs = [
        float(costs_of(np.array([[value]], dtype=np.float32), days, MEMORY)[0, 0])
        for value, days in ((1.2e8, small), (2.4e8, large))
    ]

    assert costs[1] == pytest.approx(2 * costs[0], rel=1e-5)


def test_days_without_samples_are_ignored() -> None:
    """Whatever quantiles they have: the value is the floor."""
    days = DaySummaries(
        np.full((1, 3, len(LEVELS)), 7e9, dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    )

    assert only(least_cost(days, CPU)) == CPU.floor
    assert only(least_cost(days, MEMORY)) == MEMORY.floor
