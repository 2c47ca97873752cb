"""Rates of edges and scrapes of sources, as the proxies of a mesh tell them, joined into one answer; pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, StepRange
from app.sources.queries import Scope
from app.sources.query_result import Key, SeriesMatrix

# Two scrapes in a step make a rate; after a single one, silence can't be told from ignorance.
_SCRAPES_FOR_A_RATE = 2

# A key holds the labels of a source, of a destination, or of an edge (the source's first).
Named = Callable[[Key], Workload | None]


@dataclass(frozen=True, slots=True)
class EndNaming:
    """How a mesh names ends: the first *source_labels* values of an edge's key are those of its source.

    An end that is None is unknown. *pods* are the Pods behind a source, where the mesh tells them.
    """

    source_labels: int
    source: Named
    destination: Named
    pods: Mapping[Key, Sequence[str]] = field(default_factory=dict)

    def edges(self, keys: Collection[Key]) -> dict[Key, Connection | None]:
        """The edge of each key, or None where an end of it is unknown."""
        sources = {begin: self.source(begin) for begin in {*map(self.begin, keys)}}
        ends = {end: self.destination(end) for end in {key[self.source_labels :] for key in keys}}
        found: dict[Key, Connection | None] = {}
        for key in keys:
            source, destination = sources[self.begin(key)], ends[key[self.source_labels :]]
            found[key] = Connection(source, destination) if source and destination else None
        return found

    def begin(self, key: Key) -> Key:
        """The source's part of an edge's key."""
        return key[: self.source_labels]


@dataclass(frozen=True, slots=True)
class EdgeRates:
    """Rates per second of the same edges; the bytes are those of requests and of responses."""

    requests: SeriesMatrix
    responses: SeriesMatrix
    request_bytes: SeriesMatrix
    response_bytes: SeriesMatrix

    @property
    def unusable(self) -> int:
        """Samples of all four that are no usable number."""
        sides = (self.requests, self.responses, self.request_bytes, self.response_bytes)
        return sum(side.unusable for side in sides)


def join_connections(
    rates: EdgeRates, scrapes: SeriesMatrix, naming: EndNaming, *, scope: Scope, steps: StepRange
) -> ConnectionSamples:
    """The edges in scope, with NaN for a side that is absent, and when each source was scraped.

    Edges with an unknown end are left out and counted; where nothing but bytes flows there is no edge.

    A source was also scraped where one of its edges has a sample: for proxies that are scraped in a way that
    leaves no `up` with their labels, this is all there is to go by.
    """
    told = naming.edges(dict.fromkeys(chain(rates.requests.keys, rates.responses.keys)))
    edges = {key: edge for key, edge in told.items() if edge and _covers(scope, edge)}
    requests, responses = (aligned(side, edges, len(steps)) for side in (rates.requests, rates.responses))
    seen = np.isfinite(requests) | np.isfinite(responses)
    sources, scraped = _sources([naming.begin(key) for key in edges], seen, scrapes, naming, scope)
    return ConnectionSamples(
        steps,
        tuple(edges.values()),
        requests,
        responses,
        tuple(sources.values()),
        scraped,
        rates.unusable,
        request_bytes=aligned(rates.request_bytes, edges, len(steps)),
        response_bytes=aligned(rates.response_bytes, edges, len(steps)),
        edge_pods=tuple(naming.pods.get(naming.begin(key), ()) for key in edges),
        source_pods=tuple(naming.pods.get(key, ()) for key in sources),
        unknown_ends=sum(edge is None for edge in told.values()),
    )


def _covers(scope: Scope, edge: Connection) -> bool:
    return scope.covers_edge(edge.source.namespace, edge.destination.namespace)


def _sources(
    begins: Sequence[Key], seen: NDArray[np.bool_], scrapes: SeriesMatrix, naming: EndNaming, scope: Scope
) -> tuple[dict[Key, Workload], NDArray[np.bool_]]:
    """Each source that is not excluded, and the steps in which it was scraped."""
    named = {key: naming.source(key) for key in dict.fromkeys(chain(scrapes.keys, begins))}
    sources = {key: end for key, end in named.items() if end and end.namespace not in scope.excluded}
    scraped = aligned(scrapes, sources, seen.shape[1]) >= _SCRAPES_FOR_A_RATE
    rows = {key: row for row, key in enumerate(sources)}
    np.logical_or.at(scraped, [rows[begin] for begin in begins], seen)
    return sources, scraped


def aligned(matrix: SeriesMatrix, keys: Collection[Key], steps: int) -> NDArray[np.float64]:
    """The rows of *matrix* in the order of *keys*; NaN where it has none."""
    if matrix.keys == tuple(keys):  # as it mostly is: nothing is copied
        return matrix.values
    rows = {key: row for row, key in enumerate(matrix.keys)}
    values = np.full((len(keys), steps), np.nan)
    for row, key in enumerate(keys):
        if key in rows:
            values[row] = matrix.values[rows[key]]
    return values


def combined(answers: Sequence[ConnectionSamples]) -> ConnectionSamples:
    """The answers of several meshes on the same steps as one: a Pod has the proxy of one mesh alone."""
    told = [each for each in answers if each.sources] or answers[:1]
    if len(told) == 1:
        return told[0]
    first, *_ = told
    return replace(
        first,
        edges=tuple(chain.from_iterable(each.edges for each in told)),
        requests=np.concatenate([each.requests for each in told]),
        responses=np.concatenate([each.responses for each in told]),
        sources=tuple(chain.from_iterable(each.sources for each in told)),
        scraped=np.concatenate([each.scraped for each in told]),
        unusable=sum(each.unusable for each in told),
        request_bytes=np.concatenate([each.request_bytes for each in told]),
        response_bytes=np.concatenate([each.response_bytes for each in told]),
        edge_pods=tuple(chain.from_iterable(each.edge_pods for each in told)),
        source_pods=tuple(chain.from_iterable(each.source_pods for each in told)),
        unknown_ends=sum(each.unknown_ends for each in told),
    )
