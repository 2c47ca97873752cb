"""Re-implemented sizing rules of other tools, and a clairvoyant rule that uses the evaluated day itself.

KRR and VPA give no container less than a floor. It is no part of what the rule derives from usage, so the
values are scored with it and without it.

The rules are not the products: they have no bump after an OOM kill and no update within the day.
`docs/pages/backtest.md` names the sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import EvaluationPeriod
from app.backtest.usage import Lanes, maximum, percentile, pool_replicas
from app.domain.profiles import Resource
from app.history.samples import STEPS_PER_DAY
from app.recommendation.array_types import Float32Array, FloatArray, Int64Array

Values = NDArray[np.float64]
# Returns the values [series] for a day from the usage of the days before it.
DayRule = Callable[[Lanes, int], Values]
_MEBIBYTE = 2.0**20


@dataclass(frozen=True, slots=True)
class VpaBuckets:
    """VPA's histogram: each bucket is 5 % wider than the previous one; a percentile is its bucket's end."""

    first: float
    highest: float
    ratio: float = 1.05

    def edges(self) -> Values:
        """The start of each bucket, followed by the end of the last one."""
        count = np.ceil(np.log(self.highest * (self.ratio - 1) / self.first + 1) / np.log(self.ratio)) + 1
        edges: Values = self.first * (self.ratio ** np.arange(count + 1) - 1) / (self.ratio - 1)
        return edges

    def percentile(self, samples: Float32Array, weights: Values, level: float) -> Values:
        """The end of the bucket where the cumulative weight of each row of *samples* reaches *level*."""
        rows = np.repeat(np.arange(len(samples)), samples.shape[1])
        heights = self.empty(len(samples))
        self.add(heights, rows, samples.ravel(), np.broadcast_to(weights, samples.shape).ravel())
        return self.level(heights, level)

    def empty(self, rows: int) -> Values:
        """Histograms without samples, [rows, buckets]."""
        return np.zeros((rows, len(self.edges()) - 1))

    def add(
        self, heights: Values, rows: Int64Array, samples: FloatArray, weights: FloatArray | float = 1.0
    ) -> None:
        """Adds *samples* [n] with *weights* to the histograms of *rows* [n]; NaN is no sample."""
        is_sample = np.isfinite(samples)
        bucket = np.searchsorted(self.edges(), samples[is_sample], side="right") - 1
        cells = np.clip(bucket, 0, heights.shape[1] - 1) + rows[is_sample] * heights.shape[1]
        added = np.broadcast_to(weights, samples.shape)[is_sample]
        heights += np.bincount(cells, added, heights.size).reshape(heights.shape)

    def level(self, heights: Values, level: float) -> Values:
        """The end of the bucket where the cumulative weight of each row reaches *level*; NaN if empty."""
        reached = heights.cumsum(axis=1)
        below = (reached < level * reached[:, -1:]).sum(axis=1)
        ends: Values = self.edges()[np.minimum(below, heights.shape[1] - 1) + 1]
        return np.where(reached[:, -1] > 0, ends, np.nan)


CPU_BUCKETS, MEMORY_BUCKETS = VpaBuckets(0.01, 1000), VpaBuckets(1e7, 1e12)  # in cores and bytes


def _ages(samples: Float32Array) -> Values:
    """The age in days of each step of *samples* [series, lanes, steps], in the order of `pool_replicas`."""
    steps = samples.shape[-1]
    return np.tile(np.arange(steps, 0, -1) / STEPS_PER_DAY, samples.shape[1])


def krr_cpu(lanes: Lanes, day: int) -> Values:
    """KRR: the largest of all replicas' 95th percentiles."""
    return lanes.measure(EvaluationPeriod.window(day), lambda x: _largest_replica(percentile(x, 0.95)))


def krr_memory(lanes: Lanes, day: int) -> Values:
    """KRR: the largest sample plus 15 %."""
    return lanes.measure(EvaluationPeriod.window(day), lambda x: _largest_replica(maximum(x))) * 1.15


def _largest_replica(values: Values) -> Values:
    return maximum(values.astype(np.float32))


def vpa_cpu(lanes: Lanes, day: int) -> Values:
    """VPA's target: the 90th percentile (half-life 24 hours) plus 15 %."""

    def decayed_percentile(samples: Float32Array) -> Values:
        return CPU_BUCKETS.percentile(pool_replicas(samples), 2.0 ** -_ages(samples), 0.9)

    return lanes.measure(EvaluationPeriod.window(day), decayed_percentile) * 1.15


_VPA_PEAK_DAYS = 8


def vpa_memory(lanes: Lanes, day: int) -> Values:
    """VPA's target: the 90th percentile of 8 daily peaks (half-life 24 hours) plus 15 %."""

    def peak_percentile(samples: Float32Array) -> Values:
        series, replicas, _ = samples.shape
        peaks = maximum(samples.reshape(series, replicas, -1, STEPS_PER_DAY)).astype(np.float32)
        ages = np.arange(peaks.shape[-1], 0, -1)
        return MEMORY_BUCKETS.percentile(pool_replicas(peaks), np.tile(2.0 ** (1.0 - ages), replicas), 0.9)

    window = slice(max(EvaluationPeriod.window(day).start, day - _VPA_PEAK_DAYS), day)
    return lanes.measure(window, peak_percentile) * 1.15


def autopilot_cpu(lanes: Lanes, day: int) -> Values:
    """Autopilot's moving window: the 95th percentile of load (half-life 12 hours) plus 10 %."""

    def load_percentile(samples: Float32Array) -> Values:
        load = np.maximum(np.nan_to_num(pool_replicas(samples)), 1e-9)
        return CPU_BUCKETS.percentile(pool_replicas(samples), 2.0 ** (-2 * _ages(samples)) * load, 0.95)

    return lanes.measure(EvaluationPeriod.window(day), load_percentile) * 1.10


def autopilot_memory(lanes: Lanes, day: int) -> Values:
    """Autopilot's moving window: the 98th percentile of load (half-life 48 hours) plus 10 %."""

    def load_percentile(samples: Float32Array) -> Values:
        weights = 2.0 ** (-_ages(samples) / 2) * np.nan_to_num(pool_replicas(samples))
        return MEMORY_BUCKETS.percentile(pool_replicas(samples), weights, 0.98)

    return lanes.measure(EvaluationPeriod.window(day), load_percentile) * 1.10


def clairvoyant_cpu(lanes: Lanes, day: int) -> Values:
    """The 99th percentile of *day* itself."""
    return lanes.measure(slice(day, day + 1), lambda x: percentile(pool_replicas(x), 0.99))


def clairvoyant_memory(lanes: Lanes, day: int) -> Values:
    """The maximum of *day* itself."""
    return lanes.measure(slice(day, day + 1), lambda x: maximum(pool_replicas(x)))


RULES: Mapping[str, Mapping[Resource, DayRule]] = {
    "krr": {Resource.CPU: krr_cpu, Resource.MEMORY: krr_memory},
    "vpa": {Resource.CPU: vpa_cpu, Resource.MEMORY: vpa_memory},
    "autopilot": {Resource.CPU: autopilot_cpu, Resource.MEMORY: autopilot_memory},
    "clairvoyant": {Resource.CPU: clairvoyant_cpu, Resource.MEMORY: clairvoyant_memory},
}
# What no container gets less than: cores and bytes. KRR counts in megabytes, VPA in mebibytes.
FLOORS: Mapping[str, Mapping[Resource, float]] = {
    "krr": {Resource.CPU: 0.010, Resource.MEMORY: 100e6},
    "vpa": {Resource.CPU: 0.025, Resource.MEMORY: 250 * _MEBIBYTE},
}


def with_floor(name: str, resource: Resource, values: Values) -> Values:
    """*values* of the tool *name*, at least its floor."""
    return np.maximum(values, FLOORS.get(name, {}).get(resource, 0))


def floored_rule(name: str, resource: Resource) -> DayRule:
    """The rule of the tool *name* with its floor."""
    return lambda lanes, day: with_floor(name, resource, RULES[name][resource](lanes, day))


# Every rule with its floor, as the tool applies it.
PEERS: Mapping[str, Mapping[Resource, DayRule]] = {
    name: {resource: floored_rule(name, resource) for resource in rules} for name, rules in RULES.items()
}
