"""Measurements as the sources deliver them: whole answers over a range of aligned 5-minute steps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Connection, Workload

STEP_SECONDS = 300
STEPS_PER_DAY = 86400 // STEP_SECONDS


@dataclass(frozen=True, slots=True, order=True)
class StepRange:
    """The steps *first* to *last*, both included; step n is the 5 minutes that end at n * 300 s (Unix)."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def start_seconds(self) -> int:
        """The time of the first step."""
        return self.first * STEP_SECONDS

    @property
    def end_seconds(self) -> int:
        """The time of the last step."""
        return self.last * STEP_SECONDS

    def by_day(self) -> Iterator["StepRange"]:
        """The range cut at midnight UTC. A day's last step is the one that ends at the next midnight."""
        first = self.first
        while first <= self.last:
            last = min(self.last, (day_of(first) + 1) * STEPS_PER_DAY)
            yield StepRange(first, last)
            first = last + 1


def contiguous(parts: Iterable[StepRange]) -> list[StepRange]:
    """The same steps in as few ranges as there are gaps between them, newest first."""
    joined: list[StepRange] = []
    for part in sorted(parts, reverse=True):
        if joined and part.last + 1 == joined[-1].first:
            joined[-1] = StepRange(part.first, joined[-1].last)
        else:
            joined.append(part)
    return joined


def day_of(step: int) -> int:
    """The day (since 1970) in which the 5 minutes of *step* lie."""
    return (step - 1) // STEPS_PER_DAY


def step_time(step: int) -> datetime:
    """The moment at which *step* ends."""
    return datetime.fromtimestamp(step * STEP_SECONDS, tz=UTC)


@dataclass(frozen=True, slots=True)
class PodContainer:
    """One replica's container."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class ContainerSamples:
    """A whole answer on one resource: `values[i, j]` is container i's sample at step `steps.first + j`.

    CPU in cores (rate over the step), memory in bytes (maximum over the step); NaN where there is none.
    `unusable` counts samples that the source gave but that are no usable number (NaN, infinite, negative).
    """

    resource: Resource
    steps: StepRange
    containers: tuple[PodContainer, ...]
    values: NDArray[np.float64]
    unusable: int = 0


@dataclass(frozen=True, slots=True)
class PressureSamples:
    """A whole answer on one sign of need, sparse: `containers[rows[k]]` showed it at step `at_steps[k]`.

    `shares[k]` in (0, 1] is how much of it: the share of the periods in which its CPU was throttled, 1 for an
    OOM kill. What does not stand there showed nothing worth telling, or was not asked.
    """

    reason: Pressure
    steps: StepRange
    containers: tuple[PodContainer, ...]
    rows: NDArray[np.int64]
    at_steps: NDArray[np.int64]
    shares: NDArray[np.float64]

    @classmethod
    def none(cls, reason: Pressure, steps: StepRange) -> "PressureSamples":
        """Nothing was seen in *steps*."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(reason, steps, (), nothing, nothing, np.empty(0))


@dataclass(frozen=True, slots=True)
class PastOwners:
    """The workload of each (namespace, Pod) of the past, as far as a source knows it.

    `known_by` names where that comes from; what is not in `workloads` is left to the Pods' names.
    """

    known_by: str = "names"
    workloads: Mapping[tuple[str, str], Workload] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionSamples:
    """A whole answer on connections: rates per second of edge i at step `steps.first + j`; NaN where none.

    `scraped[i, j]` is True where the metrics of `sources[i]` were collected in that step, so that an absent
    edge means silence there and not ignorance. Shapes: [edges, steps] and [sources, steps].

    A mesh names ends by labels, which may tell a kind or not (`kind` is empty then). Where it knows the Pods
    behind a source, `edge_pods[i]` and `source_pods[i]` name them; they tell more than the labels, so that
    edges and sources may stand there more than once. `unknown_ends` counts edges that were left out because
    an end of theirs is not told.
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
    unknown_ends: int = 0
