"""Istio: the exact texts of queries, and the samples from its labels."""

import numpy as np

from app.domain.workloads import Connection, Workload
from app.history.samples import EdgeFault
from app.sources.mesh.conversation import QueryBatch
from app.sources.mesh.istio import EDGE_LABELS, Istio
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.mesh.conversing import converse
from tests.sources.wire import STEPS

SOME = Scope(included=("shop",), excluded=("kube-system",))
LABELS = "source_workload_namespace,source_workload,destination_workload_namespace,destination_workload"
SERVER = "destination_workload_namespace,destination_workload"
BOTH = 'source_workload_namespace!="kube-system",destination_workload_namespace!="kube-system"'
NAN = np.nan
CART_DB = ("shop", "cart", "storage", "db", "shop", "source")
CART, DB = Workload("shop", "cart", ""), Workload("storage", "db", "")


def rate(metric: str, matchers: str = "") -> str:
    by = f"{LABELS},namespace,reporter"
    client, server = (
        f"sum by ({by})(rate({metric}{{{reporter},{matchers}{BOTH}}}[5m]))"
        for reporter in ('reporter=~"source|waypoint"', 'reporter="destination"')
    )
    return f"{client} or on ({LABELS},namespace) {server}"


def table(rows: dict[tuple[str, ...], list[float]], unusable: int = 0) -> SeriesMatrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return SeriesMatrix(tuple(rows), values, unusable)


NOTHING = table({})


def nothing(batch: QueryBatch) -> list[SeriesMatrix]:
    return [NOTHING] * len(batch.parts)


def test_queries() -> None:
    """Clients and waypoints before servers; bytes of TCP without the nodes' tunnels; servers as scrapes."""
    (batch,), _ = converse(Istio(), nothing, SOME)

    ours = 'app!="ztunnel",'
    servers = 'istio_requests_total{reporter="destination",destination_workload_namespace!="kube-system"}'
    assert [part.query for part in batch.parts] == [
        rate("istio_requests_total"),
        rate("istio_request_bytes_sum"),
        rate("istio_response_bytes_sum"),
        rate("istio_tcp_received_bytes_total", ours),
        rate("istio_tcp_sent_bytes_total", ours),
        f"max by ({SERVER},namespace)(count_over_time({servers}[5m]))",
    ]
    assert batch.steps == STEPS
    assert ",".join(EDGE_LABELS) == LABELS


def test_a_shard_of_sources() -> None:
    """Every rate selects sources in these namespaces only, and scrapes select servers there."""
    (batch,), _ = converse(Istio(), nothing, SOME, shard=Shard(frozenset({"shop", "team"})))

    *rates, servers = (part.query for part in batch.parts)
    assert all(query.count('source_workload_namespace=~"shop|team",') == 2 for query in rates)
    assert 'destination_workload_namespace=~"shop|team"' in servers


def test_the_load() -> None:
    """Five rates of two kinds of reporters read about ten times the samples of requests, by source."""
    load = Istio().load(SOME)

    counts = f"count_over_time(istio_requests_total{{{BOTH}}}[5m])"
    assert load.query == f"10 * sum by (source_workload_namespace)({counts})"
    assert load.labels == ("source_workload_namespace",)


def test_a_request_is_a_request_and_a_response() -> None:
    """Two a second both ways; an unusable sample counts once. Neither endpoint has a kind."""
    answers = [table({CART_DB: [2, 2, NAN, 2]}, unusable=1), *[NOTHING] * 5]

    _, samples = converse(Istio(), lambda _batch: answers, Scope())

    assert samples.edges == (Connection(CART, DB),)
    np.testing.assert_array_equal(samples.requests, [[2, 2, NAN, 2]])
    np.testing.assert_array_equal(samples.responses, samples.requests)
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, True]])
    assert samples.unusable == 1


def test_bytes_of_requests_and_of_tcp_are_added() -> None:
    """100 of HTTP and 50 of TCP in one step are 150; one alone is unchanged; neither is no sample."""
    http = table({CART_DB: [100, 100, NAN, NAN]})
    tcp = table({CART_DB: [50, NAN, 50, NAN]})
    answers = [table({CART_DB: [1] * 4}), http, NOTHING, tcp, tcp, NOTHING]

    _, samples = converse(Istio(), lambda _batch: answers, Scope())

    np.testing.assert_array_equal(samples.request_bytes, [[150, 100, 50, NAN]])
    np.testing.assert_array_equal(samples.response_bytes, [[50, NAN, 50, NAN]])


def test_bytes_without_requests_make_no_edge() -> None:
    """Without a request there is no rate of requests and responses per minute."""
    answers = [NOTHING, NOTHING, NOTHING, table({CART_DB: [50] * 4}), NOTHING, NOTHING]

    _, samples = converse(Istio(), lambda _batch: answers, Scope())

    assert samples.edges == ()


def test_unknown_endpoints_are_dropped_and_counted() -> None:
    """Clients without a sidecar are `unknown`, as are servers that were never reached: two are dropped.

    They count for the namespace of the proxy that reports them.
    """
    rows: dict[tuple[str, ...], list[float]] = {
        CART_DB: [1.0] * 4,
        ("unknown", "unknown", "storage", "db", "storage", "destination"): [1.0] * 4,
        ("shop", "cart", "unknown", "unknown", "shop", "source"): [1.0] * 4,
    }

    _, samples = converse(Istio(), lambda _batch: [table(rows), *[NOTHING] * 5], Scope())

    assert samples.edges == (Connection(CART, DB),)
    assert samples.dropped == {(EdgeFault.UNKNOWN_END, "storage"): 1, (EdgeFault.UNKNOWN_END, "shop"): 1}
    assert samples.sources == (CART,)


def test_who_declares_impossible_clients_is_named() -> None:
    """A server of `evil` reports clients of three namespaces that can't exist: none of them is named."""
    clients = [(f"Not A Namespace {number}", "x", "evil", "sink") for number in range(3)]
    rows: dict[tuple[str, ...], list[float]] = {(*edge, "evil", "destination"): [1.0] * 4 for edge in clients}

    _, samples = converse(Istio(), lambda _batch: [table(rows), *[NOTHING] * 5], Scope())

    assert samples.edges == ()
    assert samples.dropped == {(EdgeFault.IMPOSSIBLE_NAME, "evil"): 3}


def test_a_proxy_that_reports_as_a_server_is_scraped_as_a_client() -> None:
    """The sidecar of db has two samples in two steps, and one in the third, which is too few for a rate."""
    servers = table({("storage", "db", "storage"): [2, 5, 1, NAN]})

    _, samples = converse(Istio(), lambda _batch: [*[NOTHING] * 5, servers], Scope())

    assert samples.sources == (DB,)
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, False]])
