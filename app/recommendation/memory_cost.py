"""The cost of a memory value on the maxima of past days: v / recent maximum + price * (risk + mean excess).

Memory cannot be shared for a moment, so what counts is a day's maximum. Tomorrow's is taken to be that of a
past day, times a factor: its logarithm has a Laplace distribution of the width by which the series' maxima
step from day to day, and for a share of the days a wide one. Risk is the chance of a maximum above the
value, mean excess how far above it is (in logarithms). The recent maximum is the largest of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.recommendation.array_types import Float32Array

_LEAST_BYTES = 1.0
# Values are e^-2 to e^0.8 times the recent maximum: first 8 % apart, then 2 % apart around the best of these.
_COARSE = np.exp(np.arange(-2.0, 0.801, 0.08)).astype(np.float32)
_FINE = np.exp(np.arange(-0.06, 0.0601, 0.02)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class MaximumSpread:
    """The distribution of a day's maximum around that of a past day, in logarithms."""

    max_width: float = 0.07
    prior_step: float = 0.1  # counts as one step from a day to the next
    tail_share: float = 0.15
    tail_width: float = 0.5


@dataclass(frozen=True, slots=True)
class PastMaxima:
    """The days' maxima [n, days], their weights [n, days], and the width of their distribution [n]."""

    maxima: Float32Array
    weights: Float32Array
    width: Float32Array
    spread: MaximumSpread

    @property
    def recent(self) -> Float32Array:
        """The largest maximum of the window, [n]."""
        recent: Float32Array = np.maximum(self.maxima.max(axis=1), np.float32(_LEAST_BYTES))
        return recent


def maximum_width(maxima: Float32Array, share: Float32Array, spread: MaximumSpread) -> Float32Array:
    """The mean step of the maxima from one sampled day to the next, in logarithms, at most `max_width`, [n].

    Days that were not sampled are skipped, with the steps to and from them.
    """
    logs = np.log(np.maximum(maxima, _LEAST_BYTES))
    both = (share[:, 1:] > 0) & (share[:, :-1] > 0)
    steps = np.where(both, np.abs(np.diff(logs, axis=1)), 0)
    mean = (steps.sum(axis=1) + spread.prior_step) / (both.sum(axis=1) + 1)
    width: Float32Array = np.minimum(mean, spread.max_width).astype(np.float32)
    return width


def memory_cost(values: Float32Array, past: PastMaxima, price: float) -> Float32Array:
    """The cost of each of *values* [n, m], [n, m]."""
    return _cost(values, _danger(values, past), past, price)


def _cost(values: Float32Array, danger: Float32Array, past: PastMaxima, price: float) -> Float32Array:
    cost: Float32Array = values / past.recent[:, np.newaxis] + np.float32(price) * danger
    return cost


def _danger(values: Float32Array, past: PastMaxima) -> Float32Array:
    """The risk and the mean excess of each of *values* [n, m], which no price changes, [n, m]."""
    danger = np.zeros_like(values)
    for day in range(past.maxima.shape[1]):
        weight = past.weights[:, day, np.newaxis]
        if weight.any():
            highest = np.maximum(past.maxima[:, day, np.newaxis], np.float32(_LEAST_BYTES))
            danger += weight * _risk_and_excess(np.log(values / highest), past.width, past.spread)
    return danger


def least_cost_values(past: PastMaxima, price: float) -> Float32Array:
    """The value of least cost of every series, within 1 %, [n]."""
    least: Float32Array = least_cost_at_prices(past, (price,))[:, 0]
    return least


def least_cost_at_prices(past: PastMaxima, prices: Sequence[float]) -> Float32Array:
    """The value of least cost of every series at each of *prices*, within 1 %, [n, prices].

    The coarse values are the same for all prices, and so is their danger.
    """
    coarse = past.recent[:, np.newaxis] * _COARSE
    danger = _danger(coarse, past)
    least = []
    for price in prices:
        best = _least(coarse, _cost(coarse, danger, past, price))
        fine = best * _FINE
        least.append(_least(fine, memory_cost(fine, past, price)))
    return np.concatenate(least, axis=1)


def _least(values: Float32Array, cost: Float32Array) -> Float32Array:
    """The one of *values* [n, m] that has the least *cost*, [n, 1]."""
    return np.take_along_axis(values, cost.argmin(axis=1)[:, np.newaxis], axis=1)


def risk(values: Float32Array, past: PastMaxima) -> Float32Array:
    """The chance that a day's maximum exceeds each of *values* [n, m], [n, m]."""
    chance = np.zeros_like(values)
    for day in range(past.maxima.shape[1]):
        highest = np.maximum(past.maxima[:, day, np.newaxis], np.float32(_LEAST_BYTES))
        near, tail = _tails(np.log(values / highest), past.width, past.spread)
        chance += past.weights[:, day, np.newaxis] * _survival(np.log(values / highest), near + tail)
    return chance


def _risk_and_excess(distance: Float32Array, width: Float32Array, spread: MaximumSpread) -> Float32Array:
    near, tail = _tails(distance, width, spread)
    # The integral of a tail beyond a distance is its width times it; below 0 the distance comes on top.
    beyond = near * width[:, np.newaxis] + tail * np.float32(spread.tail_width)
    excess = beyond + np.maximum(-distance, 0)
    both: Float32Array = _survival(distance, near + tail) + excess
    return both


def _tails(
    distance: Float32Array, width: Float32Array, spread: MaximumSpread
) -> tuple[Float32Array, Float32Array]:
    """The chances beyond |distance| on one side, of the narrow and of the wide distribution."""
    far = -np.abs(distance)
    near = np.float32(0.5 * (1 - spread.tail_share)) * np.exp(far / width[:, np.newaxis])
    tail = np.float32(0.5 * spread.tail_share) * np.exp(far / np.float32(spread.tail_width))
    return near, tail


def _survival(distance: Float32Array, beyond: Float32Array) -> Float32Array:
    chance: Float32Array = np.where(distance > 0, beyond, 1 - beyond)
    return chance
