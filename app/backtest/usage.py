"""Usage as the replay reads it: every sample of every container of every workload, day by day, in arrays.

A series is one container of one workload; all its replicas' samples count alike. They stand in lanes: a lane
holds one replica at a time, so that there are no more of them than replicas that ran together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.recommendation.day_summaries import Floats

Measure = Callable[[Floats], NDArray[Any]]


@dataclass(frozen=True, slots=True, order=True)
class Container:
    """Whose usage a series is."""

    workload: Workload
    container: str

    def __str__(self) -> str:
        return f"{self.workload}/{self.container}"


@dataclass(frozen=True, eq=False)
class Lanes:
    """The samples of one resource: `values` [lanes, days, steps of a day], NaN for none; `owner` rises."""

    owner: NDArray[np.int64]
    values: Floats
    series: int

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int64], ...]:
        """The lanes of all series that have equally many, [series, lanes of each]."""
        counts = np.bincount(self.owner, minlength=self.series)
        starts = np.cumsum(counts) - counts
        sizes = [int(size) for size in np.unique(counts) if size]
        return tuple(starts[counts == size][:, np.newaxis] + np.arange(size) for size in sizes)

    def pools(self, days: slice) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Some series and their samples [series, lanes, steps] of *days*, until all had their turn."""
        for lanes in self._groups:
            chosen = (
                self.values[lanes, days]
                if len(lanes) < len(self.values)
                else self.values[:, np.newaxis, days]
            )
            yield self.owner[lanes[:, 0]], chosen.reshape(*lanes.shape, -1)

    def first(self, days: int) -> "Lanes":
        """The same without what came after so many days."""
        return Lanes(self.owner, self.values[:, :days], self.series)

    def of(self, series: Sequence[int]) -> "Lanes":
        """Those of *series*, which are numbered from 0 in that order."""
        lanes = [np.flatnonzero(self.owner == number) for number in series]
        owner = np.repeat(np.arange(len(series)), [len(each) for each in lanes])
        chosen = np.concatenate(lanes) if lanes else np.empty(0, dtype=np.int64)
        return Lanes(owner, self.values[chosen], len(series))

    def measured(self, days: slice, measure: Measure) -> NDArray[np.float64]:
        """What *measure* makes of the samples [series, lanes, steps] of *days*; NaN for a series without."""
        found: NDArray[np.float64] | None = None
        for series, samples in self.pools(days):
            measured = measure(samples)
            if found is None:
                found = np.full((self.series, *measured.shape[1:]), np.nan)
            found[series] = measured
        return np.full(self.series, np.nan) if found is None else found

    def by_day(self, measure: Measure) -> NDArray[np.float64]:
        """The same of each day: [series, days, ...]."""
        days = range(self.values.shape[1])
        return np.stack([self.measured(slice(day, day + 1), measure) for day in days], axis=1)


@dataclass(frozen=True, eq=False)
class Usage:
    """The past of some containers, from the day *first_day* (since 1970) on; requests are NaN where none."""

    first_day: int
    containers: tuple[Container, ...]
    lanes: Mapping[Resource, Lanes]
    requests: Mapping[Resource, NDArray[np.float64]]

    @property
    def days(self) -> int:
        """How many days, the first and the last one maybe in part."""
        return int(self.lanes[Resource.CPU].values.shape[1])

    def first(self, days: int) -> "Usage":
        """The same without what came after so many days."""
        lanes = {resource: each.first(days) for resource, each in self.lanes.items()}
        return Usage(self.first_day, self.containers, lanes, self.requests)

    def of(self, workload: Workload) -> "Usage":
        """The containers of *workload* alone."""
        numbers = [number for number, each in enumerate(self.containers) if each.workload == workload]
        return Usage(
            self.first_day,
            tuple(self.containers[number] for number in numbers),
            {resource: each.of(numbers) for resource, each in self.lanes.items()},
            {resource: each[numbers] for resource, each in self.requests.items()},
        )

    @cached_property
    def steps_seen(self) -> NDArray[np.float64]:
        """In how many steps of each day the CPU of any replica was seen, [series, days]."""
        seen = self.lanes[Resource.CPU].by_day(lambda x: np.isfinite(x).any(axis=1).sum(axis=1))
        return np.nan_to_num(seen)


def pooled(samples: Floats) -> Floats:
    """All replicas' samples of a series in one row: [series, lanes * steps]."""
    return samples.reshape(len(samples), -1)


def percentile(samples: Floats, level: float) -> NDArray[np.float64]:
    """The quantile at *level* along the last axis, linear between two samples; NaN where there is none."""
    ordered = np.sort(samples, axis=-1)  # NaN stand last
    count = np.isfinite(ordered).sum(axis=-1)
    place = level * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.int64)[..., np.newaxis]
    high = np.ceil(place).astype(np.int64)[..., np.newaxis]
    below = np.take_along_axis(ordered, low, -1)[..., 0].astype(np.float64)
    above = np.take_along_axis(ordered, high, -1)[..., 0].astype(np.float64)
    found: NDArray[np.float64] = below + (above - below) * (place - low[..., 0])
    return found


def largest(samples: Floats) -> NDArray[np.float64]:
    """The maximum along the last axis; NaN where there is no sample."""
    highest = np.where(np.isfinite(samples), samples, -np.inf).max(axis=-1, initial=-np.inf)
    found: NDArray[np.float64] = np.where(np.isfinite(highest), highest, np.nan).astype(np.float64)
    return found
