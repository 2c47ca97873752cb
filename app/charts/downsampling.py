"""Samples as a few hundred intervals for a picture: lowest, mean and highest sample of each."""

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples at Unix times, in cores or bytes; several replicas have samples at one time.

    A sample is of the interval that ends at its time. One that is not finite is missing.
    """

    times: NDArray[np.float64]
    amounts: NDArray[np.float64]


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
    present = np.isfinite(samples.amounts) & (samples.times > start) & (samples.times <= end)
    if not present.any():
        return
    times, amounts = samples.times[present], samples.amounts[present]
    # A sample at the end of an interval belongs to it.
    numbers = np.ceil(times / seconds).astype(np.int64) - 1
    order = np.argsort(numbers, kind="stable")
    numbers, amounts = numbers[order], amounts[order]
    found, firsts, counts = np.unique(numbers, return_index=True, return_counts=True)
    lowest, highest = np.minimum.reduceat(amounts, firsts), np.maximum.reduceat(amounts, firsts)
    means = np.add.reduceat(amounts, firsts) / counts
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
