"""The cost of a CPU value on past days, in cores: cost(v) = v + (1 + price) * overuse(v).

overuse(v) is the mean of what was used above v. What is set aside and not used is v - use + overuse(v), so
the cost is this waste, plus *price* times the overuse, plus the mean use, which no value changes. The value
of least cost is a quantile: the smallest one that is exceeded for 1 / (1 + price) of the time or less. So
it is in proportion to the load, never falls when load is added, and is never below what is used for longer
than that.
"""

from collections.abc import Sequence

import numpy as np

from app.recommendation.array_types import Float32Array, Price
from app.recommendation.bands import BAND_SHARES

_ROUNDING = 1e-6


def least_cost_at_prices(bands: Float32Array, weights: Float32Array, prices: Sequence[Price]) -> Float32Array:
    """The value of least cost of every series at each of *prices*, [n, prices]; sorts the bands once.

    *bands* [n, days, bands] are the quantiles of the days' bands, *weights* [n, days] sum to 1.
    """
    series = np.arange(len(bands))
    values = bands.reshape(len(bands), bands.shape[1] * bands.shape[2])  # no -1: there may be no series
    shares = (weights[:, :, np.newaxis] * BAND_SHARES).reshape(values.shape)
    order = np.argsort(-values, axis=1, kind="stable")
    reached = np.take_along_axis(shares, order, axis=1).cumsum(axis=1, dtype=np.float64)
    # The first value, from above, that is not exceeded for longer even if one more band were above it.
    positions = np.stack([(reached < 1 / (1 + price) - _ROUNDING).sum(axis=1) for price in prices], axis=1)
    chosen = order[series[:, np.newaxis], np.minimum(positions, values.shape[1] - 1)]
    least: Float32Array = values[series[:, np.newaxis], chosen]
    return least


def overuse(values: Float32Array, bands: Float32Array, weights: Float32Array) -> Float32Array:
    """The mean use above each of *values* [n, m], in cores, [n, m]."""
    over = np.zeros_like(values)
    for day in range(bands.shape[1]):
        excess = np.maximum(bands[:, day, np.newaxis, :] - values[:, :, np.newaxis], 0)
        over += weights[:, day, np.newaxis] * (excess @ BAND_SHARES)
    return over


def time_above(values: Float32Array, bands: Float32Array, weights: Float32Array) -> Float32Array:
    """The share of time above each of *values* [n, m], [n, m]."""
    above = np.zeros_like(values)
    for day in range(bands.shape[1]):
        is_above = (bands[:, day, np.newaxis, :] > values[:, :, np.newaxis]).astype(np.float32)
        above += weights[:, day, np.newaxis] * (is_above @ BAND_SHARES)
    return above


def cpu_cost(values: Float32Array, bands: Float32Array, weights: Float32Array, price: Price) -> Float32Array:
    """The cost of each of *values* [n, m], in cores, [n, m]."""
    factor = np.asarray(1 + price, dtype=np.float32)
    cost: Float32Array = values + factor * overuse(values, bands, weights)
    return cost
