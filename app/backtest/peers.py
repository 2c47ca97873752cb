"""The rules of other tools, and of somebody who knew the coming day, in our own words.

They are not the products: no bump after an OOM kill, no update within the day. `docs/backtest.md` names the
sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import EvaluationPeriod
from app.backtest.usage import Lanes, largest, percentile, pooled
from app.domain.profiles import Resource
from app.history.samples import STEPS_PER_DAY
from app.recommendation.day_summaries import Floats

Values = NDArray[np.float64]
# The values [series] for a day, from what the days before it show.
DayRule = Callable[[Lanes, int], Values]
_MEBIBYTE = 2.0**20


@dataclass(frozen=True, slots=True)
class _Buckets:
    """VPA's histogram: each bucket is 5 % wider than the one before it; a percentile is its bucket's end."""

    first: float
    highest: float
    ratio: float = 1.05

    def edges(self) -> Values:
        """Where the buckets begin, and the last one ends."""
        count = np.ceil(np.log(self.highest * (self.ratio - 1) / self.first + 1) / np.log(self.ratio)) + 1
        found: Values = self.first * (self.ratio ** np.arange(count + 1) - 1) / (self.ratio - 1)
        return found

    def percentile(self, samples: Floats, weights: Values, level: float) -> Values:
        """The end of the bucket in which *level* of the weight of each row of *samples* is reached."""
        edges, rows = self.edges(), np.arange(len(samples))[:, np.newaxis]
        size = len(edges) - 1
        bucket = np.searchsorted(edges, np.nan_to_num(samples), side="right") - 1
        cells = np.clip(bucket, 0, size - 1) + rows * size
        known = np.where(np.isnan(samples), 0, weights)
        heights = np.bincount(cells.ravel(), weights=known.ravel(), minlength=len(samples) * size)
        reached = heights.reshape(-1, size).cumsum(axis=1)
        below = (reached < level * reached[:, -1:]).sum(axis=1)
        found: Values = edges[np.minimum(below, size - 1) + 1]
        return np.where(reached[:, -1] > 0, found, np.nan)


_CORES, _BYTES = _Buckets(0.01, 1000), _Buckets(1e7, 1e12)


def _ages(samples: Floats) -> Values:
    """How many days before the coming one each step of [series, lanes, steps] lies, in the pooled order."""
    steps = samples.shape[-1]
    return np.tile(np.arange(steps, 0, -1) / STEPS_PER_DAY, samples.shape[1])


def krr_cpu(lanes: Lanes, day: int) -> Values:
    """KRR: the 95th percentile of each replica, the largest of them; at least 10 millicores."""
    values = lanes.measured(EvaluationPeriod.window(day), lambda x: _most(percentile(x, 0.95)))
    return np.maximum(values, 0.010)


def krr_memory(lanes: Lanes, day: int) -> Values:
    """KRR: the largest sample and 15 %; at least 100 MiB."""
    values = lanes.measured(EvaluationPeriod.window(day), lambda x: _most(largest(x)))
    return np.maximum(values * 1.15, 100 * _MEBIBYTE)


def _most(values: Values) -> Values:
    return largest(values.astype(np.float32))


def vpa_cpu(lanes: Lanes, day: int) -> Values:
    """VPA's target: the 90th percentile, where a day weighs twice the one before it, and 15 %; 25m."""

    def decayed(samples: Floats) -> Values:
        return _CORES.percentile(pooled(samples), 2.0 ** -_ages(samples), 0.9)

    return np.maximum(lanes.measured(EvaluationPeriod.window(day), decayed) * 1.15, 0.025)


_VPA_PEAK_DAYS = 8


def vpa_memory(lanes: Lanes, day: int) -> Values:
    """VPA's target: the 90th percentile of eight days' peaks, weighed alike, and 15 %; 250 MiB."""

    def of_peaks(samples: Floats) -> Values:
        series, replicas, _ = samples.shape
        peaks = largest(samples.reshape(series, replicas, -1, STEPS_PER_DAY)).astype(np.float32)
        ages = np.arange(peaks.shape[-1], 0, -1)
        return _BYTES.percentile(pooled(peaks), np.tile(2.0 ** (1.0 - ages), replicas), 0.9)

    window = slice(max(EvaluationPeriod.window(day).start, day - _VPA_PEAK_DAYS), day)
    return np.maximum(lanes.measured(window, of_peaks) * 1.15, 250 * _MEBIBYTE)


def autopilot_cpu(lanes: Lanes, day: int) -> Values:
    """Autopilot's moving window: the 95th percentile of load (half-life 12 hours), and 10 %."""

    def of_load(samples: Floats) -> Values:
        load = np.maximum(np.nan_to_num(pooled(samples)), 1e-9)
        return _CORES.percentile(pooled(samples), 2.0 ** (-2 * _ages(samples)) * load, 0.95)

    return lanes.measured(EvaluationPeriod.window(day), of_load) * 1.10


def autopilot_memory(lanes: Lanes, day: int) -> Values:
    """Autopilot's moving window: the 98th percentile of load (half-life 48 hours), and 10 %."""

    def of_load(samples: Floats) -> Values:
        weights = 2.0 ** (-_ages(samples) / 2) * np.nan_to_num(pooled(samples))
        return _BYTES.percentile(pooled(samples), weights, 0.98)

    return lanes.measured(EvaluationPeriod.window(day), of_load) * 1.10


def clairvoyant_cpu(lanes: Lanes, day: int) -> Values:
    """The 99th percentile of the coming day itself."""
    return lanes.measured(slice(day, day + 1), lambda x: percentile(pooled(x), 0.99))


def clairvoyant_memory(lanes: Lanes, day: int) -> Values:
    """The maximum of the coming day itself."""
    return lanes.measured(slice(day, day + 1), lambda x: largest(pooled(x)))


PEERS: Mapping[str, Mapping[Resource, DayRule]] = {
    "krr": {Resource.CPU: krr_cpu, Resource.MEMORY: krr_memory},
    "vpa": {Resource.CPU: vpa_cpu, Resource.MEMORY: vpa_memory},
    "autopilot": {Resource.CPU: autopilot_cpu, Resource.MEMORY: autopilot_memory},
    "clairvoyant": {Resource.CPU: clairvoyant_cpu, Resource.MEMORY: clairvoyant_memory},
}
