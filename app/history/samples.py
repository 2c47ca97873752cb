"""Query results of the metric sources, each over a range of aligned 5-minute steps.

A result has all samples of its `answered` namespaces, and none of any other: their steps stay missing.
`failed` has the reason for each namespace that was queried without success.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.domain.connection_providers import Provider
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import Pressure, Resource
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload

STEP_SECONDS = 300
STEPS_PER_DAY, STEPS_PER_HOUR = 86400 // STEP_SECONDS, 3600 // STEP_SECONDS
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True, order=True)
class StepRange:
    """The steps *first* to *last*, both included; step n is the 5 minutes that end at n * 300 s (Unix)."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def start_seconds(self) -> int:
        """The Unix time of the first step."""
        return self.first * STEP_SECONDS

    @property
    def end_seconds(self) -> int:
        """The Unix time of the last step."""
        return self.last * STEP_SECONDS

    def by_day(self) -> Iterator["StepRange"]:
        """The range split at midnight UTC; a day's last step ends at the next midnight."""
        first = self.first
        while first <= self.last:
            last = min(self.last, (day_of(first) + 1) * STEPS_PER_DAY)
            yield StepRange(first, last)
            first = last + 1


def merge_adjacent(parts: Iterable[StepRange]) -> list[StepRange]:
    """The same steps as the fewest ranges, newest first; adjacent ranges are merged."""
    merged: list[StepRange] = []
    for part in sorted(parts, reverse=True):
        if merged and part.last + 1 == merged[-1].first:
            merged[-1] = StepRange(part.first, merged[-1].last)
        else:
            merged.append(part)
    return merged


def day_of(step: int) -> int:
    """The UTC day (counted from 1970-01-01) that contains the 5 minutes of *step*."""
    return (step - 1) // STEPS_PER_DAY


@lru_cache(maxsize=1024)
def step_time(step: int) -> datetime:
    """The time at which *step* ends, as one object: tens of thousands of profiles have the same."""
    return datetime.fromtimestamp(step * STEP_SECONDS, tz=UTC)


class PodContainer(msgspec.Struct, frozen=True, gc=False):
    """One container of one Pod; an answer may have 150,000 of them."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class ContainerSamples:
    """The usage of one resource: `values[i, j]` is container i's sample at step `steps.first + j`.

    CPU in cores (rate over the step), memory in bytes (maximum over the step); NaN for no sample.
    `unusable` counts the samples that the source returned with an unusable number (NaN, infinite, negative).
    """

    resource: Resource
    steps: StepRange
    containers: tuple[PodContainer, ...]
    values: NDArray[np.float64]
    unusable: int = 0
    answered: NamespaceSelection = EVERY_NAMESPACE
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def pods(self) -> Iterable[tuple[str, str]]:
        """The namespace and name of the Pod of each container."""
        return ((container.namespace, container.pod) for container in self.containers)

    def within(self, steps: StepRange) -> "ContainerSamples":
        """The samples of *steps*, which are some of its own."""
        first = steps.first - self.steps.first
        return replace(self, steps=steps, values=self.values[:, first : first + len(steps)])

    def without(self, failed: Mapping[str, str]) -> "ContainerSamples":
        """The samples without those of the *failed* namespaces."""
        kept = [row for row, container in enumerate(self.containers) if container.namespace not in failed]
        return replace(
            self,
            containers=tuple(self.containers[row] for row in kept),
            values=self.values[kept],
            answered=self.answered.without(failed),
            failed={**self.failed, **failed},
        )


@dataclass(frozen=True, slots=True)
class PressureSamples:
    """One kind of pressure, sparse: `containers[rows[k]]` was under pressure at step `at_steps[k]`.

    `shares[k]` in (0, 1] is the share of CPU periods that were throttled, or 1 for an OOM kill. A container
    and step without an entry had no pressure, or too little, or was not queried. `limits_bytes[k]` is the
    memory limit of a container that was OOM-killed, NaN if it is not known; None if none is.
    """

    reason: Pressure
    steps: StepRange
    containers: tuple[PodContainer, ...]
    rows: NDArray[np.int64]
    at_steps: NDArray[np.int64]
    shares: NDArray[np.float64]
    answered: NamespaceSelection = EVERY_NAMESPACE
    failed: Mapping[str, str] = field(default_factory=dict)
    limits_bytes: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, reason: Pressure, steps: StepRange) -> "PressureSamples":
        """The result without any pressure in *steps*."""
        empty = np.empty(0, dtype=np.int64)
        return cls(reason, steps, (), empty, empty, np.empty(0))


@dataclass(frozen=True, slots=True)
class PastOwners:
    """The workload of each terminated (namespace, Pod) that a source knows.

    `known_by` names the source; Pods that are not in `workloads` are matched by their names, except in the
    `failed` namespaces. `incomplete` has Pods with a known owner, such as a Job, for which the source has
    no row on an owner of its own: it counts only if the Pod's name fits no workload. `distrusted` names the
    objects that have too many owners to be true.
    """

    known_by: str = "names"
    workloads: Mapping[tuple[str, str], Workload] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    incomplete: Mapping[tuple[str, str], Workload] = field(default_factory=dict)
    distrusted: frozenset[str] = frozenset()


class EdgeFault(StrEnum):
    """The reason why an edge was dropped before it was kept."""

    UNKNOWN_END = "UnknownEnd"  # nothing identifies an endpoint
    IMPOSSIBLE_NAME = "ImpossibleName"  # no object can have the name
    NO_WORKLOAD = "NoWorkload"  # where workloads are listed, a name of none of them that has no usage either
    OTHER_REPORTER = "OtherReporter"  # neither end reports the edge, nor does a proxy of the mesh
    OTHER_CLUSTER = "OtherCluster"  # an endpoint is in another cluster
    OVER_SHARE = "OverShare"  # the namespace that declares it has more edges than its share


# The number of dropped edges by reason and by the namespace that declares them.
DroppedEdges = Mapping[tuple[EdgeFault, str], int]


class CountedEdge(NamedTuple):
    """A connection as counted by one provider, or by several whose counts are added up."""

    connection: Connection
    provider: Provider


class ObservedSource(NamedTuple):
    """A client as observed by one provider, or by several whose counts are added up."""

    workload: Workload
    provider: Provider


@dataclass(frozen=True, slots=True)
class ConnectionSamples:
    """Rates per second of edge i at step `steps.first + j`, by request, response and byte; NaN for no sample.

    `scraped[i, j]` is True if the metrics of `sources[i]` were collected in that step: an edge without a
    sample was silent then, otherwise it is unknown. Shapes: [edges, steps] and [sources, steps].

    A provider identifies ends by labels; `kind` is empty if the labels lack it. If it knows Pods of an end,
    `edge_pods[i]`, `source_pods[i]` and `destination_pods[i]` name them: those of the source of edge i, of
    `sources[i]`, and of the destination of edge i. Pods identify the workload better than labels, so an edge
    or source may occur more than once, with different Pods; with Pods, the label's name may be empty.

    `reporters[i]` has the flags (`Reporters`) of the ends that report edge i; without it, the sources report
    all. `dropped` counts the edges that were left out. The namespace that counts for `answered` and `failed`
    is that of the source. `unanswered_provider` has the reason if one of several providers did not answer.
    `protocols[i]` is the `Protocol` of edge i; edges have requests of HTTP without it. `unseen` has, in
    words, what metrics lack.

    `providers[i]` is the `Provider` that counts edge i, `source_providers[i]` the one that observed source i;
    it is 0 where that is not known, as without them. A provider in `sampling` looks at one in so many
    requests or packets.
    """

    steps: StepRange
    edges: tuple[Connection, ...]
    requests: NDArray[np.float64]
    responses: NDArray[np.float64]
    sources: tuple[Workload, ...]
    scraped: NDArray[np.bool_]
    unusable: int = 0
    request_bytes: NDArray[np.float64] | None = None
    response_bytes: NDArray[np.float64] | None = None
    edge_pods: tuple[Sequence[str], ...] = ()
    source_pods: tuple[Sequence[str], ...] = ()
    destination_pods: tuple[Sequence[str], ...] = ()
    answered: NamespaceSelection = EVERY_NAMESPACE
    failed: Mapping[str, str] = field(default_factory=dict)
    unanswered_provider: str = ""
    reporters: NDArray[np.uint8] | None = None
    dropped: DroppedEdges = field(default_factory=dict)
    protocols: NDArray[np.uint8] | None = None
    unseen: str = ""
    providers: NDArray[np.uint8] | None = None
    source_providers: NDArray[np.uint8] | None = None
    sampling: Mapping[Provider, float] = field(default_factory=dict)

    @classmethod
    def none(cls, steps: StepRange, answered: NamespaceSelection) -> "ConnectionSamples":
        """The result without any edge."""
        nothing = np.empty((0, len(steps)))
        scraped = np.empty((0, len(steps)), dtype=np.bool_)
        return cls(steps, (), nothing, nothing, (), scraped, answered=answered)

    @property
    def edge_reporters(self) -> NDArray[np.uint8]:
        """The flags of the ends that report each edge."""
        if self.reporters is None:
            return np.full(len(self.edges), Reporters.SOURCE, dtype=np.uint8)
        return self.reporters

    @property
    def edge_providers(self) -> NDArray[np.uint8]:
        """The provider that counts each edge."""
        return _or_not_known(self.providers, len(self.edges))

    @property
    def observers(self) -> NDArray[np.uint8]:
        """The provider that observed each source."""
        return _or_not_known(self.source_providers, len(self.sources))

    @property
    def counted_edges(self) -> tuple[CountedEdge, ...]:
        """The edges, each with the providers whose counts of it are added up."""
        return tuple(map(CountedEdge, self.edges, _counted_together(self.edge_providers)))

    @property
    def observed_sources(self) -> tuple[ObservedSource, ...]:
        """The sources, each with the providers whose counts of its edges are added up."""
        return tuple(map(ObservedSource, self.sources, _counted_together(self.observers)))


def _or_not_known(providers: NDArray[np.uint8] | None, count: int) -> NDArray[np.uint8]:
    return np.zeros(count, dtype=np.uint8) if providers is None else providers


def _counted_together(providers: NDArray[np.uint8]) -> Iterator[Provider]:
    groups = {flags: Provider(flags).counted_together for flags in set(providers.tolist())}
    return map(groups.__getitem__, providers.tolist())
