"""Limit of the edges in memory, shared by the namespaces that declare them; pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.fair_shares import take_turns
from app.domain.reporters import declaring_namespace
from app.history.connection_history import ConnectionHistory
from app.history.samples import ConnectionSamples, CountedEdge, EdgeFault, ObservedSource


@dataclass(frozen=True, slots=True)
class LimitedSamples:
    """The samples to fold; the edges and sources of the history that stay beside them."""

    samples: ConnectionSamples
    kept_edges: Sequence[CountedEdge]
    kept_sources: Sequence[ObservedSource]


def limit_edges(
    samples: ConnectionSamples, history: ConnectionHistory, max_edges: int
) -> LimitedSamples | None:
    """The samples within *max_edges*; None if all of them fit beside the history.

    Otherwise namespaces take turns, and the edges that a namespace has had for longest stay. So a namespace
    within its share keeps all, and one that has more loses its newest.
    """
    if len(history.edges) + len(samples.edges) <= max_edges >= len(history.sources) + len(samples.sources):
        return None
    reporters = _reporters(samples, history)
    new_edges, new_sources = samples.counted_edges, samples.observed_sources
    edges = _within({**history.edges, **dict.fromkeys(new_edges)}, reporters, max_edges)
    owned = {source: source.workload.namespace for source in (*history.sources, *new_sources)}
    sources = set(take_turns(owned, owned.__getitem__, max_edges))
    if len(edges) == len(reporters) and len(sources) == len(owned):
        return None
    is_kept = np.array([edge in edges for edge in new_edges], dtype=np.bool_)
    is_kept_source = np.array([source in sources for source in new_sources], dtype=np.bool_)
    left_out = Counter(
        (EdgeFault.OVER_SHARE, declaring_namespace(edge.connection, reporters[edge]))
        for edge in new_edges
        if edge not in edges
    )
    limited = replace(
        _select_rows(samples, is_kept, is_kept_source), dropped=Counter(samples.dropped) + left_out
    )
    return LimitedSamples(
        limited,
        [edge for edge in history.edges if edge in edges],
        [source for source in history.sources if source in sources],
    )


def _within(
    edges: Iterable[CountedEdge], reporters: dict[CountedEdge, int], max_edges: int
) -> set[CountedEdge]:
    return set(
        take_turns(edges, lambda edge: declaring_namespace(edge.connection, reporters[edge]), max_edges)
    )


def _reporters(samples: ConnectionSamples, history: ConnectionHistory) -> dict[CountedEdge, int]:
    """The ends that report each edge of the history and of the samples."""
    reporters = dict(zip(history.edges, history.reporters.tolist(), strict=True))
    for edge, flag in zip(samples.counted_edges, samples.edge_reporters.tolist(), strict=True):
        reporters[edge] = reporters.get(edge, 0) | flag
    return reporters


def _select_rows(
    samples: ConnectionSamples, edges: NDArray[np.bool_], sources: NDArray[np.bool_]
) -> ConnectionSamples:
    """The samples of the flagged edges and sources."""
    return replace(
        samples,
        edges=tuple(edge for edge, flag in zip(samples.edges, edges.tolist(), strict=True) if flag),
        requests=samples.requests[edges],
        responses=samples.responses[edges],
        sources=tuple(source for source, flag in zip(samples.sources, sources.tolist(), strict=True) if flag),
        scraped=samples.scraped[sources],
        request_bytes=None if samples.request_bytes is None else samples.request_bytes[edges],
        response_bytes=None if samples.response_bytes is None else samples.response_bytes[edges],
        reporters=None if samples.reporters is None else samples.reporters[edges],
        protocols=None if samples.protocols is None else samples.protocols[edges],
        providers=samples.edge_providers[edges],
        source_providers=samples.observers[sources],
    )
