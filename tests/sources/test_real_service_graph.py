"""Service graphs in a real server, with the labels of their generators.

Collectors are scraped every 30 seconds; steps take 300 seconds. A twentieth of the requests is traced: r
pairs of spans a second are 20 r requests a second, or 1200 r a minute, and as many responses.
"""

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.domain.workloads import Workload
from app.history.samples import EdgeFault, StepRange
from app.sources.connections.service_graph import ServiceGraph
from app.sources.queries import Scope
from tests.conftest import PrometheusFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collected_edges import LARGE_BUDGET, Collected, samples_of
from tests.sources.edge_figures import END, HALF_HOUR, HOUR, LAST, serve
from tests.sources.service_graphs import (
    AGENT,
    COLLECTORS,
    GENERATOR,
    REQUESTS,
    SERVED,
    TENANT,
    between,
    instrumented,
    pair,
)

pytestmark = pytest.mark.prometheus

TRACED = ServiceGraph(0.05)
FIRST, SECOND = COLLECTORS
WORKLOADS = (
    *(Workload("shop", name) for name in ("web", "cart", "checkout", "api", "idle")),
    *(Workload("billing", name) for name in ("payment", "ledger", "api")),
    Workload("shop", "queue", "StatefulSet"),
)


def add_traced(history: ProxyHistory) -> None:
    """Edges by dimensions, counted by two replicas, and by the names of services."""
    for scraped in COLLECTORS:
        history.up(scraped)
    by_dimensions = between(("shop", "web"), ("shop", "cart"))
    history.count(REQUESTS, pair(FIRST, "frontend", "basket", failed="false", **by_dimensions), 0.025)
    history.count(REQUESTS, pair(FIRST, "frontend", "basket", failed="true", **by_dimensions), 0.005)
    history.count(REQUESTS, pair(SECOND, "frontend", "basket", failed="false", **by_dimensions), 0.02)
    history.count(REQUESTS, pair(FIRST, "checkout", "payment", server_service_namespace="billing"), 0.01)
    history.count(REQUESTS, pair(FIRST, "checkout", "queue"), 0.02)


def add_left_out(history: ProxyHistory) -> None:
    """A name of two workloads, a database, a queue, peers of no spans, and what another Pod claims."""
    history.count(REQUESTS, pair(FIRST, "checkout", "api"), 0.01)
    history.count(REQUESTS, pair(FIRST, "checkout", "orders", "database"), 0.01)
    history.count(REQUESTS, pair(FIRST, "checkout", "cart", "messaging_system"), 0.01)
    history.count(REQUESTS, pair(FIRST, "checkout", "10.1.2.3", "virtual_node", virtual_node="server"), 0.01)
    history.count(REQUESTS, pair(FIRST, "user", "checkout", "virtual_node", virtual_node="client"), 0.01)
    history.up(TENANT)
    history.count(
        REQUESTS, pair(TENANT, "cart", "payment", **between(("shop", "cart"), ("billing", "payment"))), 9
    )


def add_instrumented(history: ProxyHistory) -> None:
    """OBI counts the requests of `web` to `ledger` on two nodes, and traces of the same are there too."""
    history.up(AGENT)
    edge = instrumented(("shop", "web"), ("billing", "ledger"))
    history.count(REQUESTS, edge, 2.0)
    history.count(SERVED, edge, 1.0)
    history.count(
        REQUESTS, pair(FIRST, "web", "ledger", **between(("shop", "web"), ("billing", "ledger"))), 0.05
    )


def add_interrupted(history: ProxyHistory) -> None:
    """A series that begins with 6 requests, one that begins again at 0, and one that ended long ago."""
    late = pair(FIRST, "late", "late", **between(("shop", "cart"), ("shop", "checkout")))
    history.add(REQUESTS, late, history.scrapes(-240), np.full(9, 6.0))
    times = history.scrapes()
    restarted = pair(FIRST, "restart", "restart", **between(("shop", "cart"), ("shop", "api")))
    since = np.where(times <= END - 900, times - END + 3600, times - END + 900)
    history.add(REQUESTS, restarted, times, 0.01 * since)
    ended = pair(FIRST, "idle", "cart", **between(("shop", "idle"), ("shop", "cart")))
    history.count(REQUESTS, ended, 0.01, history.scrapes(-3600, -2700))


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a server with all of these histories."""
    history = ProxyHistory(END)
    for add in (add_traced, add_left_out, add_instrumented, add_interrupted):
        add(history)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("service-graph"))


async def collected(url: str, steps: StepRange = HALF_HOUR, budget: int = LARGE_BUDGET) -> Collected:
    return Collected(await samples_of(url, TRACED, steps, sample_budget=budget), {}, *WORKLOADS)


EVERY_EDGE = {
    # (0.025 + 0.005 + 0.02) * 1200 = 60; the replicas count different requests
    "shop/web → shop/cart": (60.0, 60.0, 6),
    "shop/checkout → billing/payment": (12.0, 12.0, 6),
    "shop/checkout → StatefulSet/shop/queue": (24.0, 24.0, 6),
    # one request a second that reached the server, not sampled; the traces of the same pair don't count
    "shop/web → billing/ledger": (60.0, 60.0, 6),
    # 6 * 20 requests in one of 30 minutes' steps
    "shop/cart → shop/checkout": (4.0, 4.0, 6),
    "shop/cart → shop/api": (12.0, 12.0, 6),
}


async def test_edges(server: str) -> None:
    """Every edge once, by its dimensions or by names of services that one workload has."""
    result = await collected(server)

    assert result.per_minute == EVERY_EDGE
    assert result.sampling == {Provider.SERVICE_GRAPH: 20.0}


async def test_what_is_left_out(server: str) -> None:
    """Without a namespace of the source: two workloads `api`, a database, a queue and two peers are 5 edges.

    The Pod in `tenant` claims one edge.
    """
    assert (await collected(server)).dropped == {
        (EdgeFault.UNKNOWN_END, ""): 5,
        (EdgeFault.OTHER_REPORTER, "tenant"): 1,
    }


async def test_queries_by_namespace(server: str) -> None:
    """With room for 500 samples a query, namespaces are asked one by one; sources without one, once."""
    result = await collected(server, budget=500)

    assert result.per_minute == EVERY_EDGE
    assert result.dropped[EdgeFault.UNKNOWN_END, ""] == 5


async def test_a_source_whose_series_ended(server: str) -> None:
    """`idle` called in 3 of 12 steps: 12 requests a minute then, 3 on average; the collector was scraped."""
    assert (await collected(server, HOUR)).per_minute["shop/idle → shop/cart"] == (3.0, 3.0, 12)


async def test_an_excluded_namespace(server: str) -> None:
    """No edge from or to `billing` is there. Its `api` is not known: one workload has the name, in `shop`."""
    samples = await samples_of(server, TRACED, HALF_HOUR, scope=Scope(excluded=("billing",)))

    edges = Collected(samples, {}, *(workload for workload in WORKLOADS if workload.namespace == "shop"))
    expected = {edge for edge in EVERY_EDGE if "billing" not in edge}
    assert set(edges.per_minute) == {*expected, "shop/checkout → shop/api"}


async def test_pushed_series(
    metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tempo pushes series without `up`, from a quarter of an hour ago: 3 of 6 steps were observed.

    It begins with 0, so that no request is lost: 0.01 pairs a second are 12 requests a minute.
    """
    history = ProxyHistory(END)
    times = history.scrapes(-900)
    history.add(REQUESTS, pair(GENERATOR, "web", "cart"), times, 0.01 * (times - times[0]))
    url = serve(history, metric_server_factory, tmp_path_factory.mktemp("pushed"))

    quarter = await collected(url, StepRange(LAST - 2, LAST))
    assert quarter.per_minute == {"shop/web → shop/cart": (12.0, 12.0, 3)}
    assert quarter.dropped == {}


async def test_a_collector_that_is_scraped_twice(
    metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two servers scrape the same collector: the requests count once, 0.05 * 1200 = 60 a minute."""
    history = ProxyHistory(END)
    for replica in ("prometheus-0", "prometheus-1"):
        scraped = FIRST | {"prometheus_replica": replica}
        history.up(scraped)
        history.count(REQUESTS, pair(scraped, "web", "cart"), 0.05)
    url = serve(history, metric_server_factory, tmp_path_factory.mktemp("scraped-twice"))

    assert (await collected(url)).per_minute == {"shop/web → shop/cart": (60.0, 60.0, 6)}


async def test_several_clusters(
    prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two clusters have the same edge: that of the cluster with the Pod of the client counts, 60 a minute."""
    history = ProxyHistory(END)
    for cluster, pod, rate in (("ours", "web-1", 0.05), ("theirs", "web-2", 0.5)):
        dimensions = between(("shop", "web"), ("shop", "cart")) | {"client_k8s_pod_name": pod}
        for scraped in COLLECTORS:
            history.up(scraped | {"cluster": cluster})
            labels = pair(scraped, "web", "cart", **dimensions) | {"cluster": cluster}
            history.count(REQUESTS, labels, rate / 2)
    url = serve(history, prometheus_factory, tmp_path_factory.mktemp("clusters"))

    ours = ("shop", "web-1")
    samples = await samples_of(url, TRACED, HALF_HOUR, knows_pod=lambda *pod: pod == ours)

    expected = {"shop/web → shop/cart": (60.0, 60.0, 6)}
    assert Collected(samples, {ours: WORKLOADS[0]}, *WORKLOADS).per_minute == expected


async def test_no_service_graph(
    prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the metric there is no source: the provider is not in use."""
    history = ProxyHistory(END)
    history.up(FIRST)
    url = serve(history, prometheus_factory, tmp_path_factory.mktemp("none"))

    samples = await samples_of(url, TRACED, HALF_HOUR)
    assert (samples.sources, samples.edges, samples.dropped) == ((), (), {})
