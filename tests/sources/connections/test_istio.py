"""Istio: the exact texts of queries, and the samples from its labels."""

import numpy as np

from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.history.samples import EdgeFault
from app.sources.connections.conversation import QueryBatch
from app.sources.connections.counters import ProxyCounters
from app.sources.connections.istio import PROXY, Istio
from app.sources.connections.istio_answers import EDGE_LABELS
from app.sources.connections.new_series import new_series_of_pods
from app.sources.connections.scrapers import repeated_targets
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.connections.conversing import Answer, converse
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
TUNNEL = '"(.*[-./])?ztunnel([-./].*)?"'
OURS = ('app!="ztunnel"', f"pod!~{TUNNEL}", f"job!~{TUNNEL}")


def rate(metric: str, *matchers: str, labels: tuple[str, ...] = RATE_LABELS) -> str:
    """The rate by edge and reporter; `test_counters` has the text of its parts."""
    counters = ProxyCounters(PROXY, ('pod!=""', 'job="envoy"'), SOME)
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


def _name(query: str) -> str:
    """The name of the answer on a part of a batch of rates or scrapes."""
    if "count_over_time(istio_requests_total{reporter=" in query[:120] and query.startswith("max by"):
        return "servers"
    if query.startswith("max by (namespace,pod)"):
        return "pods"
    if "response_flags=~" in query:
        return "unanswered"
    for way in "received", "sent":
        if f"istio_tcp_{way}_bytes_total" in query:
            return way if 'app!="ztunnel"' in query else f"tunnel_{way}"
    names = {
        "request_messages_total": "sent_messages",
        "response_messages_total": "received_messages",
        "request_bytes_sum": "request_bytes",
        "response_bytes_sum": "response_bytes",
        "requests_total": "requests",
    }
    return next(name for metric, name in names.items() if f"istio_{metric}" in query)


def answering(*, is_scraped_twice: bool = False, **parts: SeriesMatrix) -> Answer:
    """Answers each part by its name; there are tunnels and native histograms if *parts* has some."""

    def present(beginning: str, key: tuple[str, ...]) -> SeriesMatrix:
        return table({key: [1.0] * 4}) if any(name.startswith(beginning) for name in parts) else NOTHING

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if "istio_build" in batch.query:
            return [table({("envoy",): [1.0] * 4}), present("tunnel", ()), present("native", ("envoy",))]
        if "scrape_series_added" in batch.query:
            return [NOTHING, MANY, table({(): [1.0] * 4}) if is_scraped_twice else NOTHING]
        if batch.may_be_refused:
            return [parts.get(f"native_{way}", NOTHING) for way in ("request", "response")]
        return [parts.get(_name(part.query), NOTHING) for part in batch.parts]

    return answer


def test_queries() -> None:
    """Clients and waypoints before servers; bytes of TCP of Pods, then of all with the tunnels; scrapes."""
    batches, _ = converse(Istio(), answering(tunnel_sent=NOTHING), SOME)

    sources = 'source_workload_namespace!="kube-system"'
    servers = 'istio_requests_total{reporter="destination",destination_workload_namespace!="kube-system"}'
    up = 'sum_over_time(up{pod!="",job="envoy",namespace!="kube-system"}[5m])'
    present = " or ".join(
        f"group by (job)({series})"
        for series in (
            f"istio_requests_total{{{sources}}}",
            f"istio_tcp_sent_bytes_total{{{sources}}}",
            "istio_build{}",
        )
    )
    tunnels = " or ".join(
        f"istio_tcp_sent_bytes_total{{{matcher},{sources}}}"
        for matcher in ('app="ztunnel"', f"pod=~{TUNNEL}", f"job=~{TUNNEL}")
    )
    unanswered = 'response_flags=~"(.*,)?(UH|UF|NR|NC|UO)(,.*)?"'
    targets = ('pod!=""', 'job="envoy"')
    assert [part.query for batch in batches for part in batch.parts] == [
        present,
        f"group({tunnels})",
        f"group by (job)(istio_request_bytes{{{sources}}})",
        repeated_targets(targets, SOME).query,
        new_series_of_pods(targets, SOME, seconds=300),
        'group(count by (namespace,pod)(up{pod!="",job="envoy"}) > 1)',
        rate("istio_requests_total", labels=REQUEST_LABELS),
        rate("istio_requests_total", unanswered, labels=REQUEST_LABELS),
        rate("istio_request_messages_total"),
        rate("istio_response_messages_total"),
        rate("istio_request_bytes_sum"),
        rate("istio_tcp_received_bytes_total", *OURS),
        f"max by ({SERVER},namespace)(count_over_time({servers}[5m]))",
        rate("istio_response_bytes_sum"),
        rate("istio_tcp_sent_bytes_total", *OURS),
        rate("istio_tcp_received_bytes_total"),
        rate("istio_tcp_sent_bytes_total"),
        f"max by (namespace,pod)({up})",
    ]
    assert {batch.steps for batch in batches} == {STEPS}
    assert all(len(batch.query) <= 16_000 for batch in batches)
    assert ",".join(EDGE_LABELS) == LABELS


def test_a_shard_of_sources() -> None:
    """Every rate selects sources in these namespaces only, and scrapes select servers there."""
    batches, _ = converse(Istio(), answering(), SOME, shard=Shard(frozenset({"shop", "team"})))

    by_name = {_name(part.query): part.query for batch in batches[2:] for part in batch.parts}
    servers, pods = by_name.pop("servers"), by_name.pop("pods")
    assert all('source_workload_namespace=~"shop|team",' in query for query in by_name.values())
    assert len(by_name) == 8
    assert 'destination_workload_namespace=~"shop|team"' in servers
    assert 'up{pod!="",job="envoy",namespace=~"shop|team"' in pods


def test_the_load() -> None:
    """A rate reads up to four windows of each series; messages both ways are read beside requests.

    They are counted by the cluster of the proxy that reports.
    """
    load = Istio().load(SOME, ("cluster",))

    def side(end: str, reporter: str) -> str:
        requests, messages = (
            f"sum by (source_workload_namespace,namespace,cluster,{end})"
            f"(count_over_time(istio_request{name}_total{{{BOTH},{reporter}}}[5m]))"
            for name in ("s", "_messages")
        )
        totals = f"{requests} + 2 * {messages} or {requests}"
        return f'label_replace({totals},"__cluster","$1","{end}","(.+)")'

    client = side("source_cluster", 'reporter!="destination"')
    server = side("destination_cluster", 'reporter="destination"')
    labels = ("source_workload_namespace", "namespace", "cluster", "__cluster")
    assert load.query == f"4 * sum by ({','.join(labels)})({client} or {server})"
    assert load.labels == labels


def test_without_metrics_of_its_proxies_there_are_no_edges() -> None:
    """One query finds no scrape job."""
    nothing, samples = converse(Istio(), lambda _batch: [NOTHING] * 3, Scope())

    assert (len(nothing), samples.edges, samples.sources) == (1, (), ())


def test_proxies_that_are_scraped_twice() -> None:
    """Some Pod has two targets of the job: rates are those of one scraper by Pod, else they are added up."""
    once, _ = converse(Istio(), answering(), Scope())
    twice, _ = converse(Istio(), answering(is_scraped_twice=True), Scope())

    by_scraper = "namespace,reporter,pod,job,instance)"
    assert by_scraper not in "".join(batch.query for batch in once)
    assert sum(part.query.count(by_scraper) for batch in twice for part in batch.parts) == 2 * 8


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

    assert len(batches) == len(classic) + 1
    assert "histogram_sum(increase(istio_request_bytes{" in batches[-1].query
    assert native.request_bytes is not None
    assert both.request_bytes is not None
    np.testing.assert_array_equal(native.request_bytes, [[9] * 4])
    np.testing.assert_array_equal(both.request_bytes, [[18] * 4])
    assert native.unseen == ""
    assert neither.unseen == (
        "neither istio_request_bytes_sum nor istio_request_bytes (a native histogram) has samples of"
        " 1 of 1 edges with requests: their bytes of HTTP are not seen"
    )


def test_edges_without_bytes_are_counted() -> None:
    """Two of three edges with requests have none, though others do; one has no request at all."""
    edges = [(*HTTP_CART_DB[:3], name, *HTTP_CART_DB[4:]) for name in ("db", "cache", "feed", "idle")]
    requests = table({edge: [float(edge[3] != "idle")] * 4 for edge in edges})

    _, samples = converse(
        Istio(), answering(requests=requests, response_bytes=table({CART_DB: [9] * 4})), Scope()
    )

    assert "2 of 3 edges" in samples.unseen


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
