"""The histograms of one UTC day: a sparse histogram of samples for each time slot and series.

A series is one container of one workload; the samples of all replicas are pooled.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.history.padding import pad
from app.history.samples import STEPS_PER_DAY


class DayHistograms:
    """The histograms of one day, sorted by key = (series * timeslots + slot) * grid size + bucket."""

    def __init__(self) -> None:
        self.keys = np.empty(0, dtype=np.uint64)
        self.counts = np.empty(0, dtype=np.uint32)
        self.maxima = np.empty(0, dtype=np.float64)  # [series * timeslots]
        self.steps_seen = np.empty(0, dtype=np.uint16)  # [series]

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Add one sample for each of *keys*."""
        added, times = np.unique(keys, return_counts=True)
        positions = np.searchsorted(self.keys, added)
        is_present = np.zeros(len(added), dtype=np.bool_)
        inside = positions < len(self.keys)
        is_present[inside] = self.keys[positions[inside]] == added[inside]
        self.counts[positions[is_present]] += times[is_present].astype(np.uint32)
        self.keys = np.insert(self.keys, positions[~is_present], added[~is_present])
        self.counts = np.insert(self.counts, positions[~is_present], times[~is_present].astype(np.uint32))

    def copy(self) -> "DayHistograms":
        """The same histograms, to add samples to."""
        day = DayHistograms()
        day.keys, day.counts = self.keys.copy(), self.counts.copy()
        day.maxima, day.steps_seen = self.maxima.copy(), self.steps_seen.copy()
        return day

    def equals(self, other: "DayHistograms") -> bool:
        """True if both have the same samples."""
        return (
            np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.maxima, other.maxima)
            and np.array_equal(self.steps_seen, other.steps_seen)
        )

    def sample_counts(self, timeslots: int, buckets: int) -> NDArray[np.int64]:
        """The number of samples of each series that the day stores."""
        series = (self.keys // np.uint64(timeslots * buckets)).astype(np.int64)
        return np.bincount(series, self.counts, len(self.maxima) // timeslots).astype(np.int64)

    def select(self, series: NDArray[np.int64], timeslots: int, buckets: int) -> "DayHistograms":
        """The histograms of *series* only, renumbered from 0 in that order."""
        cells = timeslots * buckets
        begins, ends = np.searchsorted(self.keys, np.stack((series, series + 1)).astype(np.uint64) * cells)
        lengths = ends - begins
        key_shifts = (series - np.arange(len(series))).astype(np.uint64) * np.uint64(cells)
        positions = np.arange(lengths.sum()) + np.repeat(begins - (lengths.cumsum() - lengths), lengths)
        day = DayHistograms()
        day.keys = self.keys[positions] - np.repeat(key_shifts, lengths)
        day.counts = self.counts[positions]
        maxima = pad(self.maxima, (int(series.max(initial=-1)) + 1) * timeslots)
        day.maxima = maxima.reshape(-1, timeslots)[series].ravel()
        day.steps_seen = pad(self.steps_seen, int(series.max(initial=-1)) + 1)[series]
        return day

    def without(self, series: NDArray[np.int64], timeslots: int, buckets: int) -> "DayHistograms":
        """The histograms without the samples of *series*; no series gets another number."""
        is_dropped = np.isin(np.arange(len(self.steps_seen)), series)
        day, kept = self.copy(), ~is_dropped[(self.keys // np.uint64(timeslots * buckets)).astype(np.int64)]
        day.keys, day.counts = self.keys[kept], self.counts[kept]
        day.maxima[np.repeat(is_dropped, timeslots)] = day.steps_seen[is_dropped] = 0
        return day

    def merge(self, targets: NDArray[np.int64], timeslots: int, buckets: int) -> "DayHistograms":
        """The histograms with series k added to series `targets[k]`; the same object if none of it moves."""
        moves = targets != np.arange(len(targets))
        if not self.steps_seen[moves[: len(self.steps_seen)]].any():
            return self
        size = len(targets)
        cells = np.uint64(timeslots * buckets)
        series, cell = np.divmod(self.keys, cells)
        keys = targets[series.astype(np.int64)].astype(np.uint64) * cells + cell
        merged = DayHistograms()
        merged.keys, numbers = np.unique(keys, return_inverse=True)
        merged.counts = np.bincount(numbers, self.counts, len(merged.keys)).astype(np.uint32)
        merged.maxima = np.zeros((size, timeslots))
        maxima = self.maxima.reshape(-1, timeslots)
        np.maximum.at(merged.maxima, targets[: len(maxima)], maxima)
        merged.maxima = merged.maxima.ravel()
        steps = np.bincount(targets[: len(self.steps_seen)], self.steps_seen, size)
        # Runs may overlap: which steps they share is not known.
        merged.steps_seen = np.minimum(steps, STEPS_PER_DAY).astype(np.uint16)
        return merged

    @staticmethod
    def concatenate(
        days: Sequence["DayHistograms"], sizes: Sequence[int], timeslots: int, buckets: int
    ) -> "DayHistograms":
        """The histograms of all *days*; the series of each are numbered after the *sizes* of those before."""
        whole, firsts = DayHistograms(), np.cumsum([0, *sizes[:-1]]) * timeslots * buckets
        whole.keys = np.concatenate(
            [day.keys + np.uint64(first) for day, first in zip(days, firsts, strict=True)]
        )
        whole.counts = np.concatenate([day.counts for day in days])
        whole.maxima = np.concatenate(
            [pad(day.maxima, size * timeslots) for day, size in zip(days, sizes, strict=True)]
        )
        whole.steps_seen = np.concatenate(
            [pad(day.steps_seen, size) for day, size in zip(days, sizes, strict=True)]
        )
        return whole
