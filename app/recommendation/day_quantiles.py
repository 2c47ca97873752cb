"""Quantiles of a day, read from its sparse histograms.

The quantile at level l has the rank l * (n - 1) + 0.5 among n samples. It is the upper edge of the bucket
with that rank, so never below the sample itself, or the largest sample where that is less, which is stored
exactly.
"""

import numpy as np
from numpy.typing import NDArray

from app.history.day_histograms import DayHistograms
from app.history.grid import ExponentialGrid
from app.recommendation.array_types import Float32Array, Int64Array
from app.recommendation.bands import LEVELS


def day_maxima(day: DayHistograms, timeslots: int) -> NDArray[np.float64]:
    """The largest sample of every series that *day* stores."""
    maxima: NDArray[np.float64] = day.maxima.reshape(-1, timeslots).max(axis=1, initial=0.0)
    return maxima


def series_quantiles(
    day: DayHistograms, series: Int64Array, grid: ExponentialGrid, timeslots: int
) -> Float32Array:
    """The quantiles [series, levels] of *series*, over all time slots."""
    part = day.select(series, timeslots, grid.size)
    cells, buckets = np.divmod(part.keys.astype(np.int64), grid.size)
    return histogram_quantiles(cells // timeslots, buckets, part.counts, day_maxima(part, timeslots), grid)[0]


def slot_quantiles(
    day: DayHistograms, series: Int64Array, grid: ExponentialGrid, timeslots: int
) -> tuple[Float32Array, Int64Array]:
    """By time slot: the quantiles [series, slots, levels] and sample counts [series, slots] of *series*."""
    part = day.select(series, timeslots, grid.size)
    cells, buckets = np.divmod(part.keys.astype(np.int64), grid.size)
    quantiles, samples = histogram_quantiles(cells, buckets, part.counts, part.maxima, grid)
    return quantiles.reshape(len(series), timeslots, len(LEVELS)), samples.reshape(len(series), timeslots)


def histogram_quantiles(
    rows: Int64Array,
    buckets: Int64Array,
    counts: NDArray[np.uint32],
    maxima: NDArray[np.float64],
    grid: ExponentialGrid,
) -> tuple[Float32Array, Int64Array]:
    """Quantiles [rows, levels] and sample counts [rows]; *maxima* has the largest sample of each row.

    `counts[k]` samples of row `rows[k]` are in bucket `buckets[k]`; a bucket may occur more than once. The
    quantiles of a row without samples are 0.
    """
    quantiles = np.zeros((len(maxima), len(LEVELS)), dtype=np.float32)
    if not len(rows):
        return quantiles, np.zeros(len(maxima), dtype=np.int64)
    row, bucket, count = _merge_buckets(rows, buckets, counts, grid.size)
    cumulative = count.cumsum()
    samples = np.bincount(row, weights=count, minlength=len(maxima))
    before = samples.cumsum() - samples
    edges = grid.upper_edges
    for index, level in enumerate(LEVELS):
        rank = before + level * (samples - 1) + 0.5
        at = np.minimum(np.searchsorted(cumulative, rank), len(row) - 1)
        value = edges[bucket[at]]
        quantiles[:, index] = np.where(samples > 0, np.minimum(value, maxima), 0)
    quantiles[:, -1] = maxima
    return quantiles, samples.astype(np.int64)


def _merge_buckets(
    rows: Int64Array, buckets: Int64Array, counts: NDArray[np.uint32], size: int
) -> tuple[Int64Array, Int64Array, NDArray[np.float64]]:
    """The histograms sorted by row and bucket, with one entry for each bucket of a row."""
    keys = rows * size + buckets
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    row, bucket = np.divmod(keys[first], size)
    return row, bucket, np.add.reduceat(counts[order].astype(np.float64), first)
