"""The last 24 hours of every directed edge, step by step, and their mean over wall-clock time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.estimation.samples import STEPS_PER_DAY, ConnectionSamples, StepRange

T = TypeVar("T")
S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, slots=True)
class ConnectionMean:
    """Means per minute over the steps in which the source was scraped; silent steps count as 0."""

    connection: Connection
    requests_per_minute: float
    responses_per_minute: float
    first_step: int
    last_step: int
    scraped_steps: int


class ConnectionRows:
    """A ring of one day; an answer replaces the steps that it covers, so asking twice changes nothing."""

    def __init__(self) -> None:
        self._newest = 0
        self._covered = np.zeros(STEPS_PER_DAY, dtype=np.bool_)
        self._edges: dict[Connection, int] = {}
        self._sources: dict[Workload, int] = {}
        self._requests = np.empty((0, STEPS_PER_DAY), dtype=np.float32)
        self._responses = np.empty((0, STEPS_PER_DAY), dtype=np.float32)
        self._scraped = np.empty((0, STEPS_PER_DAY), dtype=np.bool_)

    def missing(self, newest_step: int) -> list[StepRange]:
        """The steps of the 24 hours up to *newest_step* that no answer has covered yet, newest first."""
        steps = np.arange(newest_step - STEPS_PER_DAY + 1, newest_step + 1)
        known = (steps > self._newest - STEPS_PER_DAY) & (steps <= self._newest)
        covered = known & self._covered[steps % STEPS_PER_DAY]
        edges = np.flatnonzero(np.diff(np.concatenate(([True], covered, [True])).astype(np.int8)))
        ranges = [
            StepRange(int(steps[begin]), int(steps[end - 1]))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
        ]
        return sorted(ranges, reverse=True)

    def fold(self, samples: ConnectionSamples) -> None:
        """Take one whole answer."""
        self._advance(samples.steps.last)
        steps = np.arange(samples.steps.first, samples.steps.last + 1)
        inside = steps > self._newest - STEPS_PER_DAY
        columns = steps[inside] % STEPS_PER_DAY
        edges = self._rows(self._edges, samples.edges)
        sources = self._rows(self._sources, samples.sources)
        self._grow()
        for ring, rows, values in (
            (self._requests, edges, samples.requests),
            (self._responses, edges, samples.responses),
            (self._scraped, sources, samples.scraped),
        ):
            ring[:, columns] = 0
            ring[np.ix_(rows, columns)] = np.nan_to_num(values[:, inside])
        self._covered[columns] = True

    def means(self) -> list[ConnectionMean]:
        """One mean for each edge that was not silent for the whole day."""
        requests = self._requests.sum(axis=1, dtype=np.float64)
        responses = self._responses.sum(axis=1, dtype=np.float64)
        means = []
        for connection, row in self._edges.items():
            source = self._sources.get(connection.source)
            scraped = self._scraped_steps(source) if source is not None else np.empty(0, dtype=np.int64)
            if not len(scraped) or requests[row] + responses[row] <= 0:
                continue
            per_minute = 60.0 / len(scraped)
            means.append(
                ConnectionMean(
                    connection,
                    float(requests[row]) * per_minute,
                    float(responses[row]) * per_minute,
                    int(scraped.min()),
                    int(scraped.max()),
                    len(scraped),
                )
            )
        return means

    def _scraped_steps(self, source: int) -> NDArray[np.int64]:
        columns = np.flatnonzero(self._scraped[source])
        return self._newest - (self._newest - columns) % STEPS_PER_DAY

    def _advance(self, newest: int) -> None:
        """Move the ring's end to *newest* and forget what falls out of it."""
        gone = min(newest - self._newest, STEPS_PER_DAY)
        if gone <= 0:
            return
        columns = np.arange(newest - gone + 1, newest + 1) % STEPS_PER_DAY
        self._covered[columns] = False
        for ring in (self._requests, self._responses, self._scraped):
            ring[:, columns] = 0
        self._newest = newest

    def _grow(self) -> None:
        self._requests = _with_rows(self._requests, len(self._edges))
        self._responses = _with_rows(self._responses, len(self._edges))
        self._scraped = _with_rows(self._scraped, len(self._sources))

    @staticmethod
    def _rows(index: dict[T, int], names: Sequence[T]) -> NDArray[np.int64]:
        return np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int64)


def _with_rows(ring: NDArray[S], rows: int) -> NDArray[S]:
    return np.concatenate((ring, np.zeros((rows - len(ring), STEPS_PER_DAY), dtype=ring.dtype)))
