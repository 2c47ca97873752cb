"""Whom the ends of edges stand for: by Pod where one is known, by label elsewhere; pure."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples
from app.profiler.attribution import Attribution

T = TypeVar("T", bound=Hashable)
Values = NDArray[np.float64]


def resolve(samples: ConnectionSamples, attribution: Attribution) -> ConnectionSamples:
    """The same measurements by workload: what becomes the same edge is added, and stands there once.

    An edge whose source neither Pods nor labels tell is left out and counted.
    """
    sources = _sources(samples.sources, samples.source_pods, attribution)
    begins = _sources([edge.source for edge in samples.edges], samples.edge_pods, attribution)
    edges = [
        Connection(begin, attribution.labelled(edge.destination)) if begin else None
        for begin, edge in zip(begins, samples.edges, strict=True)
    ]
    kept, rows = _numbered(edges)
    known, source_rows = _numbered(sources)
    scraped = np.zeros((len(known), len(samples.steps)), dtype=np.bool_)
    np.logical_or.at(scraped, source_rows[source_rows >= 0], samples.scraped[source_rows >= 0])
    return replace(
        samples,
        edges=kept,
        requests=_added(samples.requests, rows, len(kept)),
        responses=_added(samples.responses, rows, len(kept)),
        sources=known,
        scraped=scraped,
        request_bytes=_added_if_told(samples.request_bytes, rows, len(kept)),
        response_bytes=_added_if_told(samples.response_bytes, rows, len(kept)),
        edge_pods=(),
        source_pods=(),
        unknown_ends=samples.unknown_ends + edges.count(None),
    )


def _sources(
    labelled: Sequence[Workload], pods: Sequence[Sequence[str]], attribution: Attribution
) -> list[Workload | None]:
    """Each source by the first of its Pods that is known, or by its label."""
    pods = pods or [()] * len(labelled)
    return [_source(*each, attribution) for each in zip(labelled, pods, strict=True)]


def _source(labelled: Workload, pods: Sequence[str], attribution: Attribution) -> Workload | None:
    for pod in pods:
        if workload := attribution(labelled.namespace, pod):
            return workload
    return attribution.labelled(labelled) if labelled.name else None


def _numbered(names: Sequence[T | None]) -> tuple[tuple[T, ...], NDArray[np.int64]]:
    """Each name once, and the number among them of every one; -1 for None."""
    numbers: dict[T, int] = {}
    rows = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    return tuple(numbers), np.array(rows, dtype=np.int64)


def _added(values: Values, rows: NDArray[np.int64], count: int) -> Values:
    """Sums of the rows of the same number, NaN where none of them has a sample."""
    if np.array_equal(rows, np.arange(count)):  # as it mostly is: nothing is added
        return values
    known = rows >= 0
    sums = np.zeros((count, values.shape[1]))
    seen = np.zeros(sums.shape, dtype=np.bool_)
    np.add.at(sums, rows[known], np.nan_to_num(values[known]))
    np.logical_or.at(seen, rows[known], np.isfinite(values[known]))
    return np.where(seen, sums, np.nan)


def _added_if_told(values: Values | None, rows: NDArray[np.int64], count: int) -> Values | None:
    return None if values is None else _added(values, rows, count)
