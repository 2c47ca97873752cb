"""The weights of past days: one over their age.

w ~ share / age, with age 1 for yesterday; the weights of a series sum to 1. No constant is needed, for a week
or for a month: yesterday weighs 25 % of 28 whole days, the last week 66 %, the oldest two weeks 17 %. Today,
where it counts, has the age of half a day.
"""

import numpy as np

from app.recommendation.array_types import Float32Array
from app.recommendation.day_summaries import TINY

_AGE_OF_TODAY = 0.5


def recency_weights(share: Float32Array) -> Float32Array:
    """The weights [n, days] of days of which *share* [n, days] was seen; the last day is today."""
    ages = np.maximum(np.arange(share.shape[1] - 1, -1, -1), _AGE_OF_TODAY)
    unscaled = share / ages.astype(np.float32)
    weights: Float32Array = unscaled / np.maximum(unscaled.sum(axis=1, keepdims=True), TINY)
    return weights
