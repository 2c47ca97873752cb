"""Comparison with KRR at equal waste or equal risk, by interpolation between prices of risk."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.backtest.scores import DayScores

Values = NDArray[np.float64]
RESAMPLES = 500
_TINY = 1e-12


def interpolate(xs: Sequence[float] | Values, ys: Sequence[float] | Values, at: float) -> float:
    """The y at x = *at*: ln y is linear in x between two points; NaN outside the range of *xs*."""
    order = np.argsort(xs)
    x, y = np.asarray(xs, dtype=float)[order], np.asarray(ys, dtype=float)[order]
    if not x[0] <= at <= x[-1]:
        return float("nan")
    return float(np.exp(np.interp([at], x, np.log(np.maximum(y, _TINY)))[0]))


def cost_in_cores(scores: DayScores, price: float = 36) -> float:
    """Waste plus *price* times overuse, in cores, summed over all days: L36 at the price of `normal`."""
    return float(scores.unused.sum() + price * scores.over.sum())


def overuse_at_waste(frontier: Sequence[DayScores], reference: DayScores) -> float:
    """Our overuse at the waste of *reference*, as a share of its overuse."""
    wastes, overuses = ([getattr(s, name).sum() for s in frontier] for name in ("unused", "over"))
    return interpolate(wastes, overuses, reference.unused.sum()) / float(reference.over.sum())


def resampled_overuse_at_waste(
    frontier: Sequence[DayScores], reference: DayScores, series: int, random: np.random.Generator
) -> Values:
    """`overuse_at_waste` of sets of as many series, drawn with replacement, [RESAMPLES]."""
    drawn = random.multinomial(series, np.full(series, 1 / series), RESAMPLES)
    wastes, overuses = (
        np.stack([drawn @ _by_series(s, name, series) for s in frontier]) for name in ("unused", "over")
    )
    of_reference = [drawn @ _by_series(reference, name, series) for name in ("unused", "over")]
    return np.array(
        [
            interpolate(wastes[:, k], overuses[:, k], waste) / max(over, _TINY)
            for k, (waste, over) in enumerate(zip(*of_reference, strict=True))
        ]
    )


def at_days_above(frontier: Sequence[DayScores], reference: DayScores, name: str) -> float:
    """Our sum of *name* (`unused` or `over`) at the days above of *reference*, as a share of its sum."""
    days = [float(scores.is_above.mean()) for scores in frontier]
    sums = [getattr(scores, name).sum() for scores in frontier]
    at_reference = interpolate(days, sums, float(reference.is_above.mean()))
    return at_reference / max(float(getattr(reference, name).sum()), _TINY)


def geometric_mean(values: Sequence[float] | Values) -> float:
    """The geometric mean; NaN if one is."""
    return float(np.exp(np.mean(np.log(values))))


def _by_series(scores: DayScores, name: str, series: int) -> Values:
    sums: Values = np.bincount(scores.series, getattr(scores, name), series).astype(np.float64)
    return sums
