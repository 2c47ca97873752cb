"""Linkerd's metrics as real scrapers leave them, in real servers; each namespace is one setting.

Proxies are scraped every 30 seconds; steps take 300 seconds. A rate of r requests a second is 60 r a minute.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from app.domain.workloads import Workload
from app.history.samples import StepRange
from app.sources.connection_queries import CONNECTIONS
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.conftest import PrometheusFactory
from tests.histories.proxies import Labels, ProxyHistory
from tests.sources.collecting import only
from tests.sources.edge_figures import END, HALF_HOUR, HOUR, LAST, Figures, figures, serve
from tests.sources.linkerd_proxies import POD, POD_MONITOR, VIZ, outbound, proxy, tcp, to

pytestmark = pytest.mark.prometheus

PAIRS: dict[str, tuple[Labels, ...]] = {
    "viz-and-podmonitor": (VIZ, POD_MONITOR),
    "ha-pair": tuple(
        POD_MONITOR | {"prometheus": "monitoring/k8s", "prometheus_replica": f"prometheus-k8s-{number}"}
        for number in (0, 1)
    ),
    "thanos-replicas": tuple(VIZ | {"replica": name} for name in "ab"),
}


def add_pairs(history: ProxyHistory) -> None:
    """Each pair of scrapers collects one proxy: 2 requests, 1 response, 100 and 200 bytes a second."""
    for namespace, scrapers in PAIRS.items():
        for scraper in scrapers:
            source = proxy(namespace, scraper)
            edge = outbound(source)
            history.up(source)
            history.count("request_total", edge, 2.0)
            answered = {"classification": "success", "status_code": "200", "grpc_status": ""}
            history.count("response_total", edge | answered, 0.75)
            history.count("response_total", edge | answered | {"classification": "failure"}, 0.25)
            tcp(history, edge, 100.0, 200.0)


def add_pods(history: ProxyHistory) -> None:
    """Two Pods of `web`, each scraped by one of two scrapers, and the destination has two Pods."""
    for number, scraper in enumerate((VIZ, POD_MONITOR)):
        source = proxy("two-pods", scraper) | {
            "pod": f"web-6b6f9d7d5c-2x8q{number}",
            "instance": f"10.42.0.{number}:4191",
        }
        history.up(source)
        for target in (0, 1):
            history.count("request_total", outbound(source, number=target), 1.0)


def add_tcp(history: ProxyHistory) -> None:
    """Redis, opaque: bytes and no requests; and a client whose target is not in the cluster."""
    source = proxy("opaque")
    history.up(source)
    tcp(history, outbound(source, "redis", 6379) | {"tls": "opaque"}, 40.0, 160.0)
    outside = {"direction": "outbound", "target_addr": "203.0.113.7:5432", "target_ip": "203.0.113.7"}
    tcp(history, {**outside, "target_port": "5432", "tls": "opaque", **source}, 9.0, 9.0)


def add_first_samples(history: ProxyHistory) -> None:
    """New series: of a target that is scraped already, of a new target, and after gaps of several kinds."""
    before, after = history.scrapes(-3600, -1900), history.scrapes(-1000)
    # 900 of 1,000 requests before the first scrape of the series, 150 s before the end of a step.
    for namespace, counted in {"most-before": (900, 950, 1000, 1000), "all-before": (1000,) * 4}.items():
        source = proxy(namespace)
        history.up(source)
        history.add("request_total", outbound(source), history.scrapes(-120, -30), np.array(counted))
    # A Pod that starts: its proxy is scraped twice before the first request.
    source = proxy("new-pod")
    history.up(source, history.scrapes(-240))
    history.add("request_total", outbound(source), history.scrapes(-180), np.full(7, 60.0))
    # A Pod that starts: its first scrape has all requests, and the start of its process.
    source = proxy("new-process")
    history.up(source, history.scrapes(-240))
    history.add("process_start_time_seconds", source, history.scrapes(-240), np.full(9, END - 255.5))
    history.add("request_total", outbound(source), history.scrapes(-240), np.full(9, 60.0))
    # An edge that is used every 15 minutes, and that the proxy drops after 10: 5 requests each time.
    source = proxy("idle-expiry")
    history.up(source)
    for burst in range(4):
        times = history.scrapes(-3600 + 900 * burst + 60, -3600 + 900 * burst + 660)
        history.add("request_total", outbound(source), times, np.full(len(times), 5.0))
    # Another Pod of the destination, with a series of its own.
    source = proxy("roll-out")
    history.up(source)
    history.add("request_total", outbound(source), history.scrapes(-3600, -600), np.full(101, 4000.0))
    history.add("request_total", outbound(source, number=1), history.scrapes(-240), np.full(9, 30.0))
    # Prometheus itself is down; a proxy can't be scraped at the end of a step; both go on with old counters.
    source = proxy("prometheus-down")
    for times in (before, after):
        history.up(source, times)
        history.add("request_total", outbound(source), times, np.full(len(times), 1e6))
    source = proxy("proxy-down")
    down = history.scrapes(-1890, -1030)
    history.up(source, before)
    history.up(source, down, 0)
    history.up(source, after)
    for times in (before, after):
        history.add("request_total", outbound(source), times, np.full(len(times), 1e6))
    # A label of the Pod changes, and a second scraper begins.
    source = proxy("relabelled")
    for version, times in (("1", history.scrapes(-3600, -660)), ("2", history.scrapes(-630))):
        history.up(source | {"version": version}, times)
        history.add("request_total", outbound(source | {"version": version}), times, np.full(len(times), 1e6))
    for scraper, times in ((VIZ, history.scrapes()), (POD_MONITOR, history.scrapes(-600))):
        source = proxy("second-scraper", scraper)
        history.up(source, times)
        history.count("request_total", outbound(source), 0.0, times)


@pytest.fixture(scope="module")
def url(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    history = ProxyHistory(END)
    for add in (add_pairs, add_pods, add_tcp, add_first_samples):
        add(history)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("linkerd"))


def edges_of(namespace: str, by_edge: Mapping[str, Figures]) -> dict[str, Figures]:
    return {edge: rates for edge, rates in by_edge.items() if f"{namespace}/" in edge}


@pytest.mark.parametrize("namespace", PAIRS)
async def test_a_proxy_that_is_scraped_twice_counts_once(url: str, namespace: str) -> None:
    """60 * 2 = 120 requests and 60 * (0.75 + 0.25) = 60 responses a minute, 100 and 200 bytes; not twice."""
    by_edge = await figures(url, "linkerd")

    assert edges_of(namespace, by_edge) == {to(namespace, "db"): Figures(120.0, 60.0, 100.0, 200.0, 6)}


async def test_pods_with_different_scrapers_are_added(url: str) -> None:
    """Two Pods send one request a second to each of two: 60 * 4 = 240 a minute."""
    by_edge = await figures(url, "linkerd")

    assert by_edge[to("two-pods", "db")].requests == 240.0


async def test_plain_tcp_is_an_edge(url: str) -> None:
    """40 and 160 bytes a second without a request; what no workload receives is left out."""
    by_edge = await figures(url, "linkerd")

    assert edges_of("opaque", by_edge) == {to("opaque", "redis"): Figures(0.0, 0.0, 40.0, 160.0, 6)}


@pytest.mark.parametrize(
    ("namespace", "requests"),
    [
        ("most-before", 1000),
        ("all-before", 1000),
        ("new-pod", 60),
        ("new-process", 60),
        ("roll-out", 30),
    ],
)
async def test_requests_before_the_first_scrape_of_a_series(
    url: str, namespace: str, requests: float
) -> None:
    """All requests happen in the last step, whose rate is their number / 300 s: a fifth of it a minute."""
    by_edge = await figures(url, "linkerd", StepRange(LAST, LAST))

    assert by_edge[to(namespace, "db")].requests == pytest.approx(requests / 5, abs=0.001)


async def test_an_edge_that_the_proxy_drops_when_it_is_idle(url: str) -> None:
    """Four times 5 requests in an hour of 12 steps: 20 / 60 a minute."""
    by_edge = await figures(url, "linkerd", HOUR)

    assert by_edge[to("idle-expiry", "db")] == Figures(0.333, 0.0, None, None, 12)


@pytest.mark.parametrize("namespace", ["prometheus-down", "proxy-down", "relabelled", "second-scraper"])
async def test_an_old_counter_that_is_seen_again_is_no_traffic(url: str, namespace: str) -> None:
    """The counter stands still: its value of a million, seen again after a while, is none of now."""
    by_edge = await figures(url, "linkerd", HOUR)

    assert edges_of(namespace, by_edge) == {}


async def test_only_pods_with_new_series_are_asked_with_the_long_query(
    metric_server_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """A scraper counts the new series of each scrape: none of `old`, one of `new` in the last step.

    60 requests a minute of the former; 1,000 before the first scrape of the latter, which are 1000 / 5 in a
    minute of the step. No more queries than without new series.
    """
    history = ProxyHistory(END)
    for namespace, added in ("old", 0.0), ("new", 1.0):
        source = proxy(namespace) | {"pod": f"{namespace}-6b6f9d7d5c-2x8qz", "deployment": namespace}
        history.up(source)
        times = history.scrapes(-120)
        history.add("scrape_series_added", source, times, np.full(len(times), added))
        if added:
            history.add("request_total", outbound(source), times, np.full(len(times), 1000.0))
        else:
            history.count("request_total", outbound(source), 1.0)
    traffic = QueryCosts()
    async with PrometheusSource(
        serve(history, metric_server_factory, tmp_path),
        scope=Scope(),
        network_providers=("linkerd",),
        observer=traffic,
    ) as prometheus:
        samples = await only(prometheus.connection_samples(StepRange(LAST, LAST)))

    rates = {
        edge.source.name: rate for edge, [rate] in zip(samples.edges, samples.requests * 60, strict=True)
    }
    assert rates == {"old": pytest.approx(60), "new": pytest.approx(200)}
    assert traffic.queries[CONNECTIONS] == 4


async def test_without_the_label_of_the_control_plane(
    metric_server_factory: PrometheusFactory, tmp_path: object
) -> None:
    """A scrape job without Linkerd's relabelling: the job with the proxies' requests has their Pods.

    The Pod is known, so its Deployment is. One request a second in the first 15 minutes, then nothing: `up`
    shows that the client was silent, and the mean of six steps is 60 * 3 / 6 = 30 a minute.
    """
    history = ProxyHistory(END)
    labels = {"namespace": "shop", "pod": POD, "job": "kubernetes-pods", "instance": "10.42.0.21:4191"}
    history.up(labels)
    history.up(labels | {"instance": "10.42.0.21:8080", "job": "apps"})
    busy = history.scrapes(-3600, -900)
    history.count("request_total", outbound(labels), 1.0, busy)
    url = serve(history, metric_server_factory, tmp_path)  # type: ignore[arg-type]

    by_edge = await figures(url, "linkerd", HALF_HOUR, {("shop", POD): Workload("shop", "web")})

    assert by_edge == {to("shop", "db"): Figures(30.0, 0.0, None, None, 6)}
