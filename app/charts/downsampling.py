"""Samples as a few hundred intervals for a picture: lowest, mean and highest sample of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.history.samples import STEP_SECONDS

_MINUTE, _HOUR = 60, 3600
_INTERVALS = (
    STEP_SECONDS,
    *(minutes * _MINUTE for minutes in (10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 6, 12, 24)),
)
PIXELS_PER_INTERVAL = 1.5
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples at Unix times, in cores or bytes: the lowest, the sum, the highest and the number at each time.

    A sample is of the interval that ends at its time; several replicas have samples at one time. Times may
    also repeat.
    """

    times: FloatArray
    lowest: FloatArray
    sums: FloatArray
    highest: FloatArray
    counts: FloatArray

    @classmethod
    def of(cls, times: FloatArray, amounts: FloatArray) -> Self:
        """One sample at each time; an amount that is not finite is no sample."""
        usable = np.isfinite(amounts)
        found = amounts[usable]
        return cls(times[usable], found, found, found, np.ones(len(found)))

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Samples":
        """Those in the *chosen* places."""
        return Samples(
            self.times[chosen],
            self.lowest[chosen],
            self.sums[chosen],
            self.highest[chosen],
            self.counts[chosen],
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """The samples of an interval that has any; *start* and *end* are Unix times."""

    start: float
    end: float
    lowest: float
    mean: float
    highest: float


def interval_seconds(span_seconds: float, width: int) -> int:
    """The shortest interval that is at least one and a half pixels wide."""
    wanted = span_seconds * PIXELS_PER_INTERVAL / width
    return next((seconds for seconds in _INTERVALS if seconds >= wanted), _INTERVALS[-1])


def runs(samples: Samples, start: float, end: float, width: int) -> Iterator[list[Interval]]:
    """The intervals from *start* to *end* with samples, as runs without a gap."""
    seconds = interval_seconds(end - start, width)
    shown = samples.at((samples.times > start) & (samples.times <= end))
    if not len(shown.times):
        return
    # A sample at the end of an interval belongs to it.
    numbers = np.ceil(shown.times / seconds).astype(np.int64) - 1
    order = np.argsort(numbers, kind="stable")
    shown = shown.at(order)
    found, firsts = np.unique(numbers[order], return_index=True)
    lowest, highest = np.minimum.reduceat(shown.lowest, firsts), np.maximum.reduceat(shown.highest, firsts)
    means = np.add.reduceat(shown.sums, firsts) / np.add.reduceat(shown.counts, firsts)
    breaks = np.flatnonzero(np.diff(found) > 1) + 1
    for positions in np.split(np.arange(len(found)), breaks):
        yield [
            Interval(
                max(float(found[at] * seconds), start),
                min(float((found[at] + 1) * seconds), end),
                float(lowest[at]),
                float(means[at]),
                float(highest[at]),
            )
            for at in positions.tolist()
        ]
