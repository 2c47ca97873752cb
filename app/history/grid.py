"""The exponential grid of histogram buckets."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Resource


@dataclass(frozen=True, slots=True)
class ExponentialGrid:
    """Buckets with the upper edges `first * ratio**i`; bucket 0 begins at 0, the last one is unbounded.

    With a ratio of 1.05 a percentile is at most 5 % above the sample that it represents (VPA's recommender
    uses the same ratio).
    """

    first: float
    highest: float
    ratio: float = 1.05

    @property
    def size(self) -> int:
        """Number of buckets."""
        return math.ceil(math.log(self.highest / self.first, self.ratio)) + 1

    @property
    def upper_edges(self) -> NDArray[np.float64]:
        """The upper edge of each bucket; the last one is infinite."""
        edges = self.first * self.ratio ** np.arange(self.size, dtype=np.float64)
        edges[-1] = np.inf
        return edges

    def buckets(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bucket of each value: the first one with an upper edge not below the value."""
        with np.errstate(divide="ignore"):
            # The small reduction keeps a value on an upper edge in that bucket, despite rounding.
            exponent = (np.log(values) - math.log(self.first)) / math.log(self.ratio) - 1e-9
        return np.clip(np.ceil(exponent), 0, self.size - 1).astype(np.int64)


GRIDS = {
    Resource.CPU: ExponentialGrid(first=1e-4, highest=1e3),  # cores: a tenth of a millicore to a large node
    Resource.MEMORY: ExponentialGrid(first=1e5, highest=1e13),  # bytes: 100 kB to 10 TB
}
