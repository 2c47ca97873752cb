"""The choice and its stabilization on given days; the costs are worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain.profiles import Resource, RiskLevel
from app.recommendation.array_types import Float32Array, Float64Array
from app.recommendation.candidates import candidate_values, little_history_raise
from app.recommendation.choice import choose, exceeded_today, risk_of, stabilize
from app.recommendation.cost import day_weights, price_values, time_above
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import LEVELS, Candidate, rules_at
from app.recommendation.stated_risk import conformal_scale, exceedance_bound, worst_past_day
from tests.recommendation.builders import sample_quantiles

CPU, MEMORY = (rules_at(RiskLevel.NORMAL)[resource] for resource in Resource)


def days_of(*samples: Float64Array, seen: float = 1.0) -> DaySummaries:
    """One series with these samples on its past days; today is blank."""
    quantiles = np.stack([*(sample_quantiles(day[np.newaxis])[0] for day in samples), np.zeros(len(LEVELS))])
    share = np.array([seen] * len(samples) + [0.0])
    return DaySummaries(quantiles[np.newaxis].astype(np.float32), share[np.newaxis].astype(np.float32))


def constant(value: float) -> Float64Array:
    return np.full(288, value)


def only(values: Float32Array | Float64Array) -> float:
    assert values.shape == (1,)
    return float(values[0])


def test_constant_cpu_needs_its_own_value() -> None:
    """14 equal days: no candidate has slack or time above; a history of 14 days raises it by 1 / 15^2."""
    choice = choose(days_of(*[constant(0.2)] * 14), CPU)

    assert only(choice.value) == pytest.approx(0.2 * (1 + 1 / 225), rel=1e-6)
    assert max(abs(only(choice.slack)), abs(only(choice.risk))) < 1e-6


@pytest.mark.parametrize("risk", RiskLevel)
def test_constant_memory_gets_the_margin_that_costs_least(risk: RiskLevel) -> None:
    """A constant maximum over 14 days has the width .7 * .2 / 15: a margin m is exceeded with a
    chance of .45 * m^(-1/.00933) + .05 * m^(-1/.5): .0661 at 1.03, .0454 at 1.06, .0413 at 1.1.

    With the slack 1 - 1/m and the prices 5.0, 2.1 and 1.5 the costs of 1.03, 1.06 and 1.1 are .360 .283 .298,
    .168 .152 .178 and .128 .125 .153. 14 days raise it by 3 / (1 + 14 / 0.6)^2 = 0.005067.
    """
    choice = choose(days_of(*[constant(1e9)] * 14), rules_at(risk)[Resource.MEMORY])

    assert only(choice.value) == pytest.approx(1e9 * 1.06 * 1.005067, rel=1e-5)


def test_a_rare_burst_is_left_out_and_a_long_one_is_not() -> None:
    """0.1 all day, 1.0 in 1 % or 20 % of it: staying at 0.1 costs 7.7 times 1 % or 20 %, 0.08 or 1.54.

    Going up to 1.0 costs 0.9 of slack while the P95 is 0.1. If the burst is longer than 5 %, it costs none;
    staying is then credited for being below the P95 with at most 1, which leaves a cost of 0.54.
    """
    rare, frequent = constant(0.1), constant(0.1)
    rare[:3], frequent[:58] = 1.0, 1.0

    assert only(choose(days_of(*[rare] * 14), CPU).value) < 0.15
    assert only(choose(days_of(*[frequent] * 14), CPU).value) > 0.95


def test_low_risk_takes_more_slack() -> None:
    """Days of noise: the value rises from high over normal to low."""
    chance = np.random.default_rng(3)
    days = days_of(*(chance.lognormal(-2, 0.5, 288) for _ in range(14)))
    values = [only(choose(days, rules_at(risk)[Resource.CPU]).value) for risk in reversed(RiskLevel)]

    assert values == sorted(values)
    assert values[0] < values[-1]


def test_candidates_are_ordered_by_margin_rank_and_level() -> None:
    """Days of 1 to 7 cores: the 3rd largest is 5. Memory: times 1.03; with two days the smaller counts."""
    days = days_of(*(constant(float(value)) for value in range(1, 8)))
    number = 2 * len(LEVELS) + 4
    assert CPU.candidate(number) == Candidate(rank=3, level=0.95, margin=1.0)
    assert candidate_values(days, CPU)[0, number] == pytest.approx(5)

    days = days_of(constant(2e9), constant(4e9))
    assert MEMORY.candidate(7) == Candidate(rank=3, level=1.0, margin=1.03)
    assert candidate_values(days, MEMORY)[0, 7] == pytest.approx(2e9 * 1.03)


def test_the_newest_days_and_the_same_weekday_weigh_most() -> None:
    """Weights 2^(-(age - 1) / 2): ages 7, 2 and 1 give 0.125, 0.7071 and 1.

    At the day's start the coming 24 hours are today's weekday, which age 7 shares: 0.4 * 2^(-7/14) = 0.2828
    more. Half a day later half of that is left, and what was tomorrow's weekday a week ago (age 6) is unseen.
    """
    share = np.zeros((1, 8), dtype=np.float32)
    share[0, [0, 5, 6]] = 1
    days = DaySummaries(np.zeros((1, 8, len(LEVELS)), dtype=np.float32), share)

    for elapsed, oldest in ((0.0, 0.125 + 0.28284), (0.5, 0.125 + 0.14142)):
        expected = np.array([oldest, 0.70711, 1.0])
        weights = day_weights(days, CPU, elapsed=elapsed)[0, [0, 5, 6]]
        np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-4)


def test_time_above_is_linear_between_quantiles() -> None:
    """A day that rises evenly from 0 to 1: half is above a half, a hundredth above 0.99, nothing above 1."""
    quantiles = np.array(LEVELS, dtype=np.float32)[np.newaxis]
    values = np.array([[0.0, 0.5, 0.99, 1.0, 2.0]], dtype=np.float32)

    np.testing.assert_allclose(time_above(values, quantiles)[0], [1, 0.5, 0.01, 0, 0], atol=1e-6)


@pytest.mark.parametrize(("published", "stays"), [(0.2, True), (0.203, True), (0.21, False), (0.19, False)])
def test_a_value_changes_only_if_that_saves_a_fiftieth(published: float, *, stays: bool) -> None:
    """Constant 0.2, chosen 0.2009 with a slack of 0.0044. Keeping 0.203 costs 0.0148, which is 0.0103 more.

    0.21 costs 0.0476, which is 0.043 more; 0.19 is exceeded all the time: 7.7.
    """
    days = days_of(*[constant(0.2)] * 14)
    choice = choose(days, CPU)

    settled = only(stabilize(np.array([published]), choice, days, CPU, elapsed=0.0))

    assert settled == pytest.approx(published if stays else only(choice.value), rel=1e-6)


def test_without_a_published_value_the_choice_is_taken() -> None:
    """A published value of NaN means none."""
    days = days_of(constant(0.2))
    choice = choose(days, CPU)

    assert only(stabilize(np.array([np.nan]), choice, days, CPU, elapsed=0.0)) == pytest.approx(0.25)


@pytest.mark.parametrize(("busy", "expected"), [(2, False), (4, True)])
def test_cpu_is_outgrown_once_today_has_spent_its_risk(busy: int, *, expected: bool) -> None:
    """Half of the day was seen, *busy* of its 144 steps above: of a day's 288, 2 are 0.7 %, 4 are 1.4 %.

    The allowed share is twice the accepted risk, which is none here, and at least 1 %.
    """
    samples = np.array([0.1] * (144 - busy) + [1.0] * busy)
    quantiles, share = sample_quantiles(samples[np.newaxis]), np.array([0.5], dtype=np.float32)
    none = np.zeros(1, dtype=np.float32)

    is_exceeded = exceeded_today(np.array([0.11]), none, quantiles, share, CPU)

    assert is_exceeded.tolist() == [expected]


@pytest.mark.parametrize(("maximum", "expected"), [(1e9, False), (1.01e9, True)])
def test_memory_is_outgrown_by_one_sample(maximum: float, *, expected: bool) -> None:
    """Memory has no allowed time above: one sample above the value is enough."""
    quantiles = sample_quantiles(np.array([[5e8, maximum]]))
    nothing, share = np.zeros(1, dtype=np.float32), np.array([0.01], dtype=np.float32)

    assert exceeded_today(np.array([1e9]), nothing, quantiles, share, MEMORY).tolist() == [expected]


def test_little_history_raises_less_with_each_day() -> None:
    """CPU 1 / (1 + t)^2 after 1, 3 and 14 days: 1/4, 1/16, 1/225."""
    for count, raised in ((1, 1 / 4), (3, 1 / 16), (14, 1 / 225)):
        assert only(little_history_raise(days_of(*[constant(1.0)] * count), CPU)) == pytest.approx(
            raised, rel=1e-6
        )


def test_the_bound_depends_on_the_worst_day_seen() -> None:
    """Three days, one of them a tenth above: 0.85 * (0.1 + 0.01) * (1 + 1/3) = 0.1247."""
    burst = constant(0.1)
    burst[:29] = 1.0
    days = days_of(constant(0.1), burst, constant(0.1))
    worst = worst_past_day(np.array([0.5]), days)

    assert only(worst) == pytest.approx(0.1, abs=0.03)
    bound = exceedance_bound(np.array([0.1], dtype=np.float32), days.time_seen_days, 0.85)
    assert only(bound) == pytest.approx(0.1247, abs=1e-4)


def test_the_scale_follows_past_outcomes() -> None:
    """Without outcomes it is the default, .85, which has the weight of 200 outcomes.

    1,800 outcomes, each as large as predicted, make it (1 * 1800 + .85 * 200) / 2000 = .985.
    """
    nothing = np.empty(0, dtype=np.float32)
    assert conformal_scale(nothing, nothing) == 0.85
    outcomes = np.full(1800, 0.02, dtype=np.float32)
    assert conformal_scale(outcomes, outcomes) == pytest.approx(0.985)


def test_a_value_is_priced_by_slack_and_risk() -> None:
    """A day spread evenly from 0 to 1, P95 .95: at .99 the slack is .0404 and the time above .01."""
    quantiles = np.array(LEVELS, dtype=np.float32)[np.newaxis, np.newaxis].repeat(2, axis=1)
    days = DaySummaries(quantiles, np.array([[1.0, 0.0]], dtype=np.float32))
    prices = price_values(np.array([[0.99]], dtype=np.float32), days, CPU, elapsed=0.0)

    assert float(prices.slack[0, 0]) == pytest.approx(1 - 0.95 / 0.99, abs=1e-6)
    assert only(risk_of(np.array([0.99]), days, CPU)) == pytest.approx(0.01, abs=1e-6)
    assert float(prices.cost(CPU)[0, 0]) == pytest.approx(0.0404 + 0.077, abs=1e-4)
    assert float(prices.cost(replace(CPU, price=1.0))[0, 0]) == pytest.approx(0.0504, abs=1e-4)
