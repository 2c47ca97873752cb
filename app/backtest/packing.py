"""Puts whole answers of a source into the lanes of their series, whatever order they come in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, day_of
from app.recommendation.day_summaries import Floats

Attribute = Callable[[str, str], Workload | None]
# CPU in cores and memory in bytes that a container asks for now.
Requests = Mapping[PodContainer, Mapping[Resource, float]]
_DayLanes = dict[int, list[Floats]]  # by series


@dataclass(slots=True)
class UsageBuilder:
    """Collects days of samples; *attribute* maps (namespace, Pod) to its workload, None leaves it out."""

    attribute: Attribute
    _series: dict[Container, int] = field(default_factory=dict)
    _days: dict[Resource, dict[int, _DayLanes]] = field(
        default_factory=lambda: {each: {} for each in Resource}
    )

    def add(self, samples: ContainerSamples) -> None:
        """Take a part of a day."""
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

    def built(self, requests: Requests) -> Usage | None:
        """All that was added, and what is asked for now; None where there is nothing."""
        days = sorted({day for of_days in self._days.values() for day, lanes in of_days.items() if lanes})
        if not days:
            return None
        lanes = {resource: self._lanes(resource, days[0], days[-1]) for resource in Resource}
        return Usage(days[0], tuple(self._series), lanes, self._requests(requests))

    def _lanes(self, resource: Resource, first: int, last: int) -> Lanes:
        by_day = self._days[resource]
        most = np.zeros(len(self._series), dtype=np.int64)
        for lanes in by_day.values():
            for series, rows in lanes.items():
                most[series] = max(most[series], len(rows))
        starts = np.cumsum(most) - most
        values = np.full((int(most.sum()), last - first + 1, STEPS_PER_DAY), np.nan, dtype=np.float32)
        for day, lanes in by_day.items():
            for series, rows in lanes.items():
                values[starts[series] : starts[series] + len(rows), day - first] = rows
        return Lanes(np.repeat(np.arange(len(most)), most), values, len(most))

    def _requests(self, requests: Requests) -> dict[Resource, NDArray[np.float64]]:
        """Replicas ask for the same; while a change rolls out the larger one counts."""
        found = {resource: np.full(len(self._series), np.nan) for resource in Resource}
        for pod_container, amounts in requests.items():
            workload = self.attribute(pod_container.namespace, pod_container.pod)
            series = self._series.get(Container(workload, pod_container.container)) if workload else None
            if series is not None:
                for resource, amount in amounts.items():
                    found[resource][series] = np.fmax(found[resource][series], amount)
        return found


def _place(lanes: list[Floats], first: int, values: NDArray[np.float64]) -> None:
    """Into the first lane that is free where *values* has samples, else into a new one."""
    known, steps = np.isfinite(values), slice(first, first + len(values))
    if not known.any():
        return
    for lane in lanes:
        if not np.isfinite(lane[steps][known]).any():
            lane[steps][known] = values[known]
            return
    lanes.append(np.full(STEPS_PER_DAY, np.nan, dtype=np.float32))
    lanes[-1][steps][known] = values[known]
