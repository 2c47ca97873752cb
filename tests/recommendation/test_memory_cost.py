"""The memory value of least cost, on the maxima of past days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.recommendation.array_types import Float32Array
from app.recommendation.memory_cost import (
    MaximumSpread,
    PastMaxima,
    least_cost_at_prices,
    maximum_width,
    memory_cost,
    risk,
)
from app.recommendation.recency import recency_weights

PRICE = 6.0
SPREAD = MaximumSpread()
GIBIBYTE = 2.0**30
histories = st.integers(0, 2**32 - 1)


def past(maxima: NDArray[np.float64], share: NDArray[np.float64] | None = None) -> PastMaxima:
    """Days' maxima [n, days] that were seen whole, or to *share*; today is blank."""
    share = np.ones(maxima.shape) if share is None else share
    blank = np.zeros((len(maxima), 1))
    days = np.concatenate((maxima * (share > 0), blank), axis=1).astype(np.float32)
    seen = np.concatenate((share, blank), axis=1).astype(np.float32)
    return PastMaxima(days, recency_weights(seen), maximum_width(days, seen, SPREAD))


def days(seed: int, series: int = 5, count: int = 20, spread: float = 0.4) -> NDArray[np.float64]:
    chance = np.random.default_rng(seed)
    return 3e8 * chance.lognormal(0, 1, (series, 1)) * chance.lognormal(0, spread, (series, count))


def least(maxima: PastMaxima) -> Float32Array:
    """The value of least cost of each series at the usual price."""
    values: Float32Array = least_cost_at_prices(maxima, [PRICE])[:, 0]
    return values


def test_the_width_is_the_mean_step_between_days_and_one_step_more() -> None:
    """Steps of ln 1.02 = .0198 between five days, and one of .1: (4 * .0198 + .1) / 5 = .0358.

    Steps to and from days that were not seen do not count: (1 * .0198 + .1) / 2 = .06. Large ones end at .15.
    """
    rising = 1e8 * 1.02 ** np.arange(5.0)[np.newaxis]
    gap = np.array([[1, 1, 0, 1, 0.0]])

    assert past(rising).width[0] == pytest.approx(0.0358, abs=1e-4)
    assert past(rising, gap).width[0] == pytest.approx(0.06, abs=1e-3)
    assert past(np.array([[1e8, 9e8, 1e8]])).width[0] == pytest.approx(0.15)


def test_half_of_the_days_like_one_day_are_above_its_maximum() -> None:
    """The distribution is symmetric: a chance of .5 at the maximum of the only day, less above."""
    one = past(np.array([[1e9]]))
    chances = risk(np.array([[0.5e9, 1e9, 1.1e9, 2e9, 1e12]], dtype=np.float32), one)[0]

    assert chances[1] == pytest.approx(0.5)
    assert (np.diff(chances) < 0).all()
    assert chances[-1] < 1e-3


def test_the_mean_excess_is_the_integral_of_the_risk() -> None:
    """Beyond v, the chances of all larger values sum to the mean of ln(maximum / v) where it is positive."""
    one = past(np.array([[1e9]]))
    for value in (0.7e9, 1e9, 1.3e9):
        beyond = np.linspace(0, 40, 400_001)
        chances = risk((value * np.exp(beyond)).astype(np.float32)[np.newaxis], one)[0].astype(np.float64)
        rest = float(chances[-1]) * 2 * 40  # beyond, chances fall with the power 3/2
        integral = float(np.trapezoid(chances, beyond)) + rest
        values = np.array([[value]], dtype=np.float32)
        danger = float(memory_cost(values, one, 1.0)[0, 0]) - value / 1e9
        assert danger == pytest.approx(integral + float(risk(values, one)[0, 0]), rel=2e-3)


def test_steady_memory_has_a_small_margin_and_unsteady_memory_a_large_one() -> None:
    """Fourteen equal days, and fourteen that double and halve in turn; of their maximum."""
    steady = least(past(np.full((1, 14), 1e9)))[0] / 1e9
    unsteady = past(np.array([[1e9, 2e9] * 7]))

    assert 1.02 <= steady <= 1.12
    assert 1.2 <= least(unsteady)[0] / 2e9 <= 1.5


def test_one_old_large_maximum_does_not_hold_the_value_for_a_month() -> None:
    """Three GiB once, 28 days ago, and half a GiB since: that day weighs 0.9 %, and the value is below it."""
    maxima = np.full((1, 28), 0.5 * GIBIBYTE)
    maxima[0, 0] = 3 * GIBIBYTE

    assert least(past(maxima))[0] < 1.5 * GIBIBYTE


def test_a_maximum_of_the_last_days_is_covered() -> None:
    """The same three GiB yesterday (25 % of the weight) or the day before it (13 %)."""
    for age in (1, 2):
        maxima = np.full((1, 28), 0.5 * GIBIBYTE)
        maxima[0, -age] = 3 * GIBIBYTE
        assert least(past(maxima))[0] > 2.9 * GIBIBYTE


@settings(max_examples=40)
@given(seed=histories, price=st.floats(1.5, 20))
def test_no_value_costs_two_hundredths_less(seed: int, price: float) -> None:
    """All values from e^-2.5 to e^1 of the recent maximum, .5 % apart."""
    maxima = past(days(seed))
    chosen = least_cost_at_prices(maxima, [price])
    every = maxima.recent[:, np.newaxis] * np.exp(np.arange(-2.5, 1, 0.005)).astype(np.float32)

    lowest = memory_cost(every, maxima, price).min(axis=1)
    assert (memory_cost(chosen, maxima, price)[:, 0] <= lowest * 1.02).all()


@settings(max_examples=40)
@given(seed=histories, exponent=st.floats(-5, 5))
def test_scaled_maxima_scale_the_value_or_are_a_near_tie(seed: int, exponent: float) -> None:
    """Values are multiples of the recent maximum, and costs depend on ratios alone."""
    factor, maxima = np.exp(exponent), days(seed)
    before, after = past(maxima), past(maxima * factor)
    low, high = least(before), least(after)

    far = np.abs(high / low / factor - 1) > 1e-4
    scaled_back = (high / factor).astype(np.float32)[:, np.newaxis]
    added = memory_cost(scaled_back, before, PRICE) - memory_cost(low[:, np.newaxis], before, PRICE)
    assert (np.abs(added[:, 0])[far] < 1e-4).all()


@settings(max_examples=40)
@given(seed=histories, factor=st.floats(1, 4))
def test_a_larger_largest_maximum_never_lowers_the_cost_of_too_little(seed: int, factor: float) -> None:
    """Risk at any fixed value never falls when a day's maximum is raised and the width stays."""
    maxima = days(seed)
    more = maxima.copy()
    more[:, -3] *= factor
    before, after = past(maxima), past(more)
    same_width = PastMaxima(after.maxima, after.weights, before.width)
    values = (before.recent[:, np.newaxis] * np.linspace(0.2, 2, 30)).astype(np.float32)

    assert (risk(values, same_width) >= risk(values, before) - 1e-6).all()


def test_permuted_series_have_permuted_values() -> None:
    """Each series is by itself."""
    maxima, order = days(3), np.array([3, 0, 4, 1, 2])

    before = least(past(maxima))

    np.testing.assert_array_equal(least(past(maxima[order])), before[order])


def test_a_higher_price_never_gives_a_smaller_value() -> None:
    """Prices from 1.5 to 20."""
    values = least_cost_at_prices(past(days(7)), np.geomspace(1.5, 20, 8).tolist())

    assert (np.diff(values, axis=1) >= -1e-3 * values[:, :1]).all()
