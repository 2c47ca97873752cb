"""A recorded history as a source in place of Prometheus.

Recorded samples are put on the 5-minute grid when the file is read. Every reader takes the whole record, as
if its newest sample were of now: so all get the same numbers, at any time of day.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.pod_names import PodNames
from app.domain.profiles import PRESSURES_OF, ProfileKind, Resource
from app.domain.workloads import Connection, Workload
from app.history.samples import (
    STEP_SECONDS,
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.sources.history_file import RecordedSeries, read_history_file

# A series with a name without slashes has no Pod: it gets its own Pod and its own workload.
STANDALONE_NAMESPACE = "recorded"
STANDALONE_CONTAINER = "main"

Combine = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class _GriddedSeries:
    """Samples sorted by series, then step; at most one per series and step."""

    series_count: int
    series: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def matrix(self, steps: StepRange) -> NDArray[np.float64]:
        """Shape [series, steps]; NaN for no sample."""
        matrix = np.full((self.series_count, len(steps)), np.nan)
        inside = (self.steps >= steps.first) & (self.steps <= steps.last)
        matrix[self.series[inside], self.steps[inside] - steps.first] = self.values[inside]
        return matrix


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """The content of a file, on the grid."""

    containers: tuple[PodContainer, ...]
    standalone: frozenset[PodContainer]
    owners: Mapping[tuple[str, str], Workload]
    container_requests: Mapping[PodContainer, Mapping[Resource, float]]  # at its end
    usage: Mapping[Resource, _GriddedSeries]
    edges: tuple[Connection, ...]
    edge_requests: _GriddedSeries
    edge_responses: _GriddedSeries
    first_step: int
    last_step: int


@dataclass(frozen=True, slots=True, eq=False)
class RecordedHistory:
    """A record under the name of its file."""

    name: str
    record: _Record

    @property
    def first_step(self) -> int:
        """The step of the oldest sample."""
        return self.record.first_step

    @property
    def last_step(self) -> int:
        """The step of the newest sample."""
        return self.record.last_step

    @property
    def found_servers(self) -> Mapping[str, str]:
        """None: a file has no server."""
        return {}

    @property
    def container_jobs(self) -> Collection[str]:
        """None: a record has no scrape jobs."""
        return ()

    @property
    def own_clusters(self) -> Collection[str]:
        """None: a record is of one cluster."""
        return ()

    def late_namespaces(self, kind: ProfileKind) -> Collection[str]:  # noqa: ARG002 - the port's signature
        """None: a record changes no more."""
        return ()

    async def retention_seconds(self) -> float | None:
        """None: a record has no retention time."""
        return None

    async def pod_owners(self, _steps: StepRange) -> PastOwners:
        """The workload of every recorded (namespace, Pod), if it is known.

        It is that of the file, or else follows from the Pod's name; a series without a Pod is its own
        workload.
        """
        names = PodNames(
            [endpoint for edge in self.record.edges for endpoint in (edge.source, edge.destination)]
        )
        owners = {
            (container.namespace, container.pod): Workload(container.namespace, container.pod)
            if container in self.record.standalone
            else names.workload(container.namespace, container.pod)
            for container in self.record.containers
        }
        known = {pod: owner for pod, owner in owners.items() if owner is not None}
        return PastOwners(workloads=known | dict(self.record.owners))

    async def container_requests(self, _step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """The requests at the end of the record; a file has no others."""
        return self.record.container_requests

    async def pressure_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[PressureSamples]]:
        """No samples: history files have none."""
        kinds = PRESSURES_OF[resource]
        yield [replace(PressureSamples.none(kind, steps), answered=namespaces) for kind in kinds]

    async def container_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[ContainerSamples]]:
        """The samples of each day, the newest day first; without containers that have none on that day."""
        for day in sorted(steps.by_day(), reverse=True):
            yield [replace(self._containers(resource, day), answered=namespaces)]

    def _containers(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        values = self.record.usage[resource].matrix(steps)
        has_sample = np.isfinite(values).any(axis=1)
        containers = tuple(self.record.containers[row] for row in np.flatnonzero(has_sample))
        return ContainerSamples(resource, steps, containers, values[has_sample])

    async def connection_samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """The samples of each edge in *steps*; yields nothing for a record without edges."""
        if self.record.edges:
            yield replace(self._connections(steps), answered=namespaces)

    def _connections(self, steps: StepRange) -> ConnectionSamples:
        """A source counts as scraped in each step in which one of its edges has a sample."""
        requests, responses = (
            side.matrix(steps) for side in (self.record.edge_requests, self.record.edge_responses)
        )
        sampled = np.isfinite(requests) | np.isfinite(responses)
        has_sample = sampled.any(axis=1)
        edges = tuple(self.record.edges[row] for row in np.flatnonzero(has_sample))
        sources = sorted({edge.source for edge in edges})
        scraped = np.zeros((len(sources), len(steps)), dtype=np.bool_)
        np.logical_or.at(scraped, [sources.index(edge.source) for edge in edges], sampled[has_sample])
        return ConnectionSamples(
            steps, edges, requests[has_sample], responses[has_sample], tuple(sources), scraped
        )


def read_recorded_history(path: Path) -> RecordedHistory:
    """The history in the file at *path*.

    Raises:
        HistoryFileError: names the file and the error in it.
    """
    containers, edges = read_history_file(path)
    cpu, memory = (
        _to_grid(containers, values, combine)
        for values, combine in zip(containers.values, (_mean, _maximum), strict=True)
    )
    requests, responses = (_to_grid(edges, values, _mean) for values in edges.values)
    steps = np.concatenate([series.steps for series in (cpu, memory, requests, responses)])
    record = _Record(
        tuple(map(_container, containers.names)),
        frozenset(_container(name) for name in containers.names if "/" not in name),
        _owners(containers),
        _container_requests(containers),
        {Resource.CPU: cpu, Resource.MEMORY: memory},
        tuple(map(_connection, edges.names)),
        requests,
        responses,
        int(steps.min()),
        int(steps.max()),
    )
    return RecordedHistory(path.name, record)


def _owners(table: RecordedSeries) -> dict[tuple[str, str], Workload]:
    """The workload of each (namespace, Pod), if the file has it."""
    owners = {}
    for name, workload in zip(table.names, table.workloads, strict=False):
        if workload:
            kind, namespace, owner = workload.split("/")
            container = _container(name)
            owners[container.namespace, container.pod] = Workload(namespace, owner, kind)
    return owners


def _container_requests(table: RecordedSeries) -> dict[PodContainer, dict[Resource, float]]:
    """The requests of each container, if the file has them."""
    requests: dict[PodContainer, dict[Resource, float]] = {}
    for resource, amounts in zip(Resource, table.requests or (), strict=False):
        for row in np.flatnonzero(np.isfinite(amounts)):
            requests.setdefault(_container(table.names[row]), {})[resource] = float(amounts[row])
    return requests


def _container(name: str) -> PodContainer:
    if "/" in name:
        return PodContainer(*name.split("/"))
    return PodContainer(STANDALONE_NAMESPACE, name, STANDALONE_CONTAINER)


def _connection(name: str) -> Connection:
    source, destination = (Workload(*endpoint.split("/")) for endpoint in name.split(">"))
    return Connection(source, destination)


def _to_grid(table: RecordedSeries, values: NDArray[np.float64], combine: Combine) -> _GriddedSeries:
    """Assigns each sample to the step that holds its time, the step's end included; NaN is no sample."""
    has_sample = ~np.isnan(values)
    series, values = table.series[has_sample], values[has_sample]
    steps = np.ceil(table.timestamps[has_sample] / STEP_SECONDS).astype(np.int64)
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
