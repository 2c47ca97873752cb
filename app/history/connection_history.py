"""The last 24 hours of every edge by step, and their mean over wall-clock time.

An edge has a row for each provider that counts it, and the mean is that of the best one: it counts requests
where others see bytes alone, or else samples least. The coverage of an edge is that of its source's key.

A step has settled when it was read late enough; later query results of it are ignored. Until then the samples
of each one replace those of the one before, and check-points have none of them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.connection_providers import NOT_KNOWN, Counting, Provider
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.protocols import Protocol
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.coverage import Coverage, StepFlags
from app.history.key_ranges import KeyRange, Keys, key_of, keys_of
from app.history.open_steps import OpenCoverage, Settlement, all_settled
from app.history.padding import pad
from app.history.samples import (
    STEPS_PER_DAY,
    ConnectionSamples,
    CountedEdge,
    ObservedSource,
    StepRange,
    day_of,
)
from app.history.step_statistics import StepStatistics, step_statistics

T = TypeVar("T")
_NEVER = (0, 0, 0)  # first, last and number of scraped steps of an unknown source
_EDGES_AT_ONCE = 2048  # bounds memory: 2.4 MB per rate
RATES = ("requests", "responses", "request_bytes", "response_bytes")


@dataclass(frozen=True, slots=True)
class ConnectionMean:
    """Means over the steps in which the source was scraped; silent steps count as 0.

    The byte rates are None if no bytes were measured in the whole day. `reporters` are the ends that report
    the edge, `counting` says what counts it. `messages` has the steps of requests and responses together,
    per minute.
    """

    connection: Connection
    requests_per_minute: float
    responses_per_minute: float
    first_step: int
    last_step: int
    scraped_steps: int
    request_bytes_per_second: float | None = None
    response_bytes_per_second: float | None = None
    reporters: Reporters = Reporters.SOURCE
    protocol: Protocol = Protocol.HTTP
    counting: Counting = NOT_KNOWN
    messages: StepStatistics | None = None
    request_bytes: StepStatistics | None = None
    response_bytes: StepStatistics | None = None


class RingBuffer:
    """The last 288 steps of each edge or source: `values` [rows, 288]; *empty* marks a step without sample.

    Step n is in column n % 288.
    """

    def __init__(self, empty: np.generic) -> None:
        self._empty = empty
        self.values: NDArray[Any] = np.empty((0, STEPS_PER_DAY), dtype=empty.dtype)

    def grow(self, size: int) -> None:
        """Make room for *size* rows."""
        missing = max(0, size - len(self.values))
        if missing:
            self.values = np.concatenate((self.values, np.full((missing, STEPS_PER_DAY), self._empty)))

    def take(self) -> NDArray[Any]:
        """The values, which the buffer no longer has."""
        values, self.values = self.values, self.values[:0].copy()
        return values

    def clear(self, columns: NDArray[np.int64]) -> None:
        """Set *columns* to empty."""
        self.values[:, columns] = self._empty

    def write(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[Any], where: StepFlags
    ) -> None:
        """Store *values* [rows, columns] where the flag of *where* is set."""
        cells = np.ix_(rows, columns)
        self.values[cells] = np.where(where, values, self.values[cells])


class ConnectionHistory:
    """A day's ring buffer for each edge and each source; those that were silent for a day are dropped."""

    def __init__(self) -> None:
        self.newest_step = self.settled_step = 0
        self.coverage, self.open_coverage = Coverage(), OpenCoverage()
        self.edges: dict[CountedEdge, int] = {}
        self.sources: dict[ObservedSource, int] = {}
        absent = (np.float32(0), np.float32(0), np.float32(np.nan), np.float32(np.nan))
        self.rates = {name: RingBuffer(empty) for name, empty in zip(RATES, absent, strict=True)}
        self.scraped = RingBuffer(np.bool_(False))
        # Of each edge: who reports it, since it was first seen; its protocol, as last seen.
        self.reporters: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self.protocols: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        # Of each edge: the providers that counted it, since it was first seen; none if it is not known.
        self.providers: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self.sampling: dict[Provider, float] = {}  # as last seen

    @property
    def newest_read_step(self) -> int:
        """The newest step that was read, settled or not; 0 if there is none."""
        return max(self.coverage.newest_step, self.open_coverage.newest_step)

    def missing(self, newest_step: int, namespaces: NamespaceSelection = EVERY_NAMESPACE) -> list[StepRange]:
        """The steps of the 24 hours up to *newest_step* that a key of *namespaces* misses, newest first."""
        wanted = StepRange(newest_step - STEPS_PER_DAY + 1, newest_step)
        return self.coverage.missing(wanted, namespaces, self.open_coverage.as_of(newest_step))

    def fold(self, samples: ConnectionSamples, settlement: Settlement | None = None) -> None:
        """Fold one whole query result, without duplicate edges or sources.

        Samples of steps that have not settled are replaced later; all have without a *settlement*.
        """
        settlement = settlement or all_settled(samples.steps)
        settled = settlement.settled_part(samples.steps)
        self.advance(samples.steps.last)
        steps = np.arange(samples.steps.first, samples.steps.last + 1)
        inside = steps > self.newest_step - STEPS_PER_DAY
        columns = steps[inside] % STEPS_PER_DAY
        counted_edges = samples.counted_edges
        edges = _row_numbers(self.edges, counted_edges)
        sources = _row_numbers(self.sources, samples.observed_sources)
        self.grow()
        uncovered = self._uncovered([edge.source for edge in samples.edges], samples.steps)[:, inside]
        for name, ring in self.rates.items():
            values = getattr(samples, name)
            if values is not None:
                ring.write(edges, columns, values[:, inside], uncovered & ~np.isnan(values[:, inside]))
        self.reporters[edges] |= samples.edge_reporters
        self._fold_protocols(edges, samples)
        self.providers[edges] |= samples.edge_providers
        counted_by = {edge.provider for edge in counted_edges}
        self.sampling |= {provider: samples.sampling.get(provider, 1.0) for provider in counted_by}
        uncovered = self._uncovered(samples.sources, samples.steps)[:, inside]
        # A source that was scraped once in a step stays so, whatever a later answer lacks.
        scraped = samples.scraped[:, inside]
        self.scraped.write(sources, columns, scraped, uncovered & scraped)
        self.settled_step = max(self.settled_step, settled.last if settled else 0)
        if settled:
            self.coverage.add(settled, samples.answered)
        still_open = settlement.open_part(samples.steps)
        self.open_coverage.add(still_open, samples.answered, settlement.newest_step)
        if self.coverage.forget_before(day_of(self.newest_step - STEPS_PER_DAY + 1)):
            self.forget_silent()

    def means(self) -> Iterator[ConnectionMean]:
        """The mean of each edge that was not silent for the whole day: with bytes alone, it is one of TCP."""
        edges, scraped = list(self.edges), self._scraped_steps()
        rows = Counter(edge.connection for edge in edges)
        best: dict[Connection, ConnectionMean] = {}  # of the edges that several providers count
        for first in range(0, len(edges), _EDGES_AT_ONCE):
            for mean in self._means_of(edges[first : first + _EDGES_AT_ONCE], first, scraped):
                if rows[mean.connection] == 1:
                    yield mean
                    continue
                other = best.get(mean.connection)
                if other is None or _preference(mean) < _preference(other):
                    best[mean.connection] = mean
        yield from best.values()

    def _means_of(
        self, edges: Sequence[CountedEdge], first_row: int, scraped: Sequence[tuple[int, int, int]]
    ) -> Iterator[ConnectionMean]:
        """The means of *edges*, which are in the rows from *first_row* on."""
        rates = [ring.values[first_row : first_row + len(edges)] for ring in self.rates.values()]
        totals = zip(*map(_row_sums, rates), strict=True)
        statistics = self._step_statistics(edges, rates)
        for row, (edge, total, of_steps) in enumerate(
            zip(edges, totals, statistics, strict=True), start=first_row
        ):
            requests, responses, request_bytes, response_bytes = total
            source = self.sources.get(_source_of(edge))
            first, last, steps = scraped[source] if source is not None else _NEVER
            if not steps or not any(amount > 0 for amount in total):
                continue
            yield ConnectionMean(
                edge.connection,
                requests * 60.0 / steps,
                responses * 60.0 / steps,
                first,
                last,
                steps,
                _mean(request_bytes, steps),
                _mean(response_bytes, steps),
                Reporters(int(self.reporters[row])) or Reporters.SOURCE,
                self._protocol(row, has_messages=requests + responses > 0),
                Counting(Provider(int(self.providers[row])), self.sampling.get(edge.provider, 1.0)),
                *of_steps,
            )

    def forget(self, keys: KeyRange) -> None:
        """Drop all data of *keys*, so that all their steps are missing."""
        self.keep(
            [edge for edge in self.edges if not keys.contains(key_of(edge.connection.source))],
            [source for source in self.sources if not keys.contains(key_of(source.workload))],
        )
        self.coverage.forget(keys)
        self.open_coverage.forget(keys)

    def clear_all(self) -> None:
        """Drop all data, so that all steps are missing."""
        self.forget(KeyRange())
        self.newest_step = self.settled_step = 0

    def within(self, keys: KeyRange) -> "ConnectionHistory":
        """The history of *keys*, without the steps that have not settled."""
        part = self._select(
            [edge for edge in self.edges if keys.contains(key_of(edge.connection.source))],
            [source for source in self.sources if keys.contains(key_of(source.workload))],
        )
        part.coverage = self.coverage.within(keys)
        if self.settled_step < self.newest_step:
            oldest = self.newest_step - STEPS_PER_DAY + 1
            part.clear(StepRange(max(self.settled_step + 1, oldest), self.newest_step))
            part.forget_silent()
            part.newest_step = self.settled_step
        return part

    def replace_with(self, parts: Mapping[KeyRange, "ConnectionHistory"]) -> None:
        """Replace the history by that of all *parts*; all steps of keys in no part are missing.

        The parts are left without samples: two copies of all would be the largest memory of a leader.
        """
        histories = list(parts.values())
        self.newest_step = max(part.newest_step for part in histories)
        self.settled_step, self.open_coverage = self.newest_step, OpenCoverage()
        for part in histories:
            part.advance(self.newest_step)
        self.edges = _number(edge for part in histories for edge in part.edges)
        self.sources = _number(source for part in histories for source in part.sources)
        for ring, *part_rings in zip(self.rings(), *(part.rings() for part in histories), strict=True):
            ring.values = np.concatenate([part_ring.take() for part_ring in part_rings])
        self.reporters = np.concatenate([part.reporters for part in histories])
        self.protocols = np.concatenate([part.protocols for part in histories])
        self.providers = np.concatenate([part.providers for part in histories])
        for keys, part in parts.items():
            self.coverage.replace(keys, part.coverage)

    def edge_keys(self) -> Keys:
        """The key of each edge: that of its source."""
        return keys_of([edge.connection.source for edge in self.edges])

    def sample_counts(self) -> NDArray[np.int64]:
        """The number of samples other than 0 of each edge."""
        counts = np.zeros(len(self.edges), dtype=np.int64)
        for ring in self.rates.values():
            counts += np.count_nonzero(ring.values, axis=1) - np.count_nonzero(np.isnan(ring.values), axis=1)
        return counts

    def rings(self) -> list[RingBuffer]:
        """The ring buffers of the edges' rates, then the one of the sources."""
        return [*self.rates.values(), self.scraped]

    def grow(self) -> None:
        """Make room for all edges and sources."""
        for ring in self.rates.values():
            ring.grow(len(self.edges))
        self.scraped.grow(len(self.sources))
        self.reporters = pad(self.reporters, len(self.edges))
        self.protocols = pad(self.protocols, len(self.edges))
        self.providers = pad(self.providers, len(self.edges))

    def advance(self, newest_step: int) -> None:
        """Make *newest_step* the newest step of the ring buffers, and clear the steps that it displaces."""
        advanced = min(newest_step - self.newest_step, STEPS_PER_DAY)
        if advanced <= 0:
            return
        self.clear(StepRange(newest_step - advanced + 1, newest_step))
        self.newest_step = newest_step

    def keep(self, edges: Sequence[CountedEdge], sources: Sequence[ObservedSource]) -> None:
        """Drop all other edges and sources."""
        kept = self._select(edges, sources)
        self.edges, self.sources = kept.edges, kept.sources
        self.reporters, self.protocols, self.providers = kept.reporters, kept.protocols, kept.providers
        self.rates, self.scraped = kept.rates, kept.scraped

    def _select(self, edges: Sequence[CountedEdge], sources: Sequence[ObservedSource]) -> "ConnectionHistory":
        """The history of *edges* and *sources* only; coverage is not copied."""
        part = ConnectionHistory()
        part.newest_step, part.settled_step = self.newest_step, self.settled_step
        part.edges, part.sources = _number(edges), _number(sources)
        rows = np.array([self.edges[edge] for edge in edges], dtype=np.int64)
        for name, ring in self.rates.items():
            part.rates[name].values = ring.values[rows]
        part.reporters, part.protocols = self.reporters[rows], self.protocols[rows]
        part.providers, part.sampling = self.providers[rows], dict(self.sampling)
        rows = np.array([self.sources[source] for source in sources], dtype=np.int64)
        part.scraped.values = self.scraped.values[rows]
        return part

    def clear(self, steps: StepRange) -> None:
        """Drop all samples of *steps*, which are among the last 288."""
        for ring in self.rings():
            ring.clear(np.arange(steps.first, steps.last + 1) % STEPS_PER_DAY)

    def forget_silent(self) -> None:
        """Drop the edges and sources without a sample."""
        measured = np.zeros(len(self.edges), dtype=np.bool_)
        for ring in self.rates.values():
            measured |= (ring.values > 0).any(axis=1)
        scraped: StepFlags = np.asarray(self.scraped.values.any(axis=1))
        self.keep(
            [edge for edge, row in self.edges.items() if measured[row]],
            [source for source, row in self.sources.items() if scraped[row]],
        )

    def _fold_protocols(self, edges: NDArray[np.int64], samples: ConnectionSamples) -> None:
        """Store the protocols of the newest steps; those of older steps only where none is known."""
        if samples.protocols is None:
            new = np.full(len(edges), Protocol.HTTP, dtype=np.uint8)
        else:
            new = samples.protocols
        before = self.protocols[edges]
        is_newer = (new != Protocol.TCP) & (samples.steps.last >= self.newest_step)
        self.protocols[edges] = np.where(is_newer | (before == Protocol.TCP), new, before)

    def _protocol(self, row: int, *, has_messages: bool) -> Protocol:
        """The protocol of an edge; without one that was seen, requests are those of HTTP."""
        protocol = Protocol(int(self.protocols[row]))
        return Protocol.HTTP if has_messages and protocol is Protocol.TCP else protocol

    def _step_statistics(
        self, edges: Sequence[CountedEdge], rates: Sequence[NDArray[np.float32]]
    ) -> Iterable[tuple[StepStatistics | None, ...]]:
        """The statistics of messages per minute and of bytes per second both ways, of each of *edges*."""
        sources = np.array([self.sources.get(_source_of(edge), -1) for edge in edges], dtype=np.int64)
        scraped = np.zeros((len(sources), STEPS_PER_DAY), dtype=np.bool_)
        scraped[sources >= 0] = self.scraped.values[sources[sources >= 0]]
        requests, responses, *of_bytes = rates
        messages = (requests + responses) * np.float32(60)
        return zip(*(step_statistics(values, scraped) for values in (messages, *of_bytes)), strict=True)

    def _uncovered(self, owners: Sequence[Workload], steps: StepRange) -> StepFlags:
        return self.coverage.uncovered(keys_of(owners), steps)

    def _scraped_steps(self) -> list[tuple[int, int, int]]:
        """The first and the last step in which each source was scraped, and their number."""
        ages = ((self.newest_step - np.arange(STEPS_PER_DAY)) % STEPS_PER_DAY).astype(np.int16)
        scraped = self.scraped.values
        farthest = np.where(scraped, ages, np.int16(0)).max(axis=1).astype(np.int64)
        nearest = np.where(scraped, ages, np.int16(STEPS_PER_DAY)).min(axis=1).astype(np.int64)
        first, last = self.newest_step - farthest, self.newest_step - nearest
        counts = np.count_nonzero(scraped, axis=1)
        return list(zip(first.tolist(), last.tolist(), counts.tolist(), strict=True))


def _source_of(edge: CountedEdge) -> ObservedSource:
    return ObservedSource(edge.connection.source, edge.provider)


def _preference(mean: ConnectionMean) -> tuple[bool, float, Provider]:
    """The best first: what counts requests, then what samples least, then the order of `Provider`."""
    counts_requests = mean.requests_per_minute + mean.responses_per_minute > 0
    return not counts_requests, mean.counting.one_in, mean.counting.providers


def _row_numbers(index: dict[T, int], names: Sequence[T]) -> NDArray[np.int64]:
    return np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int64)


def _number(names: Iterable[T]) -> dict[T, int]:
    return {name: number for number, name in enumerate(names)}


def _row_sums(rates: NDArray[np.float32]) -> list[float]:
    """The sum of each row's samples; NaN for a row without samples."""
    has_sample = ~np.isnan(rates)
    totals = rates.sum(axis=1, dtype=np.float64, where=has_sample)
    sums: list[float] = np.where(has_sample.any(axis=1), totals, np.nan).tolist()
    return sums


def _mean(total: float, steps: int) -> float | None:
    return None if math.isnan(total) else total / steps
