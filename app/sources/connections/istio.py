"""Istio: the metrics of sidecars, waypoints and ztunnels on requests, messages of gRPC, and plain TCP.

Client, waypoint and server may all report the same request: `reports` says which rate counts, and which
reports are trusted. A request has one response, unless it reached no server. Metrics name workloads without
their kinds.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from app.domain.connection_providers import Provider
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.connections.conversation import OWN_CLUSTER, Conversation, LabeledQuery, QueryBatch, packed
from app.sources.connections.counters import WINDOWS_PER_RATE, ProxyCounters, ProxySeries
from app.sources.connections.edges import EdgeRates, EndpointNaming, add_up, join_connections
from app.sources.connections.istio_answers import (
    CLUSTER_LABELS,
    EDGE_LABELS,
    PROTOCOL_LABEL,
    SERVER_LABELS,
    SOURCE_LABELS,
    UNKNOWN,
    IstioAnswers,
    edge_rates,
    source_scrapes,
    source_workload,
)
from app.sources.connections.new_series import POD, UP, new_series_of_pods, pods_with_new_series
from app.sources.connections.reports import REPORT_LABELS
from app.sources.connections.scrapers import LONGEST_SCRAPER_LABELS, repeated_targets, scraper_labels
from app.sources.queries import (
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    destination_matchers,
    equal_matchers,
    excluded_matchers,
    selector,
    shard_matchers,
)
from app.sources.query_result import Key, SeriesMatrix

REQUESTS = "istio_requests_total"
REQUEST_BYTES, RESPONSE_BYTES = "istio_request_bytes", "istio_response_bytes"  # histograms
REQUEST_MESSAGES, RESPONSE_MESSAGES = "istio_request_messages_total", "istio_response_messages_total"
# Bytes received by the server are those of requests.
TCP_RECEIVED_BYTES, TCP_SENT_BYTES = "istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"
BUILD = "istio_build"

_RATE_LABELS = (*EDGE_LABELS, *CLUSTER_LABELS, *REPORT_LABELS)
_REQUEST_LABELS = (*EDGE_LABELS, *CLUSTER_LABELS, PROTOCOL_LABEL, *REPORT_LABELS)
# The labels in which the series of one proxy differ, but for those that users add. The agent beside Envoy
# exposes its own start, and both Envoy's age; `process_start_time_seconds` is the application's.
PROXY = ProxySeries(
    (
        *(*_REQUEST_LABELS, "pod", "destination_service", "connection_security_policy"),
        *("response_code", "response_flags", "grpc_response_status"),
    ),
    start="istio_agent_process_start_time_seconds",
    uptime="envoy_server_uptime",
)
_SCRAPE_LABELS = (*SERVER_LABELS, "namespace")
_POD_LABELS = ("namespace", "pod")
# Without a namespace no report is trusted; the others are not in every version.
_OPTIONAL = frozenset({"namespace", PROTOCOL_LABEL, *CLUSTER_LABELS})
DEFAULT_PROXY_NAMESPACES = frozenset({"istio-system"})

_TARGETS = ('pod!=""',)
_JOB = ("job",)
_CLIENT = 'reporter=~"source|waypoint"'
_SERVER = 'reporter="destination"'
# A node's tunnel (ztunnel) reports the traffic of sidecars and waypoints once more. It has one of these.
_TUNNEL = '"(.*[-./])?ztunnel([-./].*)?"'
_TUNNELS = (('app="ztunnel"',), (f"pod=~{_TUNNEL}",), (f"job=~{_TUNNEL}",))
_PROXIES_OF_PODS = ('app!="ztunnel"', f"pod!~{_TUNNEL}", f"job!~{_TUNNEL}")
# No upstream host, no connection to it, no route, no cluster, too many requests: no server has answered.
_UNANSWERED = ('response_flags=~"(.*,)?(UH|UF|NR|NC|UO)(,.*)?"',)


class Istio:
    """Requests, the bytes of their bodies, messages of gRPC, and the bytes of plain TCP.

    Proxies in *proxy_namespaces* (ztunnels, shared waypoints, gateways) are trusted on every edge.
    """

    name = "istio"
    identity = Provider.ISTIO
    metrics = (REQUESTS, TCP_SENT_BYTES, BUILD)

    def __init__(self, proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES) -> None:
        self._proxy_namespaces = frozenset(proxy_namespaces)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The largest batch has the rates of requests, and of messages both ways where there are any.

        Others have one rate with about as many series, and count the scrapes of servers.
        """
        labels = (SOURCE_LABELS[0], "namespace", *clusters)

        def counts(end: str, series: str) -> str:
            requests, messages = (
                aggregate("sum", (*labels, end), f"count_over_time({each}[{WINDOW}])")
                for each in (series, series.replace(REQUESTS, REQUEST_MESSAGES))
            )
            return f"{requests} + 2 * {messages} or {requests}"

        loads = _with_own_cluster(counts, scope)
        labels = (*labels, OWN_CLUSTER)
        query = f"{WINDOWS_PER_RATE} * {aggregate('sum', labels, loads)}"
        return LabeledQuery(query, labels, frozenset(labels[1:]))

    def reporters(self, scope: Scope) -> str:
        """Of clients, waypoints and servers."""
        return _with_own_cluster(lambda _, series: series, scope)

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the long rates of proxies that are scraped twice, by jobs with names of usual length."""
        targets = (*_TARGETS, *equal_matchers("job", ["a" * 40, "b" * 40]))
        counters = ProxyCounters(PROXY, targets, scope, LONGEST_SCRAPER_LABELS)
        return max(len(rate.query) for rate in _EdgeQueries(counters, shard).rates().values())

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the scrape jobs with Istio's metrics; if there are any, their scrapers; and then the edges.

        Bytes of tunnels and of native histograms are read where there are some.

        A proxy reports both as a server and as a client: a scraped server was scraped as a source too.
        """
        jobs, tunnels, native = yield (_jobs_batch(scope, shard, steps),)
        if not jobs.keys:
            nothing = SeriesMatrix((), np.empty((0, len(steps))))
            rates = EdgeRates(nothing, nothing, nothing, nothing)
            naming = EndpointNaming(len(SOURCE_LABELS), source_workload, _destination)
            return join_connections(rates, nothing, naming, scope=scope, steps=steps)
        names = [job for (job,) in jobs.keys]
        targets = (*_TARGETS, *(equal_matchers("job", names) if all(names) else ()))
        repeated, added, several = yield (_targets_batch(targets, scope, steps),)
        counters = ProxyCounters(
            PROXY,
            targets,
            scope,
            scraper_labels(repeated.keys) if several.keys else (),
            pods_with_new_series(added),
        )
        queries = _EdgeQueries(counters, shard, has_tunnels=bool(tunnels.keys))
        answers = IstioAnswers(**dict(zip(queries.names, (yield queries.batches(steps)), strict=True)))
        if native.keys:
            of_requests, of_responses = yield (queries.native_bytes(steps),)
            answers = replace(
                answers,
                request_bytes=add_up((answers.request_bytes, of_requests)),
                response_bytes=add_up((answers.response_bytes, of_responses)),
            )
        scrapes, pods_by_source = source_scrapes(answers.servers, answers.pods, self._proxy_namespaces)
        naming = EndpointNaming(len(SOURCE_LABELS), source_workload, _destination, pods_by_source)
        rates = edge_rates(answers, self._proxy_namespaces, scope.mesh_cluster)
        return join_connections(rates, scrapes, naming, scope=scope, steps=steps)


def _with_own_cluster(build: Callable[[str, str], str], scope: Scope) -> str:
    """What *build* makes of the label with the cluster of the end that reports, and of its series."""
    ends = (
        *excluded_matchers(SOURCE_LABELS[0], scope),
        *destination_matchers(SERVER_LABELS[0], scope),
    )
    parts = (
        (label, selector(REQUESTS, (*ends, f'reporter{sign}"destination"'), scope))
        for label, sign in zip(CLUSTER_LABELS, ("!=", "="), strict=True)
    )
    return " or ".join(
        f'label_replace({build(label, series)},"{OWN_CLUSTER}","$1","{label}","(.+)")'
        for label, series in parts
    )


def _jobs_batch(scope: Scope, shard: Shard, steps: StepRange) -> QueryBatch:
    """The queries on jobs with metrics of proxies, on whether there are tunnels, and on native histograms.

    A job has one series, and so has a job with native histograms.
    """
    sources = shard_matchers(SOURCE_LABELS[0], scope, shard)
    present = " or ".join(
        aggregate("group", _JOB, selector(metric, matchers, scope))
        for metric, matchers in ((REQUESTS, sources), (TCP_SENT_BYTES, sources), (BUILD, ()))
    )
    of_tunnels = " or ".join(selector(TCP_SENT_BYTES, (*label, *sources), scope) for label in _TUNNELS)
    native = aggregate("group", _JOB, selector(REQUEST_BYTES, sources, scope))
    parts = (
        LabeledQuery(present, _JOB, frozenset(_JOB)),
        LabeledQuery(f"group({of_tunnels})", ()),
        LabeledQuery(native, _JOB, frozenset(_JOB)),
    )
    return QueryBatch(parts, steps, is_of_pods=True)


def _targets_batch(targets: Matchers, scope: Scope, steps: StepRange) -> QueryBatch:
    """The queries on repeated targets, on Pods with new series, and on whether Pods have several targets."""
    by_pod = aggregate("count", _POD_LABELS, selector(UP, targets, scope))
    parts = (
        repeated_targets(targets, scope),
        LabeledQuery(new_series_of_pods(targets, scope, seconds=STEP_SECONDS), POD),
        LabeledQuery(f"group({by_pod} > 1)", ()),
    )
    return QueryBatch(parts, steps, is_of_pods=True)


class _EdgeQueries:
    """Queries on the edges of the sources in *shard*."""

    def __init__(self, counters: ProxyCounters, shard: Shard, *, has_tunnels: bool = True) -> None:
        self._counters, self._scope, self._shard = counters, counters.scope, shard
        self._has_tunnels = has_tunnels
        self._ends = (
            *shard_matchers(SOURCE_LABELS[0], self._scope, shard),
            *destination_matchers(SERVER_LABELS[0], self._scope),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all answers on `batches`."""
        return tuple(chain.from_iterable(self._groups))

    @property
    def _groups(self) -> tuple[tuple[str, ...], ...]:
        """Those that are asked together, the ones with the most edges first."""
        tunnels = ("tunnel_received", "tunnel_sent") if self._has_tunnels else ()
        return (
            ("requests", "unanswered", "sent_messages", "received_messages"),
            ("request_bytes", "received", "servers"),
            ("response_bytes", "sent", *tunnels, "pods"),
        )

    def batches(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests and messages; bytes of requests; bytes of responses. Scrapes are asked beside these."""
        queries = self.rates() | {"servers": self._server_scrapes(), "pods": self._pod_scrapes()}
        batches = (packed([queries[name] for name in group], steps) for group in self._groups)
        return tuple(chain.from_iterable(batches))

    def rates(self) -> dict[str, LabeledQuery]:
        """The query on each of the rates by its name; those of tunnels are of all proxies."""
        edges = self._edges
        return {
            "requests": edges(REQUESTS, labels=_REQUEST_LABELS),
            "unanswered": edges(REQUESTS, _UNANSWERED, labels=_REQUEST_LABELS),
            "sent_messages": edges(REQUEST_MESSAGES),
            "received_messages": edges(RESPONSE_MESSAGES),
            "request_bytes": edges(f"{REQUEST_BYTES}_sum"),
            "response_bytes": edges(f"{RESPONSE_BYTES}_sum"),
            "received": edges(TCP_RECEIVED_BYTES, _PROXIES_OF_PODS),
            "sent": edges(TCP_SENT_BYTES, _PROXIES_OF_PODS),
            "tunnel_received": edges(TCP_RECEIVED_BYTES),
            "tunnel_sent": edges(TCP_SENT_BYTES),
        }

    def _server_scrapes(self) -> LabeledQuery:
        return LabeledQuery(server_scrapes(self._scope, self._shard), _SCRAPE_LABELS, _OPTIONAL)

    def _pod_scrapes(self) -> LabeledQuery:
        namespaces = shard_matchers("namespace", self._scope, self._shard)
        up = selector(UP, (*self._counters.targets, *namespaces), self._scope)
        return LabeledQuery(aggregate("max", _POD_LABELS, f"sum_over_time({up}[{WINDOW}])"), _POD_LABELS)

    def native_bytes(self, steps: StepRange) -> QueryBatch:
        """The bytes of requests and responses where the server keeps histograms in their native form."""
        rates = (
            partial(self._counters.native_total, _RATE_LABELS, metric)
            for metric in (REQUEST_BYTES, RESPONSE_BYTES)
        )
        parts = tuple(self._once(_RATE_LABELS, of_reporter) for of_reporter in rates)
        return QueryBatch(parts, steps, may_be_refused=True)

    def _edges(
        self,
        metric: str,
        matchers: Matchers = (),
        *,
        labels: tuple[str, ...] = _RATE_LABELS,
    ) -> LabeledQuery:
        """A rate per second of each directed edge by its reporter, and by the namespace of its proxy."""
        return self._once(labels, partial(self._counters.total, labels, metric), matchers)

    def _once(
        self, labels: tuple[str, ...], rate: Callable[[Matchers], str], matchers: Matchers = ()
    ) -> LabeledQuery:
        """Of two proxies in one namespace the server is left out in each step in which the client reports."""
        client, server = (rate((reporter, *matchers, *self._ends)) for reporter in (_CLIENT, _SERVER))
        edge = ",".join(label for label in labels if label != "reporter")
        return LabeledQuery(f"{client} or on ({edge}) {server}", labels, _OPTIONAL)


def server_scrapes(scope: Scope, shard: Shard) -> str:
    """The samples of a workload's proxy in the step (the maximum over its series), by scraped namespace."""
    matchers = (_SERVER, *shard_matchers(SERVER_LABELS[0], scope, shard))
    counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
    return aggregate("max", _SCRAPE_LABELS, counts)


def _destination(key: Key) -> Workload | None:
    namespace, name = key
    return None if UNKNOWN in key else Workload(namespace, name, "")
