"""A recorded history in Prometheus' place: the same questions, answered from a file.

Recorded samples are put on the 5-minute grid once, when the file is read. A record can be moved by whole
days, so that it stands for the recent past with its daily rhythm in phase.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.pod_names import PodNames
from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Connection, Workload
from app.history.samples import (
    STEP_SECONDS,
    STEPS_PER_DAY,
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.sources.history_file import RecordedSeries, read_history_file

# What is recorded under a name without slashes has no Pod: it gets one of its own, of a workload of its own.
STANDALONE_NAMESPACE = "recorded"
STANDALONE_CONTAINER = "main"

Combine = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class _GriddedSeries:
    """Samples in order of series, then step; at most one for each."""

    names: int
    series: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def matrix(self, first: int, last: int) -> NDArray[np.float64]:
        """Shape [series, steps]; NaN where there is no sample."""
        matrix = np.full((self.names, last - first + 1), np.nan)
        inside = (self.steps >= first) & (self.steps <= last)
        matrix[self.series[inside], self.steps[inside] - first] = self.values[inside]
        return matrix


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """What a file holds, on the grid."""

    containers: tuple[PodContainer, ...]
    standalone: frozenset[PodContainer]
    owners: Mapping[tuple[str, str], Workload]
    asked: Mapping[PodContainer, Mapping[Resource, float]]  # for now, by the containers themselves
    usage: Mapping[Resource, _GriddedSeries]
    edges: tuple[Connection, ...]
    requests: _GriddedSeries
    responses: _GriddedSeries
    first_step: int
    last_step: int


@dataclass(frozen=True, slots=True, eq=False)
class RecordedHistory:
    """A record, moved by *shift_days*, of which nothing is known after the step *present*."""

    name: str
    record: _Record
    shift_days: int = 0
    present: int | None = None

    @property
    def first_step(self) -> int:
        """The step of the oldest sample."""
        return self.record.first_step + self._shift

    @property
    def last_step(self) -> int:
        """The step of the newest sample that is known."""
        last = self.record.last_step + self._shift
        return last if self.present is None else min(last, self.present)

    @property
    def network_provider_in_use(self) -> str:
        """Where connections come from."""
        return "recorded" if self.record.edges else "none"

    def ending_at(self, now_seconds: float) -> "RecordedHistory":
        """The same record, moved by whole days to cover the time up to *now_seconds*.

        Less than a day of its end comes to lie in the future; those samples are hidden.
        """
        present = int(now_seconds // STEP_SECONDS)
        shift_days = -((self.record.last_step - present) // STEPS_PER_DAY)
        return replace(self, shift_days=shift_days, present=present)

    async def retention_seconds(self) -> float | None:
        """A record does not forget."""
        return None

    async def pod_owners(self, _steps: StepRange) -> PastOwners:
        """The workload of every recorded (namespace, Pod) of which something tells it.

        The file does, or else a Pod's name; what was recorded without a Pod is a workload by itself.
        """
        names = PodNames([end for edge in self.record.edges for end in (edge.source, edge.destination)])
        owners = {
            (each.namespace, each.pod): Workload(each.namespace, each.pod)
            if each in self.record.standalone
            else names.workload(each.namespace, each.pod)
            for each in self.record.containers
        }
        found = {pod: owner for pod, owner in owners.items() if owner is not None}
        return PastOwners(workloads=found | dict(self.record.owners))

    async def container_requests(self, _step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """What was recorded of it, at the record's end."""
        return self.record.asked

    async def pressure_samples(self, reason: Pressure, steps: StepRange) -> AsyncIterator[PressureSamples]:
        """None: nobody recorded them."""
        yield PressureSamples.none(reason, steps)

    async def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """What was recorded of each container, day by day; those without a sample in a day are left out."""
        for day in sorted(steps.by_day(), reverse=True):
            yield [self._containers(resource, day)]

    def _containers(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        values = self._matrix(self.record.usage[resource], steps)
        seen = np.isfinite(values).any(axis=1)
        containers = tuple(self.record.containers[row] for row in np.flatnonzero(seen))
        return ContainerSamples(resource, steps, containers, values[seen])

    async def connection_samples(self, steps: StepRange) -> AsyncIterator[ConnectionSamples]:
        """What was recorded of each edge in *steps*; nothing for a record without edges."""
        if self.record.edges:
            yield self._connections(steps)

    def _connections(self, steps: StepRange) -> ConnectionSamples:
        """A source was scraped in each step in which one of its edges has a sample."""
        requests, responses = (
            self._matrix(side, steps) for side in (self.record.requests, self.record.responses)
        )
        known = np.isfinite(requests) | np.isfinite(responses)
        seen = known.any(axis=1)
        edges = tuple(self.record.edges[row] for row in np.flatnonzero(seen))
        sources = sorted({edge.source for edge in edges})
        scraped = np.zeros((len(sources), len(steps)), dtype=np.bool_)
        np.logical_or.at(scraped, [sources.index(edge.source) for edge in edges], known[seen])
        return ConnectionSamples(steps, edges, requests[seen], responses[seen], tuple(sources), scraped)

    @property
    def _shift(self) -> int:
        return self.shift_days * STEPS_PER_DAY

    def _matrix(self, series: _GriddedSeries, steps: StepRange) -> NDArray[np.float64]:
        matrix = series.matrix(steps.first - self._shift, steps.last - self._shift)
        if self.present is not None:
            matrix[:, max(0, self.present + 1 - steps.first) :] = np.nan
        return matrix


class ReplayedHistory:
    """A record that always ends now, for a demonstration that goes on: its last day is repeated for ever."""

    def __init__(self, history: RecordedHistory, clock: Callable[[], float]) -> None:
        self._history, self._clock = history, clock

    async def retention_seconds(self) -> float | None:
        """The same at any time."""
        return await self._history.retention_seconds()

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The same at any time."""
        return await self._history.pod_owners(steps)

    def pressure_samples(self, reason: Pressure, steps: StepRange) -> AsyncIterator[PressureSamples]:
        """The same at any time."""
        return self._history.pressure_samples(reason, steps)

    def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """As of this moment."""
        return self._history.ending_at(self._clock()).container_samples(resource, steps)

    def connection_samples(self, steps: StepRange) -> AsyncIterator[ConnectionSamples]:
        """As of this moment."""
        return self._history.ending_at(self._clock()).connection_samples(steps)


def read_recorded_history(path: Path) -> RecordedHistory:
    """The history in the file.

    Raises:
        HistoryFileError: names the file and what is wrong in it.
    """
    containers, edges = read_history_file(path)
    cpu, memory = (
        _on_grid(containers, values, combine)
        for values, combine in zip(containers.values, (_mean, _maximum), strict=True)
    )
    requests, responses = (_on_grid(edges, values, _mean) for values in edges.values)
    steps = np.concatenate([series.steps for series in (cpu, memory, requests, responses)])
    record = _Record(
        tuple(map(_container, containers.names)),
        frozenset(_container(name) for name in containers.names if "/" not in name),
        _owners(containers),
        _asked(containers),
        {Resource.CPU: cpu, Resource.MEMORY: memory},
        tuple(map(_connection, edges.names)),
        requests,
        responses,
        int(steps.min()),
        int(steps.max()),
    )
    return RecordedHistory(path.name, record)


def _owners(table: RecordedSeries) -> dict[tuple[str, str], Workload]:
    """Of the Pods of which the file tells it."""
    found = {}
    for name, workload in zip(table.names, table.workloads, strict=False):
        if workload:
            kind, namespace, owner = workload.split("/")
            container = _container(name)
            found[container.namespace, container.pod] = Workload(namespace, owner, kind)
    return found


def _asked(table: RecordedSeries) -> dict[PodContainer, dict[Resource, float]]:
    """What each container asks for, of those of which the file tells it."""
    found: dict[PodContainer, dict[Resource, float]] = {}
    for resource, amounts in zip(Resource, table.requests or (), strict=False):
        for row in np.flatnonzero(np.isfinite(amounts)):
            found.setdefault(_container(table.names[row]), {})[resource] = float(amounts[row])
    return found


def _container(name: str) -> PodContainer:
    if "/" in name:
        return PodContainer(*name.split("/"))
    return PodContainer(STANDALONE_NAMESPACE, name, STANDALONE_CONTAINER)


def _connection(name: str) -> Connection:
    source, destination = (Workload(*end.split("/")) for end in name.split(">"))
    return Connection(source, destination)


def _on_grid(table: RecordedSeries, values: NDArray[np.float64], combine: Combine) -> _GriddedSeries:
    """A sample belongs to the step whose 5 minutes hold it, their end included; NaN is no sample."""
    known = ~np.isnan(values)
    series, values = table.series[known], values[known]
    steps = np.ceil(table.timestamps[known] / STEP_SECONDS).astype(np.int64)
    order = np.lexsort((steps, series))
    series, steps, values = series[order], steps[order], values[order]
    begins = np.ones(len(series), dtype=np.bool_)
    begins[1:] = (np.diff(series) != 0) | (np.diff(steps) != 0)
    starts = np.flatnonzero(begins)
    return _GriddedSeries(len(table.names), series[starts], steps[starts], combine(values, starts))


def _mean(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.add.reduceat(values, starts) / np.diff(starts, append=len(values))
    return mean


def _maximum(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.maximum.reduceat(values, starts)
