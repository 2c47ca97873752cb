"""Istio: the metrics of sidecars, waypoints and ztunnels on requests, messages of gRPC, and plain TCP.

Client, waypoint and server may all report the same request: `reports` says which rate counts, and which
reports are trusted. A request has one response, unless it reached no server. Metrics name workloads without
their kinds.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import chain

import numpy as np

from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.mesh.conversation import OWN_CLUSTER, Conversation, LabeledQuery, QueryBatch, packed
from app.sources.mesh.counters import SCRAPER_LABELS, WINDOWS_PER_RATE, ProxyCounters
from app.sources.mesh.edges import EdgeRates, EndpointNaming, add_up, join_connections
from app.sources.mesh.istio_answers import (
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
from app.sources.mesh.new_series import EVERY_POD, POD, UP, PodPart, pods_with_new_series
from app.sources.mesh.reports import REPORT_LABELS
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
# The labels in which the series of one proxy differ, but for those that users add.
SERIES_LABELS = (
    *(*_REQUEST_LABELS, "pod", "destination_service", "connection_security_policy"),
    *("response_code", "response_flags", "grpc_response_status"),
)
_SCRAPE_LABELS = (*SERVER_LABELS, "namespace")
_POD_LABELS = ("namespace", "pod")
# An instance is a Pod's address: the same scraper has one for each Pod.
_SCRAPER_LABELS = tuple(label for label in SCRAPER_LABELS if label != "instance")
# Without a namespace no report is trusted; the others are not in every version.
_OPTIONAL = frozenset({"namespace", PROTOCOL_LABEL, *CLUSTER_LABELS})
DEFAULT_PROXY_NAMESPACES = frozenset({"istio-system"})

_TARGETS = ('pod!=""',)
_JOB = ("job",)
_CLIENT = 'reporter=~"source|waypoint"'
_SERVER = 'reporter="destination"'
# A node's tunnel (ztunnel) reports the traffic of sidecars and waypoints once more.
_PROXIES_OF_PODS = ('app!="ztunnel"', 'pod!~"ztunnel.*"')
_TUNNELS = ('pod=~"ztunnel.*"',)
# No upstream host, no connection to it, no route, no cluster, too many requests: no server has answered.
_UNANSWERED = ('response_flags=~"(.*,)?(UH|UF|NR|NC|UO)(,.*)?"',)


class Istio:
    """Requests, the bytes of their bodies, messages of gRPC, and the bytes of plain TCP.

    Proxies in *proxy_namespaces* (ztunnels, shared waypoints, gateways) are trusted on every edge.
    """

    name = "istio"

    def __init__(self, proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES) -> None:
        self._proxy_namespaces = frozenset(proxy_namespaces)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The largest batch has two rates, each of two kinds of reporters."""
        labels = (SOURCE_LABELS[0], "namespace", *clusters)

        def counts(end: str, series: str) -> str:
            return aggregate("sum", (*labels, end), f"count_over_time({series}[{WINDOW}])")

        loads = _with_own_cluster(counts, scope)
        labels = (*labels, OWN_CLUSTER)
        query = f"{4 * WINDOWS_PER_RATE} * {aggregate('sum', labels, loads)}"
        return LabeledQuery(query, labels, frozenset(labels[1:]))

    def reporters(self, scope: Scope) -> str:
        """Of clients, waypoints and servers."""
        return _with_own_cluster(lambda _, series: series, scope)

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the long rates of proxies that are scraped twice, by jobs with names of usual length."""
        scrapers = [(job * 40, *[""] * (len(_SCRAPER_LABELS) - 1)) for job in "ab"]
        rates = _EdgeQueries(scope, shard, scrapers, EVERY_POD).rates()
        return max(len(part.query) for part in rates)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads messages, bytes and scrapes of the scrape jobs with Istio's metrics, if there are any.

        Bytes of native histograms are read where there are some.

        A proxy reports both as a server and as a client: a scraped server was scraped as a source too.
        """
        scrapers, with_new, native = yield (_scrapers_batch(scope, shard, steps),)
        if not scrapers.keys:
            nothing = SeriesMatrix((), np.empty((0, len(steps))))
            rates = EdgeRates(nothing, nothing, nothing, nothing)
            naming = EndpointNaming(len(SOURCE_LABELS), source_workload, _destination)
            return join_connections(rates, nothing, naming, scope=scope, steps=steps)
        # A second part of Pods would take more questions than all of them with the long query.
        queries = _EdgeQueries(scope, shard, scrapers.keys, PodPart(may_have_new=bool(with_new.keys)))
        requests, unanswered, sent, received, *octets, servers, pods = yield queries.batches(steps)
        request_bytes, response_bytes, *of_connections = octets
        if native.keys:
            of_requests, of_responses = yield (queries.native_bytes(steps),)
            request_bytes = add_up((request_bytes, of_requests))
            response_bytes = add_up((response_bytes, of_responses))
        answers = IstioAnswers(
            requests, unanswered, sent, received, request_bytes, response_bytes, *of_connections
        )
        scrapes, pods_by_source = source_scrapes(servers, pods, self._proxy_namespaces)
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


def _scrapers_batch(scope: Scope, shard: Shard, steps: StepRange) -> QueryBatch:
    """The queries on scrapers with metrics of proxies, on new series, and on native histograms.

    A scraper has one series, and so has a job with native histograms. The query on new series is on all
    scraped Pods: it would take another question to leave out those without a proxy.
    """
    sources = shard_matchers(SOURCE_LABELS[0], scope, shard)
    present = " or ".join(
        aggregate("group", _SCRAPER_LABELS, selector(metric, matchers, scope))
        for metric, matchers in ((REQUESTS, sources), (TCP_SENT_BYTES, sources), (BUILD, ()))
    )
    with_new = pods_with_new_series(_TARGETS, scope, seconds=STEP_SECONDS)
    parts = (
        LabeledQuery(present, _SCRAPER_LABELS, frozenset(_SCRAPER_LABELS)),
        LabeledQuery(with_new, POD),
        LabeledQuery(
            aggregate("group", _JOB, selector(REQUEST_BYTES, sources, scope)), _JOB, frozenset(_JOB)
        ),
    )
    return QueryBatch(parts, steps, is_of_pods=True)


class _EdgeQueries:
    """Queries on the edges of the sources in *shard*, with metrics from *scrapers*, of the Pods in *part*."""

    def __init__(self, scope: Scope, shard: Shard, scrapers: Collection[Key], part: PodPart) -> None:
        self._scope, self._shard = scope, shard
        jobs = {key[_SCRAPER_LABELS.index("job")] for key in scrapers}
        self._targets = (*_TARGETS, *(equal_matchers("job", jobs) if all(jobs) else ()))
        self._counters = ProxyCounters(SERIES_LABELS, self._targets, scope, len(scrapers) > 1, part)
        self._ends = (
            *shard_matchers(SOURCE_LABELS[0], scope, shard),
            *destination_matchers(SERVER_LABELS[0], scope),
        )

    def batches(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests; messages of gRPC; bytes of HTTP; bytes of TCP; bytes of the tunnels, and scrapes."""
        rates, scrapes = self.rates(), (self._server_scrapes(), self._pod_scrapes())
        *pairs, tunnels = (rates[place : place + 2] for place in range(0, len(rates), 2))
        batches = (*pairs, (*tunnels, *scrapes))
        return tuple(chain.from_iterable(packed(batch, steps) for batch in batches))

    def rates(self) -> tuple[LabeledQuery, ...]:
        """Pairs of rates: requests, messages of gRPC, bytes of HTTP, bytes of TCP, bytes of the tunnels."""
        edges = self._edges
        return (
            edges(REQUESTS, labels=_REQUEST_LABELS),
            edges(REQUESTS, _UNANSWERED, labels=_REQUEST_LABELS),
            edges(REQUEST_MESSAGES),
            edges(RESPONSE_MESSAGES),
            edges(f"{REQUEST_BYTES}_sum"),
            edges(f"{RESPONSE_BYTES}_sum"),
            edges(TCP_RECEIVED_BYTES, _PROXIES_OF_PODS),
            edges(TCP_SENT_BYTES, _PROXIES_OF_PODS),
            edges(TCP_RECEIVED_BYTES, _TUNNELS),
            edges(TCP_SENT_BYTES, _TUNNELS),
        )

    def _server_scrapes(self) -> LabeledQuery:
        return LabeledQuery(server_scrapes(self._scope, self._shard), _SCRAPE_LABELS, _OPTIONAL)

    def _pod_scrapes(self) -> LabeledQuery:
        namespaces = shard_matchers("namespace", self._scope, self._shard)
        up = selector(UP, (*self._targets, *namespaces), self._scope)
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
