"""Resolves the endpoints of edges to workloads: by Pod if one is known, else by label; pure.

A label may be a name alone, as services have in traces, or without a namespace: it counts where exactly one
known workload has the name.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.pod_names import may_generate
from app.domain.reporters import declaring_namespace
from app.domain.workloads import SERVICE, Connection, Workload
from app.history.samples import ConnectionSamples, EdgeFault
from app.profiler.attribution import Attribution

T = TypeVar("T", bound=Hashable)
Values = NDArray[np.float64]


def resolve(samples: ConnectionSamples, attribution: Attribution) -> ConnectionSamples:
    """The samples by workload; edges that resolve to the same one are summed into one row,
    but for those that are counted by providers whose counts are not added up.

    An edge is dropped and counted if neither Pods nor labels identify an end of it, or if an end is no
    workload of a namespace that is listed, and has no usage from before.
    """
    sources = _resolve_ends(samples.sources, samples.source_pods, attribution)
    edge_sources = _resolve_ends([edge.source for edge in samples.edges], samples.edge_pods, attribution)
    destinations = _resolve_ends(
        [edge.destination for edge in samples.edges], samples.destination_pods, attribution
    )
    edges = list(map(_edge, edge_sources, destinations))
    reporters = samples.edge_reporters.tolist()
    faults = Counter(
        (fault, declaring_namespace(edge, flags))
        for fault, edge, flags in zip(edges, samples.edges, reporters, strict=True)
        if isinstance(fault, EdgeFault)
    )
    unique_edges, rows = _number(
        [
            counted._replace(connection=edge) if isinstance(edge, Connection) else None
            for edge, counted in zip(edges, samples.counted_edges, strict=True)
        ]
    )
    unique_sources, source_rows = _number(
        [
            observed._replace(workload=source) if isinstance(source, Workload) else None
            for source, observed in zip(sources, samples.observed_sources, strict=True)
        ]
    )
    scraped = np.zeros((len(unique_sources), len(samples.steps)), dtype=np.bool_)
    np.logical_or.at(scraped, source_rows[source_rows >= 0], samples.scraped[source_rows >= 0])
    return replace(
        samples,
        edges=tuple(edge.connection for edge in unique_edges),
        requests=_sum_rows(samples.requests, rows, len(unique_edges)),
        responses=_sum_rows(samples.responses, rows, len(unique_edges)),
        sources=tuple(source.workload for source in unique_sources),
        scraped=scraped,
        request_bytes=_sum_optional_rows(samples.request_bytes, rows, len(unique_edges)),
        response_bytes=_sum_optional_rows(samples.response_bytes, rows, len(unique_edges)),
        edge_pods=(),
        source_pods=(),
        destination_pods=(),
        reporters=_union_rows(samples.reporters, rows, len(unique_edges)),
        protocols=_largest_rows(samples.protocols, rows, len(unique_edges)),
        dropped=Counter(samples.dropped) + faults,
        providers=_union_rows(samples.providers, rows, len(unique_edges)),
        source_providers=_union_rows(samples.source_providers, source_rows, len(unique_sources)),
    )


def _edge(source: Workload | EdgeFault, destination: Workload | EdgeFault) -> Connection | EdgeFault:
    """The edge between two workloads, or the fault of one of them."""
    if isinstance(source, EdgeFault):
        return source
    return destination if isinstance(destination, EdgeFault) else Connection(source, destination)


def _resolve_ends(
    labels: Sequence[Workload], pods: Sequence[Sequence[str]], attribution: Attribution
) -> list[Workload | EdgeFault]:
    """The workload of each source or destination; each of these is resolved once."""
    known: dict[tuple[Workload, tuple[str, ...]], Workload | EdgeFault] = {}
    ends = [(label, tuple(of_end)) for label, of_end in zip(labels, pods or [()] * len(labels), strict=True)]
    for end in ends:
        if end not in known:
            known[end] = _resolve_end(*end, attribution)
    return [known[end] for end in ends]


def _resolve_end(label: Workload, pods: Sequence[str], attribution: Attribution) -> Workload | EdgeFault:
    """The workload of the first known Pod, else that of the label; a fault without a label.

    A label that does not fit the names of its Pods is one that a Pod has set itself: where all Pods are known
    and these are not, even the namespace is only claimed. A label without a kind fits all.
    """
    for pod in pods if label.namespace else ():
        if workload := attribution(label.namespace, pod):
            return workload if attribution.may_exist(workload) else EdgeFault.NO_WORKLOAD
    if not label.name:
        return EdgeFault.UNKNOWN_END
    if label.kind == SERVICE or not label.namespace:
        return attribution.only_workload(label) or EdgeFault.UNKNOWN_END
    fits = not (pods and label.kind) or any(may_generate(label, pod) for pod in pods)
    if not fits and attribution.knows_all_of(label.namespace):
        return EdgeFault.OTHER_REPORTER
    return _existing(label, attribution)


def _existing(label: Workload, attribution: Attribution) -> Workload | EdgeFault:
    """The workload that a label names, if it may exist."""
    workload = attribution.resolve_label(label)
    return workload if attribution.may_exist(workload) else EdgeFault.NO_WORKLOAD


def _number(names: Sequence[T | None]) -> tuple[tuple[T, ...], NDArray[np.int64]]:
    """The unique names, and for each of *names* its index among them; -1 for None."""
    numbers: dict[T, int] = {}
    rows = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    return tuple(numbers), np.array(rows, dtype=np.int64)


def _sum_rows(values: Values, rows: NDArray[np.int64], count: int) -> Values:
    """The sums of the rows with the same number; NaN if none of them has a sample."""
    if np.array_equal(rows, np.arange(count)):  # the usual case: nothing to sum
        return values
    known = rows >= 0
    sums = np.zeros((count, values.shape[1]))
    seen = np.zeros(sums.shape, dtype=np.bool_)
    np.add.at(sums, rows[known], np.nan_to_num(values[known]))
    np.logical_or.at(seen, rows[known], np.isfinite(values[known]))
    return np.where(seen, sums, np.nan)


def _sum_optional_rows(values: Values | None, rows: NDArray[np.int64], count: int) -> Values | None:
    return None if values is None else _sum_rows(values, rows, count)


def _largest_rows(
    protocols: NDArray[np.uint8] | None, rows: NDArray[np.int64], count: int
) -> NDArray[np.uint8] | None:
    """The largest of the rows with the same number: an edge with requests is none of TCP."""
    if protocols is None:
        return None
    known, largest = rows >= 0, np.zeros(count, dtype=np.uint8)
    np.maximum.at(largest, rows[known], protocols[known])
    return largest


def _union_rows(
    flags: NDArray[np.uint8] | None, rows: NDArray[np.int64], count: int
) -> NDArray[np.uint8] | None:
    """The flags of any of the rows with the same number."""
    if flags is None:
        return None
    known, union = rows >= 0, np.zeros(count, dtype=np.uint8)
    np.bitwise_or.at(union, rows[known], flags[known])
    return union
