"""Istio: the metrics of sidecars and waypoints on requests, and on plain TCP.

Client, waypoint and server may all report the same request: `reports` says which rate counts, and which
reports are trusted. A request has one response. Metrics name workloads without their kinds.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from app.domain.workloads import Workload
from app.history.samples import StepRange
from app.sources.mesh.conversation import Conversation, LabeledQuery, QueryBatch
from app.sources.mesh.edges import EdgeRates, EndpointNaming, align_rows, join_connections
from app.sources.mesh.reports import REPORT_LABELS, EdgeReports, trusted_rates, trusted_scrapes
from app.sources.queries import (
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    excluded_matchers,
    selector,
    shard_matchers,
)
from app.sources.query_result import Key, SeriesMatrix

REQUESTS = "istio_requests_total"
REQUEST_BYTES, RESPONSE_BYTES = "istio_request_bytes_sum", "istio_response_bytes_sum"
# Bytes received by the server are those of requests.
TCP_RECEIVED_BYTES, TCP_SENT_BYTES = "istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"

SOURCE_LABELS = ("source_workload_namespace", "source_workload")
SERVER_LABELS = ("destination_workload_namespace", "destination_workload")
EDGE_LABELS = (*SOURCE_LABELS, *SERVER_LABELS)
_RATE_LABELS = (*EDGE_LABELS, *REPORT_LABELS)
_SCRAPE_LABELS = (*SERVER_LABELS, "namespace")
_OPTIONAL = frozenset({"namespace"})  # without it, no report is trusted
DEFAULT_PROXY_NAMESPACES = frozenset({"istio-system"})

UNKNOWN = "unknown"
_CLIENT = 'reporter=~"source|waypoint"'
_SERVER = 'reporter="destination"'
# A node's tunnel (ztunnel) reports the traffic of waypoints once more.
_PROXIES_OF_PODS = ('app!="ztunnel"',)

_RATES: tuple[tuple[str, Matchers], ...] = (
    (REQUESTS, ()),
    (REQUEST_BYTES, ()),
    (RESPONSE_BYTES, ()),
    (TCP_RECEIVED_BYTES, _PROXIES_OF_PODS),
    (TCP_SENT_BYTES, _PROXIES_OF_PODS),
)


class Istio:
    """Requests, the bytes of their bodies, and the bytes of plain TCP.

    Proxies in *proxy_namespaces* (ztunnels, shared waypoints, gateways) are trusted on every edge.
    """

    name = "istio"

    def __init__(self, proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES) -> None:
        self._proxy_namespaces = frozenset(proxy_namespaces)

    def load(self, scope: Scope) -> LabeledQuery:
        """The batch has five rates, each of two kinds of reporters."""
        matchers = (*excluded_matchers(SOURCE_LABELS[0], scope), *excluded_matchers(SERVER_LABELS[0], scope))
        counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
        labels = SOURCE_LABELS[:1]
        return LabeledQuery(f"{2 * len(_RATES)} * {aggregate('sum', labels, counts)}", labels)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads requests and four rates of bytes of each edge, and the scrapes of reporting servers.

        A proxy reports both as a server and as a client: a scraped server was scraped as a source too.
        """
        queries = (LabeledQuery(edge_rate(*rate, scope, shard), _RATE_LABELS, _OPTIONAL) for rate in _RATES)
        servers = LabeledQuery(server_scrapes(scope, shard), _SCRAPE_LABELS, _OPTIONAL)
        *rates, scrapes = yield (QueryBatch((*queries, servers), steps),)
        requests, *octets = (trusted_rates(rate, self._proxy_namespaces) for rate in rates)
        naming = EndpointNaming(len(SOURCE_LABELS), _workload, _workload)
        own_scrapes = trusted_scrapes(scrapes, self._proxy_namespaces)
        return join_connections(_edge_rates(requests, *octets), own_scrapes, naming, scope=scope, steps=steps)


def edge_rate(metric: str, matchers: Matchers, scope: Scope, shard: Shard) -> str:
    """A rate per second of each directed edge by its reporter, and by the namespace of the reporting proxy.

    Of two proxies in one namespace the server is left out in each step in which the client reports.
    """
    excluding = (
        *matchers,
        *shard_matchers(SOURCE_LABELS[0], scope, shard),
        *excluded_matchers(SERVER_LABELS[0], scope),
    )

    def sum_by(reporter: str, labels: tuple[str, ...]) -> str:
        return aggregate("sum", labels, f"rate({selector(metric, (reporter, *excluding), scope)}[{WINDOW}])")

    once = f"or on ({','.join((*EDGE_LABELS, 'namespace'))})"
    return f"{sum_by(_CLIENT, _RATE_LABELS)} {once} {sum_by(_SERVER, _RATE_LABELS)}"


def server_scrapes(scope: Scope, shard: Shard) -> str:
    """The samples of a workload's proxy in the step (the maximum over its series), by scraped namespace."""
    matchers = (_SERVER, *shard_matchers(SERVER_LABELS[0], scope, shard))
    counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
    return aggregate("max", _SCRAPE_LABELS, counts)


def _edge_rates(
    requests: EdgeReports,
    request_bytes: EdgeReports,
    response_bytes: EdgeReports,
    received: EdgeReports,
    sent: EdgeReports,
) -> EdgeRates:
    """The rates of HTTP and TCP together; a request has one response, so that unusable samples count once."""
    return EdgeRates(
        requests.rates,
        replace(requests.rates, unusable=0),
        _add(request_bytes.rates, received.rates),
        _add(response_bytes.rates, sent.rates),
        requests.reporters,
        requests.dropped,
    )


def _workload(key: Key) -> Workload | None:
    namespace, name = key
    return None if UNKNOWN in key else Workload(namespace, name, "")


def _add(first: SeriesMatrix, second: SeriesMatrix) -> SeriesMatrix:
    keys = sorted({*first.keys, *second.keys})
    sides = [align_rows(side, keys, side.values.shape[1]) for side in (first, second)]
    neither = np.isnan(sides[0]) & np.isnan(sides[1])
    values = np.where(neither, np.nan, np.nansum(sides, axis=0))
    return SeriesMatrix(tuple(keys), values, first.unusable + second.unusable)
