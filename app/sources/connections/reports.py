"""Reports of proxies on edges: which ones are trusted, and how several on one edge become its rate; pure.

A metric can claim anything, and any Pod with metrics is scraped. The label `namespace`, which scraping sets,
shows who claims it. A client is trusted on edges from its own namespace; a server and a waypoint on edges to
their own namespace; a proxy in a namespace of the mesh's proxies on every edge.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.reporters import Reporters
from app.history.samples import DroppedEdges, EdgeFault
from app.sources.query_result import Key, SeriesMatrix

CLIENT, SERVER = "source", "destination"
# After the labels of an edge: the namespace of the reporting proxy, and its place in the connection.
REPORT_LABELS = ("namespace", "reporter")


@dataclass(frozen=True, slots=True)
class EdgeReports:
    """The rates of one metric by edge; `reporters` has the ends that report each edge."""

    rates: SeriesMatrix
    reporters: Mapping[Key, Reporters] = field(default_factory=dict)
    claims: Mapping[Key, str] = field(default_factory=dict)  # the namespace of a report that is not trusted


def all_reporters(reports: Iterable[EdgeReports]) -> dict[Key, Reporters]:
    """The ends that report each edge in any of the metrics."""
    reporters: dict[Key, Reporters] = {}
    for report in reports:
        for edge, flags in report.reporters.items():
            reporters[edge] = reporters.get(edge, flags) | flags
    return reporters


def dropped_claims(reports: Iterable[EdgeReports], reporters: Mapping[Key, Reporters]) -> DroppedEdges:
    """The number of edges without a trusted report in any metric, by the namespace that claims them."""
    claims = {edge: namespace for report in reports for edge, namespace in report.claims.items()}
    return Counter(
        (EdgeFault.OTHER_REPORTER, namespace) for edge, namespace in claims.items() if edge not in reporters
    )


def trusted_rates(reports: SeriesMatrix, proxy_namespaces: Collection[str]) -> EdgeReports:
    """The rate of each edge with a report that is trusted; *reports* has the labels of edges and reports.

    In each step the larger rate of client and waypoint counts (each sees at most all), and the rate of
    servers only without both. The first labels of an edge are those of its ends.
    """
    reporters: dict[Key, Reporters] = {}
    rows: dict[bool, list[tuple[int, Key]]] = {True: [], False: []}
    claims: dict[Key, str] = {}
    for row, (*ends, namespace, reporter) in enumerate(reports.keys):
        edge = tuple(ends)
        flags = _trusted_ends(edge, namespace, reporter, proxy_namespaces)
        if flags:
            reporters[edge] = reporters.get(edge, flags) | flags
            rows[reporter == SERVER].append((row, edge))
        else:
            claims[edge] = namespace
    numbers = {edge: number for number, edge in enumerate(reporters)}
    clients, servers = (_largest(reports.values, rows[is_server], numbers) for is_server in (False, True))
    values = np.where(np.isnan(clients), servers, clients)
    rates = SeriesMatrix(tuple(reporters), values, reports.unusable, reports.left_out)
    return EdgeReports(rates, reporters, claims)


def trusted_scrapes(scrapes: SeriesMatrix, proxy_namespaces: Collection[str]) -> SeriesMatrix:
    """The scrapes of workloads by proxies of their own namespaces; keys end with the scraped namespace."""
    trusted = [
        row
        for row, (own, *_, namespace) in enumerate(scrapes.keys)
        if namespace == own or namespace in proxy_namespaces
    ]
    rows = [(row, scrapes.keys[row][:-1]) for row in trusted]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for _, key in rows))}
    return SeriesMatrix(tuple(numbers), _largest(scrapes.values, rows, numbers), scrapes.unusable)


def _trusted_ends(
    edge: Key, namespace: str, reporter: str, proxy_namespaces: Collection[str]
) -> Reporters | None:
    """The ends that the report speaks for; None if it is not trusted."""
    source_namespace, _, destination_namespace, *_ = edge
    if namespace in proxy_namespaces:
        return Reporters.BOTH
    if source_namespace == destination_namespace == namespace:
        return Reporters.BOTH
    if reporter == CLIENT:
        return Reporters.SOURCE if namespace == source_namespace else None
    return Reporters.DESTINATION if namespace == destination_namespace else None


def _largest(
    values: NDArray[np.float64], rows: list[tuple[int, Key]], numbers: Mapping[Key, int]
) -> NDArray[np.float64]:
    """The largest value in each step of the *rows* with the same key; NaN for none."""
    largest = np.full((len(numbers), values.shape[1]), np.nan)
    places = np.array([numbers[key] for _, key in rows], dtype=np.int64)
    np.fmax.at(largest, places, values[[row for row, _ in rows]])
    return largest
