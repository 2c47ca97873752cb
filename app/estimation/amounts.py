"""What the samples of every series come to: percentile, margin and floor, then what signs of need add."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.estimation.day_rows import DayRows
from app.estimation.policy import ResourcePolicy

_BLOCK = 1024  # series whose histograms are dense at the same time: about 25 MB


@dataclass(frozen=True, slots=True)
class Amounts:
    """Needs and unweighted sample counts of every series: the whole day, and each slot."""

    day: NDArray[np.float64]
    day_counts: NDArray[np.int64]
    slots: NDArray[np.float64]
    slot_counts: NDArray[np.int64]

    def raised(self, by: NDArray[np.float64]) -> "Amounts":
        """The amounts times 1 + the share *by* which each series is raised."""
        return replace(self, day=self.day * (1 + by), slots=self.slots * (1 + by[:, np.newaxis]))


def amounts(rows: DayRows, series: int, rule: ResourcePolicy, *, window_days: int, today: int) -> Amounts:
    """The amounts of the first *series* series of *rows*."""
    found = Amounts(
        np.zeros(series),
        np.zeros(series, dtype=np.int64),
        np.zeros((series, rows.timeslots)),
        np.zeros((series, rows.timeslots), dtype=np.int64),
    )
    edges = rows.grid.upper_edges()
    for block in _blocks(series):
        weighted, maxima, counts = rows.histograms(
            block, today=today, window_days=window_days, half_life_days=rule.half_life_days
        )
        found.day[block] = _amount(weighted.sum(axis=1), maxima.max(axis=1), edges, rule)
        found.slots[block] = _amount(weighted, maxima, edges, rule)
        found.slot_counts[block] = counts
        found.day_counts[block] = counts.sum(axis=1)
    return found


def _amount(
    weighted: NDArray[np.float64],
    maxima: NDArray[np.float64],
    edges: NDArray[np.float64],
    rule: ResourcePolicy,
) -> NDArray[np.float64]:
    """Percentile, then margin, then floor, over the last axis of *weighted*.

    The percentile is the upper edge of its bucket, but never more than the largest sample: usage that does
    not vary gives itself.
    """
    cumulated = weighted.cumsum(axis=-1)
    # Rounding in the sum must not push the 100th percentile past the last bucket that holds something.
    threshold = cumulated[..., -1:] * (rule.percentile - 1e-9)
    percentile = np.minimum(edges[(cumulated >= threshold).argmax(axis=-1)], maxima)
    amount: NDArray[np.float64] = np.maximum(percentile * (1 + rule.margin), rule.floor)
    return amount


def _blocks(total: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK, total)) for begin in range(0, total, _BLOCK))
