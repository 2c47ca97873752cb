"""The 95th percentile and the maximum of the 5-minute steps of edges; pure numpy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """Statistics of a rate over the steps in which its source was scraped; silent steps count as 0."""

    p95: float
    maximum: float


def step_statistics(
    rates: NDArray[np.float32], scraped: NDArray[np.bool_]
) -> Iterator[StepStatistics | None]:
    """The statistics of each row of *rates* over its *scraped* steps; None for a row without a sample.

    The percentile is the nearest rank: 95 % of the steps have no higher rate.
    """
    has_sample = ~np.isnan(rates).all(axis=1)
    steps = np.where(scraped, np.nan_to_num(rates), -1.0)  # what was not scraped is sorted first
    steps.sort(axis=1)
    counts = np.count_nonzero(scraped, axis=1)
    above = counts - np.ceil(counts * PERCENTILE - 1e-9).astype(np.int64)
    percentiles = np.take_along_axis(steps, (steps.shape[1] - 1 - above)[:, np.newaxis], axis=1)[:, 0]
    known = (has_sample & (counts > 0)).tolist()
    for is_known, p95, maximum in zip(known, percentiles.tolist(), steps[:, -1].tolist(), strict=True):
        yield StepStatistics(p95, maximum) if is_known else None
