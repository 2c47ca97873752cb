"""The quantiles of a day, read from its sparse histograms.

A quantile lies where its rank falls within the bucket: l * (n - 1) + 0.5 samples from below, log-linear
between the bucket's edges, and never above the largest sample, which is known exactly.
"""

import numpy as np
from numpy.typing import NDArray

from app.history.day_histograms import DayHistograms
from app.history.grid import ExponentialGrid
from app.recommendation.day_summaries import Floats
from app.recommendation.rules import LEVELS

Integers = NDArray[np.int64]


def day_maxima(day: DayHistograms, timeslots: int) -> NDArray[np.float64]:
    """The largest sample of every series that *day* knows."""
    maxima: NDArray[np.float64] = day.maxima.reshape(-1, timeslots).max(axis=1, initial=0.0)
    return maxima


def series_quantiles(day: DayHistograms, series: Integers, grid: ExponentialGrid, timeslots: int) -> Floats:
    """The quantiles [series, levels] of just *series*, their slots pooled."""
    part = day.select(series, timeslots, grid.size)
    cells, buckets = np.divmod(part.keys.astype(np.int64), grid.size)
    return histogram_quantiles(cells // timeslots, buckets, part.counts, day_maxima(part, timeslots), grid)[0]


def slot_quantiles(
    day: DayHistograms, series: Integers, grid: ExponentialGrid, timeslots: int
) -> tuple[Floats, Integers]:
    """Of each of *series* in each slot: quantiles [series, slots, levels] and samples [series, slots]."""
    part = day.select(series, timeslots, grid.size)
    cells, buckets = np.divmod(part.keys.astype(np.int64), grid.size)
    quantiles, samples = histogram_quantiles(cells, buckets, part.counts, part.maxima, grid)
    return quantiles.reshape(len(series), timeslots, len(LEVELS)), samples.reshape(len(series), timeslots)


def histogram_quantiles(
    rows: Integers,
    buckets: Integers,
    counts: NDArray[np.uint32],
    maxima: NDArray[np.float64],
    grid: ExponentialGrid,
) -> tuple[Floats, Integers]:
    """Quantiles and sample counts of each row of *maxima*; `counts[k]` samples of `rows[k]` fell into
    `buckets[k]`, and a bucket may stand there more than once. A row without samples has zeros.
    """
    found = np.zeros((len(maxima), len(LEVELS)), dtype=np.float32)
    if not len(rows):
        return found, np.zeros(len(maxima), dtype=np.int64)
    row, bucket, count = _merged(rows, buckets, counts, grid.size)
    reached = count.cumsum()
    samples = np.bincount(row, weights=count, minlength=len(maxima))
    before = samples.cumsum() - samples
    for index, level in enumerate(LEVELS):
        rank = before + level * (samples - 1) + 0.5
        at = np.minimum(np.searchsorted(reached, rank), len(row) - 1)
        within = np.clip((rank - (reached[at] - count[at])) / count[at], 0, 1)
        lower = grid.first * grid.ratio ** (bucket[at] - 1.0)
        value = np.where(bucket[at] > 0, lower * grid.ratio**within, grid.first * within)
        value[bucket[at] == grid.size - 1] = np.inf  # it has no upper edge
        found[:, index] = np.where(samples > 0, np.minimum(value, maxima), 0)
    found[:, -1] = maxima
    return found, samples.astype(np.int64)


def _merged(
    rows: Integers, buckets: Integers, counts: NDArray[np.uint32], size: int
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """The same histograms, in order, each bucket of each row once."""
    keys = rows * size + buckets
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    row, bucket = np.divmod(keys[first], size)
    return row, bucket, np.add.reduceat(counts[order].astype(np.float64), first)
