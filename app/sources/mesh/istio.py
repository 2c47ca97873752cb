"""Istio: the sidecars' and waypoints' metrics of requests, and of TCP where there are no requests to count.

Client, waypoint and server may all report the same request. The larger of what clients and waypoints report
counts in each step (each sees at most all of it), and what servers report only where neither does. A request
has one response. Metrics name workloads without their kinds.
"""

from dataclasses import replace

import numpy as np

from app.domain.workloads import Workload
from app.history.samples import StepRange
from app.sources.mesh.conversation import Conversation, MeshQuery, QueryBatch
from app.sources.mesh.edges import EdgeRates, EndNaming, aligned, join_connections
from app.sources.queries import WINDOW, Matchers, Scope, Shard, aggregate, excluded, of_shard, selector
from app.sources.query_result import Key, SeriesMatrix

REQUESTS = "istio_requests_total"
REQUEST_BYTES, RESPONSE_BYTES = "istio_request_bytes_sum", "istio_response_bytes_sum"
# Bytes that the server received belong to requests.
TCP_RECEIVED_BYTES, TCP_SENT_BYTES = "istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"

SOURCE_LABELS = ("source_workload_namespace", "source_workload")
SERVER_LABELS = ("destination_workload_namespace", "destination_workload")
EDGE_LABELS = (*SOURCE_LABELS, *SERVER_LABELS)

UNKNOWN = "unknown"
_NEAR = 'reporter=~"source|waypoint"'
_SERVER = 'reporter="destination"'
# A node's tunnel sees once more what waypoints report.
_PROXIES_OF_PODS = ('app!="ztunnel"',)

_RATES: tuple[tuple[str, Matchers], ...] = (
    (REQUESTS, ()),
    (REQUEST_BYTES, ()),
    (RESPONSE_BYTES, ()),
    (TCP_RECEIVED_BYTES, _PROXIES_OF_PODS),
    (TCP_SENT_BYTES, _PROXIES_OF_PODS),
)


class Istio:
    """Requests, and the bytes of their bodies and of plain TCP."""

    name = "istio"

    def load(self, scope: Scope) -> MeshQuery:
        """Every rate is asked for of two kinds of reporters."""
        matchers = (*excluded(SOURCE_LABELS[0], scope), *excluded(SERVER_LABELS[0], scope))
        counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
        labels = SOURCE_LABELS[:1]
        return MeshQuery(f"{2 * len(_RATES)} * {aggregate('sum', labels, counts)}", labels)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Requests and four rates of bytes of each edge, and which proxies report as servers.

        A proxy that reports as a server would report as a client too: it was scraped as both.
        """
        rates = (MeshQuery(edge_rate(*rate, scope, shard), EDGE_LABELS) for rate in _RATES)
        servers = MeshQuery(server_scrapes(scope, shard), SERVER_LABELS)
        requests, request_bytes, response_bytes, received, sent, scrapes = yield (
            QueryBatch((*rates, servers), steps),
        )
        edge_rates = EdgeRates(
            requests,
            replace(requests, unusable=0),
            _added(request_bytes, received),
            _added(response_bytes, sent),
        )
        naming = EndNaming(len(SOURCE_LABELS), _workload, _workload)
        return join_connections(edge_rates, scrapes, naming, scope=scope, steps=steps)


def edge_rate(metric: str, matchers: Matchers, scope: Scope, shard: Shard) -> str:
    """A rate per second of each directed edge, which no two reporters count twice."""
    excluding = (
        *matchers,
        *of_shard(SOURCE_LABELS[0], scope, shard),
        *excluded(SERVER_LABELS[0], scope),
    )

    def summed(reporter: str, labels: tuple[str, ...]) -> str:
        return aggregate("sum", labels, f"rate({selector(metric, (reporter, *excluding), scope)}[{WINDOW}])")

    near = aggregate("max", EDGE_LABELS, summed(_NEAR, (*EDGE_LABELS, "reporter")))
    return f"{near} or {summed(_SERVER, EDGE_LABELS)}"


def server_scrapes(scope: Scope, shard: Shard) -> str:
    """How often a workload's own proxy gave a sample in the step (the most of its series)."""
    matchers = (_SERVER, *of_shard(SERVER_LABELS[0], scope, shard))
    counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
    return aggregate("max", SERVER_LABELS, counts)


def _workload(key: Key) -> Workload | None:
    namespace, name = key
    return None if UNKNOWN in key else Workload(namespace, name, "")


def _added(first: SeriesMatrix, second: SeriesMatrix) -> SeriesMatrix:
    keys = sorted({*first.keys, *second.keys})
    sides = [aligned(side, keys, side.values.shape[1]) for side in (first, second)]
    neither = np.isnan(sides[0]) & np.isnan(sides[1])
    values = np.where(neither, np.nan, np.nansum(sides, axis=0))
    return SeriesMatrix(tuple(keys), values, first.unusable + second.unusable)
