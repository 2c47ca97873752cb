"""Packs samples into the lanes of their series, in any order of arrival."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, day_of
from app.recommendation.array_types import Float32Array

Attribute = Callable[[str, str], Workload | None]
# The current requests of containers: CPU in cores, memory in bytes.
Requests = Mapping[PodContainer, Mapping[Resource, float]]
_DayLanes = dict[int, list[Float32Array]]  # by series


@dataclass(slots=True)
class UsageBuilder:
    """Collects samples; *attribute* maps (namespace, Pod) to its workload, or to None to ignore the Pod."""

    attribute: Attribute
    _series: dict[Container, int] = field(default_factory=dict)
    _days: dict[Resource, dict[int, _DayLanes]] = field(
        default_factory=lambda: {resource: {} for resource in Resource}
    )

    def add(self, samples: ContainerSamples) -> None:
        """Adds samples of one day or a part of it."""
        lanes = self._days[samples.resource].setdefault(day_of(samples.steps.first), {})
        first = (samples.steps.first - 1) % STEPS_PER_DAY
        for container, values in zip(samples.containers, samples.values, strict=True):
            series = self._series_of(container)
            if series is not None:
                _place(lanes.setdefault(series, []), first, values)

    def _series_of(self, container: PodContainer) -> int | None:
        workload = self.attribute(container.namespace, container.pod)
        if workload is None:
            return None
        return self._series.setdefault(Container(workload, container.container), len(self._series))

    def build(self, requests: Requests) -> Usage | None:
        """The usage of all added samples with the current *requests*; None if there are no samples."""
        days = sorted({day for by_day in self._days.values() for day, lanes in by_day.items() if lanes})
        if not days:
            return None
        lanes = {resource: self._lanes(resource, days[0], days[-1]) for resource in Resource}
        return Usage(days[0], tuple(self._series), lanes, self._requests(requests))

    def _lanes(self, resource: Resource, first: int, last: int) -> Lanes:
        by_day = self._days[resource]
        lane_counts = np.zeros(len(self._series), dtype=np.int64)
        for lanes in by_day.values():
            for series, rows in lanes.items():
                lane_counts[series] = max(lane_counts[series], len(rows))
        starts = np.cumsum(lane_counts) - lane_counts
        shape = int(lane_counts.sum()), last - first + 1, STEPS_PER_DAY
        values = np.full(shape, np.nan, dtype=np.float32)
        for day, lanes in by_day.items():
            for series, rows in lanes.items():
                values[starts[series] : starts[series] + len(rows), day - first] = rows
        return Lanes(np.repeat(np.arange(len(lane_counts)), lane_counts), values, len(lane_counts))

    def _requests(self, requests: Requests) -> dict[Resource, NDArray[np.float64]]:
        """The request of each series; the largest if its replicas differ (during a rollout)."""
        amounts = {resource: np.full(len(self._series), np.nan) for resource in Resource}
        for pod_container, requested in requests.items():
            workload = self.attribute(pod_container.namespace, pod_container.pod)
            series = self._series.get(Container(workload, pod_container.container)) if workload else None
            if series is not None:
                for resource, amount in requested.items():
                    amounts[resource][series] = np.fmax(amounts[resource][series], amount)
        return amounts


def _place(lanes: list[Float32Array], first: int, values: NDArray[np.float64]) -> None:
    """Adds *values* to the first lane that is free at all their steps, or to a new lane."""
    has_sample, steps = np.isfinite(values), slice(first, first + len(values))
    if not has_sample.any():
        return
    for lane in lanes:
        if not np.isfinite(lane[steps][has_sample]).any():
            lane[steps][has_sample] = values[has_sample]
            return
    lanes.append(np.full(STEPS_PER_DAY, np.nan, dtype=np.float32))
    lanes[-1][steps][has_sample] = values[has_sample]
