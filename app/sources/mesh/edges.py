"""Joins the rates of edges and the scrapes of sources, from the proxies of a mesh, into samples; pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, StepRange
from app.sources.queries import Scope
from app.sources.query_result import Key, SeriesMatrix

# A rate needs two scrapes in a step. After one scrape, an absent edge may be silent or unknown.
_SCRAPES_FOR_A_RATE = 2

# A key has the labels of a source, of a destination, or of an edge (those of the source first).
WorkloadOfKey = Callable[[Key], Workload | None]


@dataclass(frozen=True, slots=True)
class EndpointNaming:
    """Maps keys to workloads: the first *source_label_count* values of an edge's key are those of its source.

    An unknown endpoint is None. *pods* are the Pods of each source, if the mesh has them.
    """

    source_label_count: int
    source: WorkloadOfKey
    destination: WorkloadOfKey
    pods: Mapping[Key, Sequence[str]] = field(default_factory=dict)

    def edges(self, keys: Collection[Key]) -> dict[Key, Connection | None]:
        """The edge of each key; None if an endpoint is unknown."""
        sources = {key: self.source(key) for key in {*map(self.source_key, keys)}}
        destinations = {
            key: self.destination(key) for key in {key[self.source_label_count :] for key in keys}
        }
        edges: dict[Key, Connection | None] = {}
        for key in keys:
            source, destination = sources[self.source_key(key)], destinations[key[self.source_label_count :]]
            edges[key] = Connection(source, destination) if source and destination else None
        return edges

    def source_key(self, key: Key) -> Key:
        """The source's part of an edge's key."""
        return key[: self.source_label_count]


@dataclass(frozen=True, slots=True)
class EdgeRates:
    """Rates per second of the same edges; the bytes are those of requests and of responses."""

    requests: SeriesMatrix
    responses: SeriesMatrix
    request_bytes: SeriesMatrix
    response_bytes: SeriesMatrix

    @property
    def unusable(self) -> int:
        """The number of samples of all four that are no usable number."""
        sides = (self.requests, self.responses, self.request_bytes, self.response_bytes)
        return sum(side.unusable for side in sides)


def join_connections(
    rates: EdgeRates, scrapes: SeriesMatrix, naming: EndpointNaming, *, scope: Scope, steps: StepRange
) -> ConnectionSamples:
    """The edges in scope, with NaN for an absent side, and the steps in which each source was scraped.

    Edges with an unknown endpoint are dropped and counted. Bytes without requests or responses make no edge.

    A source was also scraped in each step in which one of its edges has a sample: some scrape configurations
    leave no `up` with the proxy's labels.
    """
    all_edges = naming.edges(dict.fromkeys(chain(rates.requests.keys, rates.responses.keys)))
    edges = {key: edge for key, edge in all_edges.items() if edge and _covers(scope, edge)}
    requests, responses = (align_rows(side, edges, len(steps)) for side in (rates.requests, rates.responses))
    has_sample = np.isfinite(requests) | np.isfinite(responses)
    source_keys = [naming.source_key(key) for key in edges]
    sources, scraped = _sources(source_keys, has_sample, scrapes, naming, scope)
    return ConnectionSamples(
        steps,
        tuple(edges.values()),
        requests,
        responses,
        tuple(sources.values()),
        scraped,
        rates.unusable,
        request_bytes=align_rows(rates.request_bytes, edges, len(steps)),
        response_bytes=align_rows(rates.response_bytes, edges, len(steps)),
        edge_pods=tuple(naming.pods.get(key, ()) for key in source_keys),
        source_pods=tuple(naming.pods.get(key, ()) for key in sources),
        unknown_edges=sum(edge is None for edge in all_edges.values()),
    )


def _covers(scope: Scope, edge: Connection) -> bool:
    return scope.covers_edge(edge.source.namespace, edge.destination.namespace)


def _sources(
    source_keys: Sequence[Key],
    has_sample: NDArray[np.bool_],
    scrapes: SeriesMatrix,
    naming: EndpointNaming,
    scope: Scope,
) -> tuple[dict[Key, Workload], NDArray[np.bool_]]:
    """Each source that is not excluded, and the steps in which it was scraped."""
    workloads = {key: naming.source(key) for key in dict.fromkeys(chain(scrapes.keys, source_keys))}
    sources = {
        key: workload
        for key, workload in workloads.items()
        if workload and workload.namespace not in scope.excluded
    }
    scraped = align_rows(scrapes, sources, has_sample.shape[1]) >= _SCRAPES_FOR_A_RATE
    rows = {key: row for row, key in enumerate(sources)}
    np.logical_or.at(scraped, [rows[key] for key in source_keys], has_sample)
    return sources, scraped


def align_rows(matrix: SeriesMatrix, keys: Collection[Key], steps: int) -> NDArray[np.float64]:
    """The rows of *matrix* in the order of *keys*; NaN for keys that it lacks."""
    if matrix.keys == tuple(keys):  # the usual case: no copy
        return matrix.values
    rows = {key: row for row, key in enumerate(matrix.keys)}
    values = np.full((len(keys), steps), np.nan)
    for row, key in enumerate(keys):
        if key in rows:
            values[row] = matrix.values[rows[key]]
    return values


def concatenate_samples(samples: Sequence[ConnectionSamples]) -> ConnectionSamples:
    """One value of several meshes or shards on the same steps; a Pod has the proxy of only one mesh."""
    parts = [part for part in samples if part.sources] or samples[:1]
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        edges=tuple(chain.from_iterable(part.edges for part in parts)),
        requests=np.concatenate([part.requests for part in parts]),
        responses=np.concatenate([part.responses for part in parts]),
        sources=tuple(chain.from_iterable(part.sources for part in parts)),
        scraped=np.concatenate([part.scraped for part in parts]),
        unusable=sum(part.unusable for part in parts),
        request_bytes=np.concatenate([part.request_bytes for part in parts]),
        response_bytes=np.concatenate([part.response_bytes for part in parts]),
        edge_pods=tuple(chain.from_iterable(part.edge_pods for part in parts)),
        source_pods=tuple(chain.from_iterable(part.source_pods for part in parts)),
        unknown_edges=sum(part.unknown_edges for part in parts),
    )
