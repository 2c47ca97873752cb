"""The CPU value of least cost: a weighted quantile of the past days' bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recommendation.array_types import Float32Array
from app.recommendation.bands import BAND_LEVELS, BAND_SHARES
from app.recommendation.cpu_cost import cpu_cost, least_cost_at_prices, overuse, time_above
from app.recommendation.recency import recency_weights

PRICE = 34.0  # exceeded for 1 / 35 = 2.9 % of the time or less
histories = st.integers(0, 2**32 - 1)
prices = st.floats(4, 200)


def history(seed: int, series: int = 5, days: int = 12) -> tuple[Float32Array, Float32Array]:
    """Random days' bands, some days not seen, and their weights."""
    chance = np.random.default_rng(seed)
    scale = chance.lognormal(0, 1, (series, days, 1))
    bands = np.sort(scale * chance.lognormal(0, 1, (series, days, len(BAND_SHARES))), axis=2)
    share = np.where(chance.random((series, days)) < 0.2, 0, chance.random((series, days)))
    share[:, -2] = 1
    return bands.astype(np.float32), recency_weights(share.astype(np.float32))


def bursting_day(share: float) -> Float32Array:
    """10 millicores, and 1 core for the last bands that are *share* of the day together."""
    return np.where(np.array(BAND_LEVELS) > 1 - share, 1.0, 0.01).astype(np.float32)


def test_bands_are_a_whole_day() -> None:
    """The shares sum to 1; P50 and P95 are middles of bands."""
    assert BAND_SHARES.sum() == pytest.approx(1)
    assert {0.5, 0.95} <= set(BAND_LEVELS)


@pytest.mark.parametrize(
    ("share", "days", "value"),
    [
        pytest.param(0.12, 10, 1.0, id="three-hours-of-each-day"),
        pytest.param(0.03, 10, 1.0, id="43-minutes-of-each-day"),
        pytest.param(0.02, 10, 0.01, id="29-minutes-of-each-day"),
        pytest.param(0.12, 2, 1.0, id="three-hours-on-the-last-two-of-ten-days"),
    ],
)
def test_bursts_longer_than_the_price_allows_are_covered(share: float, days: int, value: float) -> None:
    """A burst counts if it is longer than 2.9 % of the time, 41 minutes a day.

    Of ten days the last two weigh 0.51: 12 % of them are 6.1 % of the time.
    """
    idle, busy = bursting_day(0), bursting_day(share)
    bands = np.stack([idle] * (10 - days) + [busy] * days + [idle * 0])[np.newaxis]
    seen = np.array([[1.0] * 10 + [0]], dtype=np.float32)

    assert least_cost_at_prices(bands, recency_weights(seen), [PRICE])[0] == pytest.approx(value)


@settings(max_examples=60)
@given(seed=histories, price=prices)
def test_no_value_costs_less(seed: int, price: float) -> None:
    """The cost is linear between bands, so the least one is at a band: all of them are tried."""
    bands, weights = history(seed)
    chosen = least_cost_at_prices(bands, weights, [price])

    all_bands = cpu_cost(bands.reshape(len(bands), -1), bands, weights, price)
    own = cpu_cost(chosen, bands, weights, price)[:, 0]
    assert (own <= all_bands.min(axis=1) * (1 + 1e-4)).all()


@settings(max_examples=60)
@given(seed=histories, price=prices)
def test_the_time_above_is_what_the_price_allows(seed: int, price: float) -> None:
    """At most 1 / (1 + price) of the past time is above the value."""
    bands, weights = history(seed)
    chosen = least_cost_at_prices(bands, weights, [price])

    assert (time_above(chosen, bands, weights) <= 1 / (1 + price) + 1e-5).all()


@settings(max_examples=60)
@given(seed=histories, price=prices, factor=st.floats(1e-3, 1e3))
def test_scaled_usage_scales_the_value(seed: int, price: float, factor: float) -> None:
    """By the same factor, without near ties: a quantile of scaled numbers is the scaled quantile."""
    bands, weights = history(seed)
    scaled = (bands * np.float64(factor)).astype(np.float32)

    before, after = (least_cost_at_prices(days, weights, [price]) for days in (bands, scaled))

    np.testing.assert_allclose(after, before * factor, rtol=1e-5)


@settings(max_examples=60)
@given(seed=histories, price=prices)
def test_added_load_never_lowers_the_value(seed: int, price: float) -> None:
    """Any bands of any days are raised, at constant order within a day."""
    bands, weights = history(seed)
    chance = np.random.default_rng(seed + 1)
    more = np.where(chance.random(bands.shape) < 0.3, bands * chance.uniform(1, 20, bands.shape), bands)
    more = np.maximum.accumulate(more, axis=2).astype(np.float32)

    before, after = (least_cost_at_prices(days, weights, [price]) for days in (bands, more))

    assert (after >= before).all()


@settings(max_examples=30)
@given(seed=histories)
def test_a_higher_price_never_gives_a_smaller_value(seed: int) -> None:
    """Prices from 8 to 150 in ascending order."""
    bands, weights = history(seed)
    values = least_cost_at_prices(bands, weights, np.geomspace(8, 150, 10).tolist())

    assert (np.diff(values, axis=1) >= 0).all()


def test_overuse_is_the_mean_of_what_is_above() -> None:
    """One day with 1 core for 12 % of it: 0.4 cores are 0.6 too few for 12 % of the time, 0.072 cores."""
    bands = bursting_day(0.12)[np.newaxis, np.newaxis]
    weights = np.ones((1, 1), dtype=np.float32)

    values = np.array([[0.4, 1.0]], dtype=np.float32)

    assert overuse(values, bands, weights)[0].tolist() == pytest.approx([0.072, 0])
    assert cpu_cost(values, bands, weights, PRICE)[0].tolist() == pytest.approx([0.4 + 35 * 0.072, 1.0])


def test_weights_are_one_over_the_age() -> None:
    """Of days aged 2 and 1 the first weighs half of the second; a blank today weighs nothing."""
    weights = recency_weights(np.array([[1, 1, 0], [0.5, 1, 0], [0, 0, 0.1]], dtype=np.float32))

    assert weights[0].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert weights[1].tolist() == pytest.approx([1 / 5, 4 / 5, 0])
    assert weights[2].tolist() == [0, 0, 1]
