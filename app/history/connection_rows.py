"""The last 24 hours of every directed edge, step by step, and their mean over wall-clock time.

An edge belongs to its source, whose key tells which steps it lacks. A step is taken as it was answered first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.history.coverage import Coverage, StepFlags
from app.history.key_ranges import KeyRange, Keys, key_of, keys_of
from app.history.samples import STEPS_PER_DAY, ConnectionSamples, StepRange, day_of

T = TypeVar("T")
_NEVER = (0, 0, 0)  # scraped steps of a source that is not known
RATES = ("requests", "responses", "request_bytes", "response_bytes")


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


class Ring:
    """A row of one day for each name; *empty* stands where there is no sample."""

    def __init__(self, empty: np.generic) -> None:
        self._empty = empty
        self.rows: NDArray[Any] = np.empty((0, STEPS_PER_DAY), dtype=empty.dtype)

    def grow(self, size: int) -> None:
        """Make room for so many rows."""
        missing = max(0, size - len(self.rows))
        if missing:
            self.rows = np.concatenate((self.rows, np.full((missing, STEPS_PER_DAY), self._empty)))

    def clear(self, columns: NDArray[np.int64]) -> None:
        """Hold nothing in these columns."""
        self.rows[:, columns] = self._empty

    def put(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[Any], where: StepFlags
    ) -> None:
        """Hold *values* [rows, columns] where a flag is set and there is a sample."""
        cells = np.ix_(rows, columns)
        self.rows[cells] = np.where(where & ~np.isnan(values), values, self.rows[cells])


class ConnectionRows:
    """A ring of one day for each edge and each source; what has been silent for a day is forgotten."""

    def __init__(self) -> None:
        self.newest = 0
        self.coverage = Coverage()
        self.edges: dict[Connection, int] = {}
        self.sources: dict[Workload, int] = {}
        absent = (np.float32(0), np.float32(0), np.float32(np.nan), np.float32(np.nan))
        self.rates = {name: Ring(empty) for name, empty in zip(RATES, absent, strict=True)}
        self.scraped = Ring(np.bool_(False))

    def missing(self, newest_step: int) -> list[StepRange]:
        """The steps of the 24 hours up to *newest_step* that somebody lacks, within days, newest first."""
        return self.coverage.missing(StepRange(newest_step - STEPS_PER_DAY + 1, newest_step))

    def fold(self, samples: ConnectionSamples) -> None:
        """Take one whole answer, in which no edge and no source stands twice."""
        self.advance(samples.steps.last)
        steps = np.arange(samples.steps.first, samples.steps.last + 1)
        inside = steps > self.newest - STEPS_PER_DAY
        columns = steps[inside] % STEPS_PER_DAY
        edges, sources = _rows(self.edges, samples.edges), _rows(self.sources, samples.sources)
        self.grow()
        lacking = self._lacking([edge.source for edge in samples.edges], samples.steps)[:, inside]
        for name, ring in self.rates.items():
            values = getattr(samples, name)
            if values is not None:
                ring.put(edges, columns, values[:, inside], lacking)
        lacking = self._lacking(samples.sources, samples.steps)[:, inside]
        self.scraped.put(sources, columns, samples.scraped[:, inside], lacking)
        self.coverage.add(samples.steps)
        if self.coverage.forget_before(day_of(self.newest - STEPS_PER_DAY + 1)):
            self._forget_silent()

    def means(self) -> list[ConnectionMean]:
        """One mean for each edge that was not silent for the whole day."""
        requests, responses, request_bytes, response_bytes = (_sums(self.rates[name].rows) for name in RATES)
        scraped = self._scraped_steps()
        means = []
        for connection, row in self.edges.items():
            source = self.sources.get(connection.source)
            first, last, steps = scraped[source] if source is not None else _NEVER
            if not steps or requests[row] + responses[row] <= 0:
                continue
            means.append(
                ConnectionMean(
                    connection,
                    requests[row] * 60.0 / steps,
                    responses[row] * 60.0 / steps,
                    first,
                    last,
                    steps,
                    _mean(request_bytes[row], steps),
                    _mean(response_bytes[row], steps),
                )
            )
        return means

    def forget(self, keys: KeyRange) -> None:
        """Know nothing of *keys*, so that all their steps are missing."""
        self._keep(
            [edge for edge in self.edges if not keys.holds(key_of(edge.source))],
            [source for source in self.sources if not keys.holds(key_of(source))],
        )
        self.coverage.remove(keys)

    def within(self, keys: KeyRange) -> "ConnectionRows":
        """What is known of *keys*."""
        part = self._of(
            [edge for edge in self.edges if keys.holds(key_of(edge.source))],
            [source for source in self.sources if keys.holds(key_of(source))],
        )
        part.coverage = self.coverage.within(keys)
        return part

    def join(self, parts: Mapping[KeyRange, "ConnectionRows"]) -> None:
        """Become all *parts*, each of which knows of its keys alone; of other keys all steps are missing."""
        rows = list(parts.values())
        self.newest = max(part.newest for part in rows)
        for part in rows:
            part.advance(self.newest)
        self.edges = _numbered(edge for part in rows for edge in part.edges)
        self.sources = _numbered(source for part in rows for source in part.sources)
        for ring, *rings in zip(self.rings(), *(part.rings() for part in rows), strict=True):
            ring.rows = np.concatenate([each.rows for each in rings])
        for keys, part in parts.items():
            self.coverage.put(keys, part.coverage)

    def entries(self) -> tuple[Keys, NDArray[np.int64]]:
        """The key of each edge, and how many samples it has."""
        counts = np.zeros(len(self.edges), dtype=np.int64)
        for ring in self.rates.values():
            counts += np.count_nonzero(np.nan_to_num(ring.rows), axis=1)
        return keys_of([edge.source for edge in self.edges]), counts

    def rings(self) -> list[Ring]:
        """Those of the edges, and last the one of the sources."""
        return [*self.rates.values(), self.scraped]

    def grow(self) -> None:
        """Make room for all edges and sources."""
        for ring in self.rates.values():
            ring.grow(len(self.edges))
        self.scraped.grow(len(self.sources))

    def advance(self, newest: int) -> None:
        """Move the ring's end to *newest* and forget what falls out of it."""
        gone = min(newest - self.newest, STEPS_PER_DAY)
        if gone <= 0:
            return
        columns = np.arange(newest - gone + 1, newest + 1) % STEPS_PER_DAY
        for ring in self.rings():
            ring.clear(columns)
        self.newest = newest

    def _keep(self, edges: Sequence[Connection], sources: Sequence[Workload]) -> None:
        """Forget all others."""
        kept = self._of(edges, sources)
        self.edges, self.sources = kept.edges, kept.sources
        self.rates, self.scraped = kept.rates, kept.scraped

    def _of(self, edges: Sequence[Connection], sources: Sequence[Workload]) -> "ConnectionRows":
        """The rows of just these; their coverage is not told."""
        part = ConnectionRows()
        part.newest, part.edges, part.sources = self.newest, _numbered(edges), _numbered(sources)
        rows = np.array([self.edges[edge] for edge in edges], dtype=np.int64)
        for name, ring in self.rates.items():
            part.rates[name].rows = ring.rows[rows]
        rows = np.array([self.sources[source] for source in sources], dtype=np.int64)
        part.scraped.rows = self.scraped.rows[rows]
        return part

    def _forget_silent(self) -> None:
        measured = np.zeros(len(self.edges), dtype=np.bool_)
        for ring in self.rates.values():
            measured |= (np.nan_to_num(ring.rows) > 0).any(axis=1)
        scraped: StepFlags = np.asarray(self.scraped.rows.any(axis=1))
        self._keep(
            [edge for edge, row in self.edges.items() if measured[row]],
            [source for source, row in self.sources.items() if scraped[row]],
        )

    def _lacking(self, owners: Sequence[Workload], steps: StepRange) -> StepFlags:
        return self.coverage.lacks(keys_of(owners), steps)

    def _scraped_steps(self) -> list[tuple[int, int, int]]:
        """The first and the last step in which each source was scraped, and how many there are."""
        steps = self.newest - (self.newest - np.arange(STEPS_PER_DAY)) % STEPS_PER_DAY
        rows = self.scraped.rows
        first = np.where(rows, steps, self.newest).min(axis=1)
        last = np.where(rows, steps, 0).max(axis=1)
        counts = np.count_nonzero(rows, axis=1)
        return list(zip(first.tolist(), last.tolist(), counts.tolist(), strict=True))


def _rows(index: dict[T, int], names: Sequence[T]) -> NDArray[np.int64]:
    return np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int64)


def _numbered(names: Iterable[T]) -> dict[T, int]:
    return {name: number for number, name in enumerate(names)}


def _sums(rates: NDArray[np.float32]) -> list[float]:
    """Of each row's samples; NaN where there are none."""
    known = ~np.isnan(rates)
    sums = rates.sum(axis=1, dtype=np.float64, where=known)
    listed: list[float] = np.where(known.any(axis=1), sums, np.nan).tolist()
    return listed


def _mean(total: float, steps: int) -> float | None:
    return None if math.isnan(total) else total / steps
