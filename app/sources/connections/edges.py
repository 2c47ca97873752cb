"""Joins the rates of edges and the scrapes of sources into samples; pure."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from app.domain.dns_names import has_possible_name, is_dns_label, is_dns_subdomain
from app.domain.protocols import Protocol
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, DroppedEdges, EdgeFault, StepRange
from app.sources.queries import Scope
from app.sources.query_result import Key, SeriesMatrix

# A rate needs two scrapes in a step. After one scrape, an absent edge may be silent or unknown.
_SCRAPES_FOR_A_RATE = 2

Rates = NDArray[np.float64]
# A key has the labels of a source, of a destination, or of an edge (those of the source first).
WorkloadOfKey = Callable[[Key], Workload | None]
DestinationOfKey = Callable[[Key], Workload | EdgeFault | None]


@dataclass(frozen=True, slots=True)
class EndpointNaming:
    """Maps keys to workloads: the first *source_label_count* values of an edge's key are those of its source.

    The first value is the source's namespace. An unknown endpoint is None. *pods* are the Pods of each
    source, and *destination_pods* those of each destination, if the provider has them: they then need no
    name.
    """

    source_label_count: int
    source: WorkloadOfKey
    destination: DestinationOfKey
    pods: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    destination_pods: Mapping[Key, Sequence[str]] = field(default_factory=dict)

    def edges(self, keys: Collection[Key]) -> dict[Key, Connection | EdgeFault]:
        """The edge of each key; a fault if an endpoint is unknown or can't exist."""
        sources = {key: self.source(key) for key in {*map(self.source_key, keys)}}
        destinations = {key: self.destination(key) for key in {*map(self.destination_key, keys)}}
        ends = {*sources.values(), *destinations.values()}
        possible = {end for end in ends if isinstance(end, Workload) and _can_exist(end)}
        edges: dict[Key, Connection | EdgeFault] = {}
        for key in keys:
            source, destination = sources[self.source_key(key)], destinations[self.destination_key(key)]
            if isinstance(destination, EdgeFault):
                edges[key] = destination
            elif source is None or destination is None:
                edges[key] = EdgeFault.UNKNOWN_END
            elif source in possible and destination in possible:
                edges[key] = Connection(source, destination)
            else:
                edges[key] = EdgeFault.IMPOSSIBLE_NAME
        return edges

    def source_key(self, key: Key) -> Key:
        """The source's part of an edge's key."""
        return key[: self.source_label_count]

    def destination_key(self, key: Key) -> Key:
        """The destination's part of an edge's key."""
        return key[self.source_label_count :]


def _can_exist(end: Workload) -> bool:
    """True if such a workload can exist.

    One without a name is found by its Pods, one without a namespace by its name.
    """
    if not end.namespace:
        return is_dns_subdomain(end.name)
    return has_possible_name(end) if end.name else is_dns_label(end.namespace)


@dataclass(frozen=True, slots=True)
class EdgeRates:
    """Rates per second of the same edges; the bytes are those of requests and of responses.

    `reporters` has the flags of the ends that report an edge, where the source does not report it alone;
    `dropped` counts the edges that are in none of the four. Most requests of the edges in `grpc` are of gRPC.
    """

    requests: SeriesMatrix
    responses: SeriesMatrix
    request_bytes: SeriesMatrix
    response_bytes: SeriesMatrix
    reporters: Mapping[Key, Reporters] = field(default_factory=dict)
    dropped: DroppedEdges = field(default_factory=dict)
    grpc: Collection[Key] = frozenset()
    unseen: str = ""

    @property
    def sides(self) -> tuple[SeriesMatrix, ...]:
        """All four."""
        return self.requests, self.responses, self.request_bytes, self.response_bytes

    @property
    def unusable(self) -> int:
        """The number of samples of all four that are no usable number."""
        return sum(side.unusable for side in self.sides)

    def dropped_edges(
        self, edges: Mapping[Key, Connection | EdgeFault], source_label_count: int
    ) -> DroppedEdges:
        """The number of *edges* with a fault, and of those that were dropped before.

        They count for the namespace that reports them: the other end may have any name. The namespace of the
        destination comes after the labels of the source.
        """
        faults = Counter(
            (edge, key[source_label_count if self.reporters.get(key) == Reporters.DESTINATION else 0])
            for key, edge in edges.items()
            if isinstance(edge, EdgeFault)
        )
        left_out: Counter[tuple[EdgeFault, str]] = Counter()
        for side in self.sides:
            for namespace, rows in side.left_out.items():
                reason = (EdgeFault.OVER_SHARE, namespace)
                left_out[reason] = max(left_out[reason], rows)
        return faults + left_out + Counter(self.dropped)


def join_connections(
    rates: EdgeRates, scrapes: SeriesMatrix, naming: EndpointNaming, *, scope: Scope, steps: StepRange
) -> ConnectionSamples:
    """The edges in scope, with NaN for an absent side, and the steps in which each source was scraped.

    Edges with an unknown or impossible endpoint are dropped and counted. An edge may have bytes alone.

    A source was also scraped in each step in which one of its edges has a sample: some scrape configurations
    leave no `up` with the proxy's labels. What only servers report counts for that where a source reports
    nothing itself: no other namespace decides on the steps of its edges.
    """
    all_edges = naming.edges(dict.fromkeys(chain.from_iterable(side.keys for side in rates.sides)))
    edges = {
        key: edge for key, edge in all_edges.items() if isinstance(edge, Connection) and _covers(scope, edge)
    }
    requests, responses, request_bytes, response_bytes = (
        align_rows(side, edges, len(steps)) for side in rates.sides
    )
    has_request = np.isfinite(requests) | np.isfinite(responses)
    has_sample = has_request | np.isfinite(request_bytes) | np.isfinite(response_bytes)
    reporters = np.array([rates.reporters.get(key, Reporters.SOURCE) for key in edges], dtype=np.uint8)
    source_keys = [naming.source_key(key) for key in edges]
    sources = _possible_sources([*scrapes.keys, *source_keys], naming, scope)
    scraped = _scraped_steps(sources, source_keys, has_sample, reporters, scrapes)
    return ConnectionSamples(
        steps,
        tuple(edges.values()),
        requests,
        responses,
        tuple(sources.values()),
        scraped,
        rates.unusable,
        request_bytes=request_bytes,
        response_bytes=response_bytes,
        edge_pods=tuple(naming.pods.get(key, ()) for key in source_keys),
        source_pods=tuple(naming.pods.get(key, ()) for key in sources),
        destination_pods=tuple(naming.destination_pods.get(naming.destination_key(key), ()) for key in edges),
        reporters=reporters,
        dropped=rates.dropped_edges(all_edges, naming.source_label_count),
        protocols=_protocols([key in rates.grpc for key in edges], np.asarray(has_request.any(axis=1))),
        unseen=rates.unseen,
    )


def _protocols(is_grpc: Sequence[bool], has_request: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The protocol of each edge."""
    with_requests = np.where(np.array(is_grpc, dtype=np.bool_), Protocol.GRPC, Protocol.HTTP)
    return np.where(has_request, with_requests, Protocol.TCP).astype(np.uint8)


def _covers(scope: Scope, edge: Connection) -> bool:
    """True if an end may be profiled and neither is excluded; an end without a namespace may be."""
    namespaces = {edge.source.namespace, edge.destination.namespace}
    if "" in namespaces:
        return namespaces.isdisjoint(scope.excluded)
    return scope.covers_edge(edge.source.namespace, edge.destination.namespace)


def _possible_sources(keys: Sequence[Key], naming: EndpointNaming, scope: Scope) -> dict[Key, Workload]:
    """The sources that can exist and are not excluded, each key once."""
    workloads = {key: naming.source(key) for key in dict.fromkeys(keys)}
    return {
        key: workload
        for key, workload in workloads.items()
        if workload and workload.namespace not in scope.excluded and _can_exist(workload)
    }


def _scraped_steps(
    sources: Mapping[Key, Workload],
    source_keys: Sequence[Key],
    has_sample: NDArray[np.bool_],
    reporters: NDArray[np.uint8],
    scrapes: SeriesMatrix,
) -> NDArray[np.bool_]:
    """The steps in which each source was scraped; *source_keys*, samples and reporters are of the edges."""
    scraped = align_rows(scrapes, sources, has_sample.shape[1]) >= _SCRAPES_FOR_A_RATE
    rows = {key: row for row, key in enumerate(sources)}
    numbers = np.array([rows[key] for key in source_keys], dtype=np.int64)
    reports_itself: NDArray[np.bool_] = (reporters & Reporters.SOURCE) > 0
    np.logical_or.at(scraped, numbers[reports_itself], has_sample[reports_itself])
    is_silent: NDArray[np.bool_] = np.asarray(~scraped.any(axis=1))
    by_servers = ~reports_itself & is_silent[numbers]
    np.logical_or.at(scraped, numbers[by_servers], has_sample[by_servers])
    return scraped


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


def add_up(matrices: Sequence[SeriesMatrix]) -> SeriesMatrix:
    """The sum of the rates of each edge in any of *matrices*, which are of different Pods."""
    first, *others = matrices
    for other in others:
        first = combine(add, first, other)
    return first


def combine(
    function: Callable[[Rates, Rates], Rates], first: SeriesMatrix, second: SeriesMatrix
) -> SeriesMatrix:
    """The edges of both, with the *function* of their rates; NaN where neither has a sample."""
    keys = tuple(dict.fromkeys((*first.keys, *second.keys)))
    steps = first.values.shape[1]
    values = function(align_rows(first, keys, steps), align_rows(second, keys, steps))
    left_out = Counter(first.left_out) | Counter(second.left_out)
    return SeriesMatrix(keys, values, first.unusable + second.unusable, left_out)


def add(first: Rates, second: Rates) -> Rates:
    """The sum; a rate that is NaN is none."""
    return np.where(np.isnan(first), second, first + np.nan_to_num(second))


def concatenate_samples(samples: Sequence[ConnectionSamples]) -> ConnectionSamples:
    """One value of several providers or shards on the same steps."""
    parts = [part for part in samples if part.sources or part.dropped] or samples[:1]
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
        destination_pods=tuple(chain.from_iterable(part.destination_pods for part in parts)),
        reporters=np.concatenate([part.reporters for part in parts]),
        dropped=sum((Counter(part.dropped) for part in parts), Counter[tuple[EdgeFault, str]]()),
        protocols=np.concatenate([part.protocols for part in parts]),
        unseen=next((part.unseen for part in parts if part.unseen), ""),
        providers=np.concatenate([part.edge_providers for part in parts]),
        source_providers=np.concatenate([part.observers for part in parts]),
        sampling={provider: ratio for part in parts for provider, ratio in part.sampling.items()},
    )
