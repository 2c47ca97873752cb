"""Istio: the exact texts of queries, and the samples from its labels."""

import numpy as np

from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.history.samples import EdgeFault
from app.sources.mesh.conversation import QueryBatch
from app.sources.mesh.counters import SCRAPER_LABELS, ProxyCounters
from app.sources.mesh.istio import SERIES_LABELS, Istio
from app.sources.mesh.istio_answers import EDGE_LABELS
from app.sources.mesh.new_series import pods_with_new_series
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.mesh.conversing import Answer, converse
from tests.sources.wire import STEPS

SOME = Scope(included=("shop",), excluded=("kube-system",))
LABELS = "source_workload_namespace,source_workload,destination_workload_namespace,destination_workload"
SERVER = "destination_workload_namespace,destination_workload"
BOTH = 'source_workload_namespace!="kube-system",destination_workload_namespace!="kube-system"'
NAN = np.nan
KEY = ("shop", "cart", "storage", "db", "Kubernetes", "Kubernetes")
CART_DB = (*KEY, "shop", "source")
HTTP_CART_DB, GRPC_CART_DB = ((*KEY, protocol, "shop", "source") for protocol in ("http", "grpc"))
CART, DB = Workload("shop", "cart", ""), Workload("storage", "db", "")
RATE_LABELS = (*EDGE_LABELS, "source_cluster", "destination_cluster", "namespace", "reporter")
REQUEST_LABELS = (*RATE_LABELS[:6], "request_protocol", *RATE_LABELS[6:])
PARTS = (
    *("requests", "unanswered", "sent_messages", "received_messages"),
    *("request_bytes", "response_bytes", "received", "sent"),
    *("tunnel_received", "tunnel_sent", "servers", "pods"),
)


def rate(metric: str, *matchers: str, labels: tuple[str, ...] = RATE_LABELS) -> str:
    """The rate by edge and reporter; `test_counters` has the text of its parts."""
    counters = ProxyCounters(SERIES_LABELS, ('pod!=""', 'job="envoy"'), SOME, has_duplicates=False)
    ends = ('source_workload_namespace!="kube-system"', 'destination_workload_namespace!="kube-system"')
    client, server = (
        counters.total(labels, metric, (reporter, *matchers, *ends))
        for reporter in ('reporter=~"source|waypoint"', 'reporter="destination"')
    )
    return f"{client} or on ({','.join(labels[:-1])}) {server}"


def table(rows: dict[tuple[str, ...], list[float]], unusable: int = 0) -> SeriesMatrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return SeriesMatrix(tuple(rows), values, unusable)


NOTHING = table({})
MANY = table({(f"web-{number}",): [1.0] * 4 for number in range(51)})  # Pods with new series: too many names


def _first_part(batch: QueryBatch) -> int:
    """The place in PARTS of the first part of a batch."""
    metrics = {"istio_requests_total": 0, "istio_request_messages_total": 2, "istio_request_bytes_sum": 4}
    query = batch.parts[0].query
    if "istio_tcp_received_bytes_total" in query:
        return 8 if 'pod=~"ztunnel.*"' in query else 6
    return next(place for metric, place in metrics.items() if f"({metric}{{" in query)


def answering(**parts: SeriesMatrix) -> Answer:
    """Answers each part of PARTS by its name; native histograms have no samples."""

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if "istio_build" in batch.query:
            native = table({("envoy",): [1.0] * 4}) if "native_request" in parts else NOTHING
            return [table({("envoy", *[""] * 8): [1.0] * 4}), MANY, native]
        if batch.may_be_refused:
            return [parts.get(f"native_{way}", NOTHING) for way in ("request", "response")]
        first = _first_part(batch)
        return [parts.get(name, NOTHING) for name in PARTS[first : first + len(batch.parts)]]

    return answer


def test_queries() -> None:
    """Clients and waypoints before servers; bytes of TCP with and without the nodes' tunnels; scrapes."""
    batches, _ = converse(Istio(), answering(), SOME)

    ours, tunnels = ('app!="ztunnel"', 'pod!~"ztunnel.*"'), ('pod=~"ztunnel.*"',)
    servers = 'istio_requests_total{reporter="destination",destination_workload_namespace!="kube-system"}'
    up = 'sum_over_time(up{pod!="",job="envoy",namespace!="kube-system"}[5m])'
    scrapers = ",".join(label for label in SCRAPER_LABELS if label != "instance")
    present = " or ".join(
        f"group by ({scrapers})({series})"
        for series in (
            'istio_requests_total{source_workload_namespace!="kube-system"}',
            'istio_tcp_sent_bytes_total{source_workload_namespace!="kube-system"}',
            "istio_build{}",
        )
    )
    native = 'group by (job)(istio_request_bytes{source_workload_namespace!="kube-system"})'
    unanswered = 'response_flags=~"(.*,)?(UH|UF|NR|NC|UO)(,.*)?"'
    assert [[part.query for part in batch.parts] for batch in batches] == [
        [present, pods_with_new_series(('pod!=""',), SOME, seconds=300), native],
        [
            rate("istio_requests_total", labels=REQUEST_LABELS),
            rate("istio_requests_total", unanswered, labels=REQUEST_LABELS),
        ],
        [rate("istio_request_messages_total"), rate("istio_response_messages_total")],
        [rate("istio_request_bytes_sum"), rate("istio_response_bytes_sum")],
        [
            rate("istio_tcp_received_bytes_total", *ours),
            rate("istio_tcp_sent_bytes_total", *ours),
        ],
        [
            rate("istio_tcp_received_bytes_total", *tunnels),
            rate("istio_tcp_sent_bytes_total", *tunnels),
            f"max by ({SERVER},namespace)(count_over_time({servers}[5m]))",
            f"max by (namespace,pod)({up})",
        ],
    ]
    assert {batch.steps for batch in batches} == {STEPS}
    assert all(len(batch.query) < 15_000 for batch in batches)
    assert ",".join(EDGE_LABELS) == LABELS


def test_a_shard_of_sources() -> None:
    """Every rate selects sources in these namespaces only, and scrapes select servers there."""
    batches, _ = converse(Istio(), answering(), SOME, shard=Shard(frozenset({"shop", "team"})))

    _, _, _, *rates, servers, pods = (part.query for batch in batches for part in batch.parts)
    assert all('source_workload_namespace=~"shop|team",' in query for query in rates)
    assert 'destination_workload_namespace=~"shop|team"' in servers
    assert 'up{pod!="",job="envoy",namespace=~"shop|team"' in pods


def test_the_load() -> None:
    """Two rates of two kinds of reporters read four windows each: 16 times the samples of requests.

    They are counted by the cluster of the proxy that reports.
    """
    load = Istio().load(SOME, ("cluster",))

    def side(end: str, reporter: str) -> str:
        counts = f"count_over_time(istio_requests_total{{{BOTH},{reporter}}}[5m])"
        totals = f"sum by (source_workload_namespace,namespace,cluster,{end})({counts})"
        return f'label_replace({totals},"__cluster","$1","{end}","(.+)")'

    client = side("source_cluster", 'reporter!="destination"')
    server = side("destination_cluster", 'reporter="destination"')
    labels = ("source_workload_namespace", "namespace", "cluster", "__cluster")
    assert load.query == f"16 * sum by ({','.join(labels)})({client} or {server})"
    assert load.labels == labels


def test_without_metrics_of_its_proxies_there_are_no_edges() -> None:
    """One query finds no scraper; two scrapers are duplicates, so that rates are deduplicated."""
    nothing, samples = converse(Istio(), lambda _batch: [NOTHING] * 3, Scope())
    scrapers = table({("envoy", *[""] * 8): [1.0] * 4, ("agent", *[""] * 8): [1.0] * 4})

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        return [scrapers, MANY, NOTHING] if "istio_build" in batch.query else answering()(batch)

    twice, _ = converse(Istio(), answer, Scope())

    assert (len(nothing), samples.edges, samples.sources) == (1, (), ())
    assert "prometheus_replica" not in "".join(
        batch.query for batch in converse(Istio(), answering(), SOME)[0][1:]
    )
    assert all("prometheus_replica" in part.query for batch in twice[1:5] for part in batch.parts)
    assert 'job=~"agent|envoy"' in twice[-1].query


def test_a_request_is_a_request_and_a_response() -> None:
    """Two a second both ways; an unusable sample counts once. Neither endpoint has a kind."""
    requests = table({HTTP_CART_DB: [2, 2, NAN, 2]}, unusable=1)

    _, samples = converse(Istio(), answering(requests=requests), Scope())

    assert samples.edges == (Connection(CART, DB),)
    np.testing.assert_array_equal(samples.requests, [[2, 2, NAN, 2]])
    np.testing.assert_array_equal(samples.responses, samples.requests)
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, True]])
    assert samples.unusable == 1


def test_bytes_of_requests_and_of_tcp_are_added() -> None:
    """100 of HTTP and 50 of TCP in one step are 150; one alone is unchanged; neither is no sample."""
    http = table({CART_DB: [100, 100, NAN, NAN]})
    tcp = table({CART_DB: [50, NAN, 50, NAN]})
    requests = table({HTTP_CART_DB: [1] * 4})

    _, samples = converse(
        Istio(), answering(requests=requests, request_bytes=http, received=tcp, sent=tcp), Scope()
    )

    np.testing.assert_array_equal(samples.request_bytes, [[150, 100, 50, NAN]])
    np.testing.assert_array_equal(samples.response_bytes, [[50, NAN, 50, NAN]])


def test_bytes_without_requests_make_an_edge() -> None:
    """It is one of TCP; requests and responses have no sample."""
    _, samples = converse(Istio(), answering(received=table({CART_DB: [50] * 4})), Scope())

    assert samples.edges == (Connection(CART, DB),)
    assert np.isnan(samples.requests).all()
    assert samples.protocols is not None
    assert samples.protocols.tolist() == [Protocol.TCP]


def test_a_stream_counts_its_messages() -> None:
    """A stream of gRPC has no request in its steps but 3 and 5 messages; calls have one message each."""
    requests = table({GRPC_CART_DB: [0, 2, 2, NAN]})
    sent, received = table({CART_DB: [3, 2, NAN, NAN]}), table({CART_DB: [5, 2, NAN, NAN]})

    _, samples = converse(
        Istio(), answering(requests=requests, sent_messages=sent, received_messages=received), Scope()
    )

    np.testing.assert_array_equal(samples.requests, [[3, 2, 2, NAN]])
    np.testing.assert_array_equal(samples.responses, [[5, 2, 2, NAN]])
    assert samples.protocols is not None
    assert samples.protocols.tolist() == [Protocol.GRPC]


def test_native_histograms_are_read_where_there_are_some() -> None:
    """The second question is sent only then; what it answers is added to the bytes of classic ones.

    If there are neither, the samples say so.
    """
    requests, sizes = table({HTTP_CART_DB: [1] * 4}), table({CART_DB: [9] * 4})

    classic, _ = converse(Istio(), answering(requests=requests, request_bytes=sizes), Scope())
    batches, native = converse(Istio(), answering(requests=requests, native_request=sizes), Scope())
    _, both = converse(
        Istio(), answering(requests=requests, request_bytes=sizes, native_request=sizes), Scope()
    )
    _, neither = converse(Istio(), answering(requests=requests), Scope())

    assert (len(classic), len(batches)) == (6, 7)
    assert "histogram_sum(increase(istio_request_bytes{" in batches[-1].query
    assert native.request_bytes is not None
    assert both.request_bytes is not None
    np.testing.assert_array_equal(native.request_bytes, [[9] * 4])
    np.testing.assert_array_equal(both.request_bytes, [[18] * 4])
    assert native.unseen == ""
    assert "istio_request_bytes_sum" in neither.unseen


def test_unknown_endpoints_are_dropped_and_counted() -> None:
    """Clients without a sidecar are `unknown`, as are servers that were never reached: two are dropped.

    They count for the namespace of the proxy that reports them.
    """
    rows: dict[tuple[str, ...], list[float]] = {
        HTTP_CART_DB: [1.0] * 4,
        ("unknown", "unknown", "storage", "db", "", "", "http", "storage", "destination"): [1.0] * 4,
        ("shop", "cart", "unknown", "unknown", "", "", "http", "shop", "source"): [1.0] * 4,
    }

    _, samples = converse(Istio(), answering(requests=table(rows)), Scope())

    assert samples.edges == (Connection(CART, DB),)
    assert samples.dropped == {(EdgeFault.UNKNOWN_END, "storage"): 1, (EdgeFault.UNKNOWN_END, "shop"): 1}
    assert samples.sources == (CART,)


def test_who_declares_impossible_clients_is_named() -> None:
    """A server of `evil` reports clients of three namespaces that can't exist: none of them is named."""
    clients = [(f"Not A Namespace {number}", "x", "evil", "sink") for number in range(3)]
    rows: dict[tuple[str, ...], list[float]] = {
        (*edge, "", "", "http", "evil", "destination"): [1.0] * 4 for edge in clients
    }

    _, samples = converse(Istio(), answering(requests=table(rows)), Scope())

    assert samples.edges == ()
    assert samples.dropped == {(EdgeFault.IMPOSSIBLE_NAME, "evil"): 3}


def test_who_reports_edges_of_other_clusters_is_named() -> None:
    """A server of `evil` reports a client in another cluster, whose namespace may have any name."""
    edge = ("Not A Namespace", "x", "evil", "sink", "west", "east", "http", "evil", "destination")

    _, samples = converse(Istio(), answering(requests=table({edge: [1.0] * 4})), Scope())

    assert samples.edges == ()
    assert samples.dropped == {(EdgeFault.OTHER_CLUSTER, "evil"): 1}


def test_a_proxy_that_reports_as_a_server_is_scraped_as_a_client() -> None:
    """The sidecar of db has two samples in two steps, and one in the third, which is too few for a rate."""
    servers = table({("storage", "db", "storage"): [2, 5, 1, NAN]})

    _, samples = converse(Istio(), answering(servers=servers), Scope())

    assert samples.sources == (DB,)
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, False]])
