"""Daily summaries of many series: a few quantiles of each day, and the share of its steps with samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.recommendation.array_types import Float32Array
from app.recommendation.bands import MEDIAN

TINY = np.float32(1e-12)


@dataclass(frozen=True, slots=True)
class DaySummaries:
    """The days of n series, oldest first; the last one is today so far (its share may be 0).

    `quantiles` [n, days, levels] are those of `LEVELS`; they do not decrease along the last axis and are
    ignored where `share` is 0. `share` [n, days] is the number of the day's 5-minute steps with samples, as
    a share of 288.
    """

    quantiles: Float32Array
    share: Float32Array

    def __getitem__(self, series: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "DaySummaries":
        return DaySummaries(self.quantiles[series], self.share[series])

    def __len__(self) -> int:
        return len(self.share)

    @property
    def bands(self) -> Float32Array:
        """The quantiles of the days' bands, [n, days, bands]; 0 on days without samples."""
        bands: Float32Array = np.where(self.share[:, :, np.newaxis] > 0, self.quantiles[:, :, :-1], 0)
        return bands

    @property
    def maxima(self) -> Float32Array:
        """The days' maxima, [n, days]; 0 on days without samples."""
        maxima: Float32Array = np.where(self.share > 0, self.quantiles[:, :, -1], 0)
        return maxima

    @property
    def medians(self) -> Float32Array:
        """The days' medians, [n, days]; 0 on days without samples."""
        medians: Float32Array = np.where(self.share > 0, self.quantiles[:, :, MEDIAN], 0)
        return medians

    @property
    def sampled_days(self) -> NDArray[np.int64]:
        """The number of days with samples, [n]."""
        count: NDArray[np.int64] = (self.share > 0).sum(axis=1)
        return count

    @property
    def time_seen_days(self) -> Float32Array:
        """The total time with samples in days, [n]."""
        days: Float32Array = self.share.sum(axis=1)
        return days
