"""Past usage as arrays: all samples of all containers, by day.

A series is one container of one workload; the samples of all its replicas have equal weight. The samples are
stored in lanes. A lane holds one replica at a time, so a series has as many lanes as it had replicas that ran
at the same time.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, STEPS_PER_HOUR
from app.recommendation.array_types import Float32Array

Measure = Callable[[Float32Array], NDArray[Any]]


@dataclass(frozen=True, slots=True, order=True)
class Container:
    """A container of a workload: the identity of a series."""

    workload: Workload
    container: str

    def __str__(self) -> str:
        return f"{self.workload}/{self.container}"


@dataclass(frozen=True, eq=False)
class Lanes:
    """The samples of one resource.

    `values` is [lanes, days, steps of a day], NaN where there is no sample. `owner` is the series of each
    lane, in ascending order. `series` is the number of series.
    """

    owner: NDArray[np.int64]
    values: Float32Array
    series: int

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int64], ...]:
        """The series grouped by their number of lanes; each group is [series, lanes of each]."""
        counts = np.bincount(self.owner, minlength=self.series)
        starts = np.cumsum(counts) - counts
        sizes = [int(size) for size in np.unique(counts) if size]
        return tuple(starts[counts == size][:, np.newaxis] + np.arange(size) for size in sizes)

    def pools(self, days: slice) -> Iterator[tuple[NDArray[np.int64], Float32Array]]:
        """Yields all series in groups, each with its samples [series, lanes, steps] of *days*."""
        for lanes in self._groups:
            samples = (
                self.values[lanes, days]
                if len(lanes) < len(self.values)
                else self.values[:, np.newaxis, days]
            )
            yield self.owner[lanes[:, 0]], samples.reshape(*lanes.shape, -1)

    def first_days(self, days: int) -> "Lanes":
        """The samples of the first *days* days."""
        return Lanes(self.owner, self.values[:, :days], self.series)

    def select(self, series: Sequence[int]) -> "Lanes":
        """The lanes of *series*, renumbered from 0 in that order."""
        lanes_by_series = [np.flatnonzero(self.owner == number) for number in series]
        owner = np.repeat(np.arange(len(series)), [len(lanes) for lanes in lanes_by_series])
        selected = np.concatenate(lanes_by_series) if lanes_by_series else np.empty(0, dtype=np.int64)
        return Lanes(owner, self.values[selected], len(series))

    def merge(self, targets: NDArray[np.int64], series: int) -> "Lanes":
        """The lanes of series k as lanes of series `targets[k]` of *series* ones."""
        order = np.argsort(targets[self.owner], kind="stable")
        return Lanes(targets[self.owner][order], self.values[order], series)

    def measure(self, days: slice, measure: Measure) -> NDArray[np.float64]:
        """The result of *measure* for the samples [series, lanes, steps] of *days*; NaN without samples."""
        result: NDArray[np.float64] | None = None
        for series, samples in self.pools(days):
            values = measure(samples)
            if result is None:
                result = np.full((self.series, *values.shape[1:]), np.nan)
            result[series] = values
        return np.full(self.series, np.nan) if result is None else result

    def measure_by_day(self, measure: Measure) -> NDArray[np.float64]:
        """The result of *measure* for each day, [series, days, ...]."""
        days = range(self.values.shape[1])
        return np.stack([self.measure(slice(day, day + 1), measure) for day in days], axis=1)


@dataclass(frozen=True, eq=False)
class Usage:
    """The usage of *containers* from *first_day* (days since 1970); a request that is not set is NaN."""

    first_day: int
    containers: tuple[Container, ...]
    lanes: Mapping[Resource, Lanes]
    requests: Mapping[Resource, NDArray[np.float64]]

    @property
    def days(self) -> int:
        """Number of days; the first and the last day may be incomplete."""
        return int(self.lanes[Resource.CPU].values.shape[1])

    def first_days(self, days: int) -> "Usage":
        """The usage of the first *days* days."""
        lanes_by_resource = {resource: lanes.first_days(days) for resource, lanes in self.lanes.items()}
        return Usage(self.first_day, self.containers, lanes_by_resource, self.requests)

    def aligned_starts(self, hours: int) -> "Usage":
        """Two days of usage, in which each series starts *hours* before the end of the first day.

        The second day is the 24 hours that follow. The first day of the usage becomes the second one.
        """
        total, learned = self.days * STEPS_PER_DAY, hours * STEPS_PER_HOUR
        cpu = self.lanes[Resource.CPU]
        starts = cpu.measure(slice(0, self.days), lambda x: np.isfinite(x).any(axis=1).argmax(axis=1))
        taken = np.nan_to_num(starts).astype(np.int64)[:, np.newaxis] + np.arange(learned + STEPS_PER_DAY)
        is_known, taken = taken < total, np.minimum(taken, total - 1)
        lanes_by_resource = {}
        for resource, lanes in self.lanes.items():
            flat = lanes.values.reshape(len(lanes.values), total)
            values = np.full((len(flat), 2 * STEPS_PER_DAY), np.nan, dtype=np.float32)
            samples = np.take_along_axis(flat, taken[lanes.owner], axis=1)
            values[:, STEPS_PER_DAY - learned :] = np.where(is_known[lanes.owner], samples, np.nan)
            days = values.reshape(len(flat), 2, STEPS_PER_DAY)
            lanes_by_resource[resource] = Lanes(lanes.owner, days, lanes.series)
        return Usage(self.first_day - 1, self.containers, lanes_by_resource, self.requests)

    def with_groups(self, groups: Mapping[Workload, Workload]) -> "Usage":
        """The usage of runs as that of their groups; a group has the largest request of its runs."""
        before = [
            Container(groups.get(container.workload, container.workload), container.container)
            for container in self.containers
        ]
        containers = tuple(dict.fromkeys(before))
        numbers = {container: number for number, container in enumerate(containers)}
        targets = np.array([numbers[container] for container in before], dtype=np.int64)
        requests = {}
        for resource, amounts in self.requests.items():
            requests[resource] = np.full(len(containers), np.nan)
            np.fmax.at(requests[resource], targets, amounts)
        lanes = {resource: lanes.merge(targets, len(containers)) for resource, lanes in self.lanes.items()}
        return Usage(self.first_day, containers, lanes, requests)

    @cached_property
    def covered_steps(self) -> Mapping[Resource, NDArray[np.float64]]:
        """Number of steps of each day with a sample of any replica, [series, days]."""
        return {
            resource: np.nan_to_num(lanes.measure_by_day(lambda x: np.isfinite(x).any(axis=1).sum(axis=1)))
            for resource, lanes in self.lanes.items()
        }


def pool_replicas(samples: Float32Array) -> Float32Array:
    """The samples of all replicas of a series in one row, [series, lanes * steps]."""
    # numpy cannot infer a length (-1) for zero series.
    return samples.reshape(len(samples), math.prod(samples.shape[1:]))


def percentile(samples: Float32Array, level: float) -> NDArray[np.float64]:
    """The quantile at *level* along the last axis, interpolated between two samples; NaN without samples."""
    ordered = np.sort(samples, axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(axis=-1)
    position = level * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.int64)[..., np.newaxis]
    high = np.ceil(position).astype(np.int64)[..., np.newaxis]
    below = np.take_along_axis(ordered, low, -1)[..., 0].astype(np.float64)
    above = np.take_along_axis(ordered, high, -1)[..., 0].astype(np.float64)
    quantile: NDArray[np.float64] = below + (above - below) * (position - low[..., 0])
    return quantile


def maximum(samples: Float32Array) -> NDArray[np.float64]:
    """The maximum along the last axis; NaN without samples."""
    highest = np.where(np.isfinite(samples), samples, -np.inf).max(axis=-1, initial=-np.inf)
    result: NDArray[np.float64] = np.where(np.isfinite(highest), highest, np.nan).astype(np.float64)
    return result
