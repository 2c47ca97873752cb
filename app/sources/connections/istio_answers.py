"""The answers on Istio's metrics as rates of edges in this cluster; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload
from app.history.samples import EdgeFault
from app.sources.clusters import own_cluster
from app.sources.connections.edges import EdgeRates, add, add_up, align_rows, combine
from app.sources.connections.reports import (
    CLIENT,
    REPORT_LABELS,
    EdgeReports,
    all_reporters,
    dropped_claims,
    trusted_rates,
    trusted_scrapes,
)
from app.sources.query_result import Key, SeriesMatrix

SOURCE_LABELS = ("source_workload_namespace", "source_workload")
SERVER_LABELS = ("destination_workload_namespace", "destination_workload")
EDGE_LABELS = (*SOURCE_LABELS, *SERVER_LABELS)
CLUSTER_LABELS = ("source_cluster", "destination_cluster")
PROTOCOL_LABEL = "request_protocol"
UNKNOWN = "unknown"

_GRPC = "grpc"
_UNKNOWN_CLUSTERS = frozenset({"", UNKNOWN})
# In the place of a workload's name: the name of a Pod, after a character that no name has.
_OF_POD = "/"
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IstioAnswers:
    """The rates of edges by reporter, of which requests have the protocol too; and scrapes.

    Those of tunnels are what all proxies report, tunnels among them. Bytes received by a server are those of
    requests. Scrapes are by workload, as a server, and by Pod.
    """

    requests: SeriesMatrix
    unanswered: SeriesMatrix
    sent_messages: SeriesMatrix
    received_messages: SeriesMatrix
    request_bytes: SeriesMatrix
    response_bytes: SeriesMatrix
    received: SeriesMatrix
    sent: SeriesMatrix
    servers: SeriesMatrix
    pods: SeriesMatrix
    tunnel_received: SeriesMatrix | None = None
    tunnel_sent: SeriesMatrix | None = None

    @property
    def of_edges(self) -> tuple[SeriesMatrix, ...]:
        """All answers on edges without the protocol as a label."""
        tunnels = (matrix for matrix in (self.tunnel_received, self.tunnel_sent) if matrix is not None)
        return (
            *(self.sent_messages, self.received_messages, self.request_bytes, self.response_bytes),
            *(self.received, self.sent, *tunnels),
        )


@dataclass(frozen=True, slots=True)
class _Reports:
    """What proxies report on edges in the own cluster, as far as they are trusted."""

    http: EdgeReports
    grpc: EdgeReports
    http_unanswered: EdgeReports
    grpc_unanswered: EdgeReports
    sent_messages: EdgeReports
    received_messages: EdgeReports
    request_bytes: EdgeReports
    response_bytes: EdgeReports
    received: EdgeReports
    sent: EdgeReports
    tunnel_received: EdgeReports
    tunnel_sent: EdgeReports

    @property
    def with_edges(self) -> tuple[EdgeReports, ...]:
        """All that make edges known; unanswered requests are among the requests."""
        return (
            *(self.http, self.grpc, self.sent_messages, self.received_messages),
            *(self.request_bytes, self.response_bytes, self.received, self.sent),
        )

    @property
    def of_tunnels(self) -> tuple[EdgeReports, EdgeReports]:
        """Received and sent bytes of edges that no proxy of a Pod reports."""
        known = all_reporters(self.with_edges)
        return _of_others(self.tunnel_received, known), _of_others(self.tunnel_sent, known)


def edge_rates(answers: IstioAnswers, proxy_namespaces: Collection[str], cluster: str = "") -> EdgeRates:
    """The rates of HTTP, gRPC and TCP together, within *cluster* if it is known.

    A stream of gRPC is one request with many messages, so that the larger of both counts. What tunnels report
    counts for edges that no other proxy reports.
    """
    reports, foreign = _trusted_reports(answers, proxy_namespaces, cluster)
    grpc = reports.grpc.rates
    streams = combine(np.fmax, grpc, reports.sent_messages.rates)
    answered = _less(grpc, reports.grpc_unanswered.rates)
    answered = combine(np.fmax, answered, reports.received_messages.rates)
    requests = combine(add, reports.http.rates, streams)
    responses = combine(add, _less(reports.http.rates, reports.http_unanswered.rates), answered)

    tunnel_received, tunnel_sent = reports.of_tunnels
    received = add_up((reports.request_bytes.rates, reports.received.rates, tunnel_received.rates))
    sent = add_up((reports.response_bytes.rates, reports.sent.rates, tunnel_sent.rates))

    all_reports = (*reports.with_edges, tunnel_received, tunnel_sent)
    reporters = all_reporters(all_reports)
    dropped = Counter(dropped_claims(all_reports, reporters))
    dropped.update(
        (EdgeFault.OTHER_CLUSTER, namespace) for edge, namespace in foreign.items() if edge not in reporters
    )
    return EdgeRates(
        requests,
        replace(responses, unusable=0),
        received,
        sent,
        reporters=reporters,
        dropped=dropped,
        grpc=_mostly(streams, reports.http.rates),
        unseen=_without_bytes(requests, reports.request_bytes.rates, reports.response_bytes.rates),
    )


def _trusted_reports(
    answers: IstioAnswers, proxy_namespaces: Collection[str], cluster: str
) -> tuple[_Reports, Mapping[Key, str]]:
    """The reports, and the namespace of a proxy that reports each edge of another cluster."""
    clusters = _Clusters.of(answers, cluster)
    foreign: dict[Key, str] = {}

    def trusted(matrix: SeriesMatrix) -> EdgeReports:
        near, far = _in_cluster(matrix, clusters)
        foreign.update(far)
        return trusted_rates(near, proxy_namespaces)

    nothing = SeriesMatrix((), np.empty((0, answers.requests.values.shape[1])))
    http, grpc = _by_protocol(answers.requests)
    http_unanswered, grpc_unanswered = _by_protocol(answers.unanswered)
    reports = _Reports(
        http=trusted(http),
        grpc=trusted(grpc),
        http_unanswered=trusted(http_unanswered),
        grpc_unanswered=trusted(grpc_unanswered),
        sent_messages=trusted(answers.sent_messages),
        received_messages=trusted(answers.received_messages),
        request_bytes=trusted(answers.request_bytes),
        response_bytes=trusted(answers.response_bytes),
        received=trusted(answers.received),
        sent=trusted(answers.sent),
        tunnel_received=trusted(answers.tunnel_received or nothing),
        tunnel_sent=trusted(answers.tunnel_sent or nothing),
    )
    return reports, foreign


def _without_bytes(requests: SeriesMatrix, *sizes: SeriesMatrix) -> str:
    """The number of edges with requests of which no bodies are seen, in words; empty if there are none."""
    with_requests = [
        edge for edge, rates in zip(requests.keys, requests.values, strict=True) if np.nansum(rates) > 0
    ]
    missing = len({*with_requests}.difference(*(side.keys for side in sizes)))
    if not missing:
        return ""
    return (
        "neither istio_request_bytes_sum nor istio_request_bytes (a native histogram) has samples of"
        f" {missing} of {len(with_requests)} edges with requests: their bytes of HTTP are not seen"
    )


def source_scrapes(
    servers: SeriesMatrix, pods: SeriesMatrix, proxy_namespaces: Collection[str]
) -> tuple[SeriesMatrix, Mapping[Key, Sequence[str]]]:
    """The scrapes of sources, by workload where a server reports and by Pod; and the Pods of the latter."""
    own = trusted_scrapes(servers, proxy_namespaces)
    by_pod: dict[Key, Sequence[str]] = {
        (namespace, f"{_OF_POD}{pod}"): (pod,) for namespace, pod in pods.keys
    }
    keys = (*own.keys, *by_pod)
    scrapes = SeriesMatrix(keys, np.concatenate((own.values, pods.values)), own.unusable + pods.unusable)
    return scrapes, by_pod


def source_workload(key: Key) -> Workload | None:
    """The workload of a source, without a name if only its Pod is known; None if it is unknown."""
    namespace, name = key
    if name.startswith(_OF_POD):
        return Workload(namespace, "", "")
    return None if UNKNOWN in key else Workload(namespace, name, "")


@dataclass(frozen=True, slots=True)
class _Clusters:
    """The cluster of most namespaces, empty if none is; and those that the proxies of each namespace name."""

    own: str
    by_namespace: Mapping[str, Collection[str]]

    @classmethod
    def of(cls, answers: IstioAnswers, own: str) -> "_Clusters":
        """By the end that reports; raises SeveralClustersError, unless the *own* one is known."""
        values: dict[str, set[str]] = {}
        for key in chain.from_iterable(matrix.keys for matrix in (answers.requests, *answers.of_edges)):
            source, destination, *_, namespace, reporter = key[len(EDGE_LABELS) :]
            cluster = source if reporter == CLIENT else destination
            if cluster not in _UNKNOWN_CLUSTERS:
                values.setdefault(namespace, set()).add(cluster)
        return cls(own or own_cluster(values, " and ".join(CLUSTER_LABELS)), values)

    def covers(self, ends: Collection[str], namespace: str) -> bool:
        """True if the clusters of *ends*, as a proxy in *namespace* reports them, are the own one or unknown.

        Where no cluster is that of most, edges of a namespace that names several count for none.
        """
        named = {*ends} - _UNKNOWN_CLUSTERS
        if self.own:
            return named <= {self.own}
        return not named or len(self.by_namespace.get(namespace, ())) < 2


def _in_cluster(matrix: SeriesMatrix, clusters: _Clusters) -> tuple[SeriesMatrix, dict[Key, str]]:
    """The rates of edges within the own cluster, without the labels of clusters; and who reports others."""
    rows: dict[Key, list[int]] = {}
    foreign: dict[Key, str] = {}
    first, last = len(EDGE_LABELS), len(EDGE_LABELS) + len(CLUSTER_LABELS)
    for row, key in enumerate(matrix.keys):
        namespace = key[-len(REPORT_LABELS)]
        if clusters.covers(key[first:last], namespace):
            rows.setdefault((*key[:first], *key[last:]), []).append(row)
        else:
            foreign[key[:first]] = namespace
    if len(rows) == len(matrix.keys):  # the usual case: nothing to add up
        return replace(matrix, keys=tuple(rows)), foreign
    values = [_total(matrix.values[numbers]) for numbers in rows.values()]
    stacked = np.array(values).reshape(len(rows), matrix.values.shape[1])
    return replace(matrix, keys=tuple(rows), values=stacked), foreign


def _by_protocol(requests: SeriesMatrix) -> tuple[SeriesMatrix, SeriesMatrix]:
    """The requests of HTTP and of gRPC; unusable samples and left-out series count with the former."""
    place = len(EDGE_LABELS) + len(CLUSTER_LABELS)
    is_grpc = np.array([key[place] == _GRPC for key in requests.keys], dtype=np.bool_)
    http, grpc = (
        SeriesMatrix(
            tuple(
                (*requests.keys[row][:place], *requests.keys[row][place + 1 :])
                for row in np.flatnonzero(flags)
            ),
            requests.values[flags],
        )
        for flags in (~is_grpc, is_grpc)
    )
    return replace(http, unusable=requests.unusable, left_out=requests.left_out), grpc


def _of_others(reports: EdgeReports, known: Collection[Key]) -> EdgeReports:
    """The reports on edges that are not *known*; none to or from a waypoint, whose requests are reported."""
    kept = [
        row for row, edge in enumerate(reports.rates.keys) if edge not in known and not _has_waypoint(edge)
    ]
    keys = tuple(reports.rates.keys[row] for row in kept)
    rates = replace(reports.rates, keys=keys, values=reports.rates.values[kept])
    return EdgeReports(rates, {edge: reports.reporters[edge] for edge in keys}, reports.claims)


def _has_waypoint(edge: Key) -> bool:
    _, source, _, destination = edge
    return any(name == "waypoint" or name.endswith("-waypoint") for name in (source, destination))


def _mostly(rates: SeriesMatrix, others: SeriesMatrix) -> frozenset[Key]:
    """The edges with more of *rates* than of *others*."""
    totals = dict(zip(others.keys, np.nansum(others.values, axis=1).tolist(), strict=True))
    sums = np.nansum(rates.values, axis=1).tolist()
    return frozenset(edge for edge, rate in zip(rates.keys, sums, strict=True) if rate > totals.get(edge, 0))


def _less(rates: SeriesMatrix, part: SeriesMatrix) -> SeriesMatrix:
    """The rates without a *part* of them."""
    steps = rates.values.shape[1]
    values = np.fmax(rates.values - np.nan_to_num(align_rows(part, rates.keys, steps)), 0.0)
    return replace(rates, values=np.where(np.isnan(rates.values), np.nan, values))


def _total(rows: Iterable[Values]) -> Values:
    total, *others = rows
    for row in others:
        total = add(total, row)
    return total
