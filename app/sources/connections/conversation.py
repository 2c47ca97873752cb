"""The protocol of a provider of connections: queries out, their results in, samples at the end; pure.

A new provider implements `ConnectionProvider` and is added to `providers.supported_providers`.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Protocol

import numpy as np

from app.domain.connection_providers import Provider
from app.history.samples import ConnectionSamples, StepRange
from app.sources.queries import MAX_QUERY_CHARACTERS, Scope, Shard
from app.sources.query_result import Key, QueryResult, SeriesMatrix
from app.sources.row_limit import RowLimit

# The profiler's own label: the number of the query that a series belongs to.
PART = "part"
# The same: the cluster in which a proxy that reports says it is.
OWN_CLUSTER = "__cluster"


@dataclass(frozen=True, slots=True)
class LabeledQuery:
    """A query, and the labels that identify its series.

    An absent *optional* label has the value ""; series without one of the other labels are dropped. An edge
    has as many as *rows_per_edge* series; the label *reporter* has the namespace of what reports it.
    """

    query: str
    labels: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    rows_per_edge: int = 1
    reporter: str = "namespace"


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """Queries on the same steps, sent as one.

    A batch of several costs the server time: `or` has it hash the labels of the results of each query, those
    of later ones several times. Queries with few results or none belong at the end. *is_of_pods* is set if
    each series is of a Pod, not of an edge; *may_be_refused*, if some servers can't evaluate the query: it
    then has no results.
    """

    parts: tuple[LabeledQuery, ...]
    steps: StepRange
    is_of_pods: bool = False
    may_be_refused: bool = False

    @property
    def query(self) -> str:
        """All queries joined by `or`; all but the first add the number of the query as a label."""
        first, *others = (part.query for part in self.parts)
        numbered = (
            f'label_replace({query},"{PART}","{number}","","")' for number, query in enumerate(others, 1)
        )
        return " or (".join((first, *numbered)) + ")" * len(others)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all queries, and the number of the query."""
        return (PART, *dict.fromkeys(chain.from_iterable(part.labels for part in self.parts)))

    @property
    def optional(self) -> frozenset[str]:
        """All labels, since no query has all of them; `split` checks the required labels of each query."""
        return frozenset(self.labels)

    def row_limit(self, max_edges: int) -> RowLimit:
        """The limit of rows of each query that *max_edges* edges fit into, by the reporter of the first."""
        rows_per_edge = max(part.rows_per_edge for part in self.parts)
        return RowLimit(max_edges * rows_per_edge, self.parts[0].reporter, query_label=PART)

    def split(self, result: QueryResult) -> list[SeriesMatrix]:
        """The result of each query; the first one has the unusable samples and left-out series of all."""
        matrix = result.matrix()
        rows: list[list[int]] = [[] for _ in self.parts]
        for row, (number, *_) in enumerate(matrix.keys):
            rows[int(number or 0)].append(row)
        return [self._part_of(matrix, number, rows[number]) for number in range(len(self.parts))]

    def nothing(self) -> list[SeriesMatrix]:
        """The results of all queries if the server refuses them."""
        return [SeriesMatrix((), np.empty((0, len(self.steps)))) for _ in self.parts]

    def _part_of(self, matrix: SeriesMatrix, number: int, rows: list[int]) -> SeriesMatrix:
        part = self.parts[number]
        labels = self.labels
        key_of = _values_at([labels.index(label) for label in part.labels])
        required = _values_at([labels.index(label) for label in part.labels if label not in part.optional])
        complete = [row for row in rows if all(required(matrix.keys[row]))]
        keys = tuple(key_of(matrix.keys[row]) for row in complete)
        values = matrix.values[complete]
        return SeriesMatrix(keys, values) if number else replace(matrix, keys=keys, values=values)


def _values_at(places: Sequence[int]) -> Callable[[Key], Key]:
    """A function that returns the values at *places* of a key."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda key: tuple(key[place] for place in places)  # an itemgetter of one place returns no tuple


def packed(parts: Iterable[LabeledQuery], steps: StepRange) -> tuple[QueryBatch, ...]:
    """The *parts* in as few batches as their texts fit into."""
    batches: list[QueryBatch] = []
    for part in parts:
        joined = QueryBatch((*(batches[-1].parts if batches else ()), part), steps)
        if len(joined.parts) > 1 and len(joined.query) <= MAX_QUERY_CHARACTERS:
            batches[-1] = joined
        else:
            batches.append(QueryBatch((part,), steps))
    return tuple(batches)


# Yields batches of queries, receives the results of all queries in order, and returns the samples.
Conversation = Generator[tuple[QueryBatch, ...], list[SeriesMatrix], ConnectionSamples]


class ConnectionProvider(Protocol):
    """What has metrics on connections in Prometheus: a service mesh, say, with those of its proxies."""

    @property
    def name(self) -> str:
        """The name in settings."""

    @property
    def identity(self) -> Provider:
        """Which of the providers this is."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of metrics of which any shows that the provider is there."""

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The query on the samples that the largest batch loads per step, by the namespace of the source.

        They are counted by the labels of *clusters*, too.
        """

    def reporters(self, scope: Scope) -> str:
        """The series with the namespace and the Pod of each proxy that reports requests.

        They and the loads have the label OWN_CLUSTER where the provider names the cluster of a proxy.
        """

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """The length of the longest text that can't be split, of the queries on *shard*."""

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the connections of the sources in *shard*; without its metrics, the samples have none."""
