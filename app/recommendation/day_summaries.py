"""The days of many series as arrays: a few quantiles of each day, and how much of it was seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Amounts = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]  # either of them
TINY = np.float32(1e-12)


@dataclass(frozen=True, slots=True)
class DaySummaries:
    """The days of n series, oldest first; the last one is today, seen so far (its share may be 0).

    `quantiles` [n, days, levels] never falls along the last axis; what stands where `share` is 0 counts for
    nothing. `share` [n, days] is how much of each day was seen: its 5-minute steps with samples / 288.
    """

    quantiles: Floats
    share: Floats

    def __getitem__(self, series: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "DaySummaries":
        return DaySummaries(self.quantiles[series], self.share[series])

    def __len__(self) -> int:
        return len(self.share)

    @property
    def seen(self) -> NDArray[np.int64]:
        """How many days of each series hold samples."""
        count: NDArray[np.int64] = (self.share > 0).sum(axis=1)
        return count

    @property
    def length(self) -> Floats:
        """How many days' time of each series was seen."""
        days: Floats = self.share.sum(axis=1)
        return days
