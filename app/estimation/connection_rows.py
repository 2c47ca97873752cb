"""The last 24 hours of every directed edge, step by step, and their mean over wall-clock time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.estimation.samples import STEPS_PER_DAY, ConnectionSamples, StepRange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConnectionMean:
    """Means over the steps in which the source was scraped; silent steps count as 0.

    The bytes are None where none were measured in the whole day.
    """

    connection: Connection
    requests_per_minute: float
    responses_per_minute: float
    first_step: int
    last_step: int
    scraped_steps: int
    request_bytes_per_second: float | None = None
    response_bytes_per_second: float | None = None


class _Ring:
    """A row of one day for each name; *empty* stands where there is no sample."""

    def __init__(self, empty: np.generic) -> None:
        self._empty = empty
        self.rows: NDArray[Any] = np.empty((0, STEPS_PER_DAY), dtype=empty.dtype)

    def clear(self, columns: NDArray[np.int64]) -> None:
        self.rows[:, columns] = self._empty

    def replace(
        self, columns: NDArray[np.int64], rows: NDArray[np.int64], values: NDArray[Any] | None
    ) -> None:
        """The columns hold *values* in these rows, and nothing in the others."""
        missing = max(0, rows.max(initial=-1) + 1 - len(self.rows))
        self.rows = np.concatenate((self.rows, np.full((missing, STEPS_PER_DAY), self._empty)))
        self.clear(columns)
        if values is not None:
            self.rows[np.ix_(rows, columns)] = np.where(np.isnan(values), self._empty, values)


class ConnectionRows:
    """A ring of one day; an answer replaces the steps that it covers, so asking twice changes nothing."""

    def __init__(self) -> None:
        self._newest = 0
        self._covered = np.zeros(STEPS_PER_DAY, dtype=np.bool_)
        self._edges: dict[Connection, int] = {}
        self._sources: dict[Workload, int] = {}
        self._requests, self._responses = _Ring(np.float32(0)), _Ring(np.float32(0))
        self._request_bytes, self._response_bytes = _Ring(np.float32(np.nan)), _Ring(np.float32(np.nan))
        self._scraped = _Ring(np.bool_(False))

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
        """Take one whole answer, in which no edge and no source stands twice."""
        self._advance(samples.steps.last)
        steps = np.arange(samples.steps.first, samples.steps.last + 1)
        inside = steps > self._newest - STEPS_PER_DAY
        columns = steps[inside] % STEPS_PER_DAY
        edges = self._rows(self._edges, samples.edges)
        sources = self._rows(self._sources, samples.sources)
        for ring, values in (
            (self._requests, samples.requests),
            (self._responses, samples.responses),
            (self._request_bytes, samples.request_bytes),
            (self._response_bytes, samples.response_bytes),
        ):
            ring.replace(columns, edges, None if values is None else values[:, inside])
        self._scraped.replace(columns, sources, samples.scraped[:, inside])
        self._covered[columns] = True

    def means(self) -> list[ConnectionMean]:
        """One mean for each edge that was not silent for the whole day."""
        requests = self._requests.rows.sum(axis=1, dtype=np.float64)
        responses = self._responses.rows.sum(axis=1, dtype=np.float64)
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
                    _mean(self._request_bytes.rows[row], len(scraped)),
                    _mean(self._response_bytes.rows[row], len(scraped)),
                )
            )
        return means

    def _scraped_steps(self, source: int) -> NDArray[np.int64]:
        columns = np.flatnonzero(self._scraped.rows[source])
        return self._newest - (self._newest - columns) % STEPS_PER_DAY

    def _advance(self, newest: int) -> None:
        """Move the ring's end to *newest* and forget what falls out of it."""
        gone = min(newest - self._newest, STEPS_PER_DAY)
        if gone <= 0:
            return
        columns = np.arange(newest - gone + 1, newest + 1) % STEPS_PER_DAY
        self._covered[columns] = False
        for ring in (self._requests, self._responses, self._request_bytes, self._response_bytes):
            ring.clear(columns)
        self._scraped.clear(columns)
        self._newest = newest

    @staticmethod
    def _rows(index: dict[T, int], names: Sequence[T]) -> NDArray[np.int64]:
        return np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int64)


def _mean(rates: NDArray[np.float32], steps: int) -> float | None:
    known = rates[~np.isnan(rates)]
    return float(known.sum(dtype=np.float64)) / steps if len(known) else None
