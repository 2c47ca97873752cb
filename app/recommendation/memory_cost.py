"""The cost of a memory value on the maxima of past days: v / recent maximum + price * (risk + mean excess).

Memory cannot be shared for a moment, so what counts is a day's maximum. Tomorrow's is taken to be that of a
past day, times a factor, whose logarithm is as far from 0 on average as the series' own maxima step from day
to day, and has the heavy tails of a Lomax distribution: a steady series gets a small margin, and a step of
many times the usual one is rare but possible. Risk is the chance of a maximum above the value, mean excess
how far above it is (in logarithms). The recent maximum is the largest of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.recommendation.array_types import Float32Array, Price

_LEAST_BYTES = 1.0
# Values are e^-2 to e^0.8 times the recent maximum: first 8 % apart, then 2 % apart around the best of these.
_COARSE = np.exp(np.arange(-2.0, 0.801, 0.08)).astype(np.float32)
_FINE = np.exp(np.arange(-0.06, 0.0601, 0.02)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class MaximumSpread:
    """How far a day's maximum lies from that of a past day, in logarithms."""

    max_width: float = 0.15
    prior_step: float = 0.1  # counts as one step from a day to the next


@dataclass(frozen=True, slots=True)
class PastMaxima:
    """The days' maxima [n, days], their weights [n, days], and the width of their distribution [n]."""

    maxima: Float32Array
    weights: Float32Array
    width: Float32Array

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


def memory_cost(values: Float32Array, past: PastMaxima, price: Price) -> Float32Array:
    """The cost of each of *values* [n, m], [n, m]."""
    return _cost(values, _danger(values, past), past, price)


def _cost(values: Float32Array, danger: Float32Array, past: PastMaxima, price: Price) -> Float32Array:
    factor = np.asarray(price, dtype=np.float32)
    cost: Float32Array = values / past.recent[:, np.newaxis] + factor * danger
    return cost


def _danger(values: Float32Array, past: PastMaxima) -> Float32Array:
    """The risk and the mean excess of each of *values* [n, m], which no price changes, [n, m]."""
    danger = np.zeros_like(values)
    for day in range(past.maxima.shape[1]):
        weight = past.weights[:, day, np.newaxis]
        if weight.any():
            chance, excess = _beyond(_distance(values, past, day), past.width)
            danger += weight * (chance + excess)
    return danger


def least_cost_at_prices(past: PastMaxima, prices: Sequence[Price]) -> Float32Array:
    """The value of least cost of every series at each of *prices*: no other one costs 2 % less, [n, prices].

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
    above = np.zeros_like(values)
    for day in range(past.maxima.shape[1]):
        chance, _ = _beyond(_distance(values, past, day), past.width)
        above += past.weights[:, day, np.newaxis] * chance
    return above


def _distance(values: Float32Array, past: PastMaxima, day: int) -> Float32Array:
    """How far each of *values* [n, m] lies above the maximum of *day*, in logarithms."""
    highest = np.maximum(past.maxima[:, day, np.newaxis], np.float32(_LEAST_BYTES))
    distance: Float32Array = np.log(values / highest)
    return distance


def _beyond(distance: Float32Array, width: Float32Array) -> tuple[Float32Array, Float32Array]:
    """The chance to be beyond *distance* [n, m], and the mean excess; *width* [n] is the mean distance.

    Both sides are a Lomax distribution of the exponent 3/2, whose scale is half of its mean: beyond x > 0 is
    half of y^(-3/2) for y = 1 + 2 x / width, and the integral of that is width / 2 * y^(-1/2).
    """
    half = np.float32(0.5)
    root: Float32Array = np.float32(1) / np.sqrt(1 + np.abs(distance) / (half * width[:, np.newaxis]))
    tail: Float32Array = half * root * root * root
    chance: Float32Array = np.where(distance > 0, tail, 1 - tail)
    excess: Float32Array = half * width[:, np.newaxis] * root + np.maximum(-distance, 0)
    return chance, excess
