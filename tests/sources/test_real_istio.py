"""Istio's metrics as real scrapers leave them, in real servers; each namespace is one setting.

Proxies are scraped every 30 seconds; steps take 300 seconds. A rate of r requests a second is 60 r a minute.
"""

import numpy as np
import pytest

from app.domain.protocols import Protocol
from app.domain.workloads import Workload
from app.history.samples import EdgeFault, StepRange
from tests.conftest import PrometheusFactory
from tests.histories.proxies import Labels, ProxyHistory
from tests.sources.edge_figures import END, HALF_HOUR, Figures, figures, samples_of, serve
from tests.sources.istio_proxies import AGENT, ENVOY, GRPC, HTTP, POD, call, count_bytes, sidecar

pytestmark = pytest.mark.prometheus

PAIRS: dict[str, tuple[Labels, ...]] = {
    "two-ports": (ENVOY, AGENT),
    "ha-pair": tuple(
        ENVOY | {"prometheus": "monitoring/k8s", "prometheus_replica": f"prometheus-k8s-{number}"}
        for number in (0, 1)
    ),
}
TUNNELS: dict[str, dict[str, str]] = {
    "app": {"app": "ztunnel"},
    "app-and-other-pod": {"app": "ztunnel", "pod": "node-proxy-x7c2k"},
    "pod-of-a-release": {"pod": "istio-ztunnel-x7c2k"},
    "job-alone": {"job": "istio-system/ztunnel"},
}


def add_pairs(history: ProxyHistory) -> None:
    """Each pair of scrapers collects the same sidecar: 2 requests and 300 and 400 bytes a second."""
    for namespace, scrapers in PAIRS.items():
        for scraper in scrapers:
            source = sidecar(namespace, scraper)
            history.up(source)
            edge = call(source)
            history.count("istio_requests_total", edge | HTTP, 1.5)
            history.count("istio_requests_total", edge | HTTP | {"response_code": "404"}, 0.5)
            history.count("istio_request_bytes_sum", edge | HTTP, 300.0)
            history.count("istio_response_bytes_sum", edge | HTTP, 400.0)


def add_tcp(history: ProxyHistory) -> None:
    """Plain TCP of a sidecar; and of ztunnels, once scraped with the labels of their Pods, once without."""
    source = sidecar("opaque")
    history.up(source)
    count_bytes(history, call(source, "redis"), 40.0, 160.0)
    for namespace, scraped in {"ambient": {"app": "ztunnel"}, "mixed": {}}.items():
        for reporter, node in (("source", "x7c2k"), ("destination", "9qk2m")):
            tunnel = sidecar(
                "istio-system",
                {"job": "istio-proxy", "instance": f"10.0.0.{len(node)}:15020"},
                f"ztunnel-{node}",
            )
            count_bytes(
                history, call(tunnel | scraped, "redis", reporter, in_namespace=namespace), 40.0, 160.0
            )
    source = sidecar("mixed")
    history.up(source)
    count_bytes(history, call(source, "redis"), 30.0, 120.0)
    # A ztunnel to a waypoint, whose requests the waypoint reports.
    count_bytes(history, call(tunnel, "waypoint", in_namespace="ambient"), 5.0, 5.0)


def add_tunnels(history: ProxyHistory) -> None:
    """Tunnels with one of the labels that identify them, alone and beside a sidecar."""
    for namespace, labels in TUNNELS.items():
        scraped = {"namespace": "istio-system", "job": "proxies", "instance": "10.0.0.1:15020", **labels}
        for reporter in "source", "destination":
            count_bytes(history, call(scraped, "redis", reporter, in_namespace=namespace), 40.0, 160.0)
            count_bytes(
                history, call(scraped, "redis", reporter, in_namespace=f"{namespace}-mixed"), 40.0, 160.0
            )
        source = sidecar(f"{namespace}-mixed")
        history.up(source)
        count_bytes(history, call(source, "redis"), 30.0, 120.0)


def add_messages(history: ProxyHistory) -> None:
    """A stream with a message a second out and ten back; calls with one message each; and failed requests."""
    source = sidecar("grpc")
    history.up(source)
    stream, unary = call(source, "feed"), call(source, "db")
    history.add("istio_requests_total", stream | GRPC, history.scrapes(), np.full(121, 1.0))
    history.count("istio_request_messages_total", stream | GRPC, 1.0)
    history.count("istio_response_messages_total", stream | GRPC, 10.0)
    for metric in ("istio_requests_total", "istio_request_messages_total", "istio_response_messages_total"):
        history.count(metric, unary | GRPC, 2.0)
    source = sidecar("failing")
    history.up(source)
    for flags, code, per_second in (
        ("-", "200", 1.0),
        ("-", "503", 0.25),
        ("UF,URX", "503", 0.5),
        ("UH", "503", 0.25),
    ):
        labels = call(source) | HTTP | {"response_flags": flags, "response_code": code}
        history.count("istio_requests_total", labels, per_second)


def add_evicted(history: ProxyHistory) -> None:
    """Envoy drops a series when it is idle: 1 request a second in 10 of 30 minutes, `up` throughout.

    In the last step it comes back, with 60 requests before its first scrape.
    """
    source = sidecar("evicted")
    history.up(source)
    history.count("istio_requests_total", call(source) | HTTP, 1.0, history.scrapes(-3600, -1200))
    history.add("istio_requests_total", call(source, "cache") | HTTP, history.scrapes(-240), np.full(9, 60.0))


def add_clusters(history: ProxyHistory) -> None:
    """`web` calls `db` in both clusters, and a client in another cluster calls it."""
    source = sidecar("remote")
    history.up(source)
    history.count("istio_requests_total", call(source) | HTTP, 1.0)
    history.count("istio_requests_total", call(source) | HTTP | {"destination_cluster": "west"}, 5.0)
    server = call(source, "web", "destination", source_workload="cart", source_cluster="west")
    history.count("istio_requests_total", server | HTTP, 7.0)


@pytest.fixture(scope="module")
def url(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    history = ProxyHistory(END)
    for add in (add_pairs, add_tcp, add_tunnels, add_messages, add_evicted, add_clusters):
        add(history)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("istio"))


async def edges_of(namespace: str, url: str, steps: StepRange = HALF_HOUR) -> dict[str, Figures]:
    by_edge = await figures(url, "istio", steps, {(namespace, POD): Workload(namespace, "web")})
    return {edge.rpartition("/")[2]: rates for edge, rates in by_edge.items() if f"{namespace}/web →" in edge}


@pytest.mark.parametrize("namespace", PAIRS)
async def test_a_sidecar_that_is_scraped_twice_counts_once(url: str, namespace: str) -> None:
    """60 * (1.5 + 0.5) = 120 a minute both ways, 300 and 400 bytes a second; not twice."""
    assert await edges_of(namespace, url) == {"db": Figures(120.0, 120.0, 300.0, 400.0, 6)}


async def test_plain_tcp_is_an_edge(url: str) -> None:
    """40 and 160 bytes a second without a request."""
    assert await edges_of("opaque", url) == {"redis": Figures(0.0, 0.0, 40.0, 160.0, 6)}


async def test_ambient_without_a_waypoint(url: str) -> None:
    """Both nodes' tunnels report the connection, which counts once; that to a waypoint doesn't count."""
    assert await edges_of("ambient", url) == {"redis": Figures(0.0, 0.0, 40.0, 160.0, 6)}


async def test_a_tunnel_beside_a_sidecar(url: str) -> None:
    """The tunnel is scraped like a sidecar, without its label `app`: the sidecar's 30 and 120 bytes count."""
    assert await edges_of("mixed", url) == {"redis": Figures(0.0, 0.0, 30.0, 120.0, 6)}


@pytest.mark.parametrize("namespace", TUNNELS)
async def test_tunnels_by_any_of_their_labels(url: str, namespace: str) -> None:
    """40 and 160 bytes a second of the tunnels where no sidecar reports; else the sidecar's 30 and 120.

    Before, tunnels of three of the labels were in neither query, or were taken for sidecars.
    """
    assert await edges_of(namespace, url) == {"redis": Figures(0.0, 0.0, 40.0, 160.0, 6)}
    assert await edges_of(f"{namespace}-mixed", url) == {"redis": Figures(0.0, 0.0, 30.0, 120.0, 6)}


async def test_messages_of_grpc_count(url: str) -> None:
    """The stream: 60 * 1 and 60 * 10 messages a minute, of one request. Calls: 60 * 2 both ways, once."""
    assert await edges_of("grpc", url) == {
        "feed": Figures(60.0, 600.0, None, None, 6),
        "db": Figures(120.0, 120.0, None, None, 6),
    }


async def test_the_protocols(url: str) -> None:
    """By the protocol of most requests; bytes alone are TCP."""
    samples = await samples_of(url, "istio")

    assert samples.protocols is not None
    protocols = {
        f"{edge.destination.namespace}/{edge.destination.name}": Protocol(protocol).label
        for edge, protocol in zip(samples.edges, samples.protocols.tolist(), strict=True)
        if edge.destination.namespace in {"grpc", "opaque", "failing", "ambient"}
    }
    assert protocols == {
        "grpc/feed": "grpc",
        "grpc/db": "grpc",
        "opaque/redis": "tcp",
        "failing/db": "http",
        "ambient/redis": "tcp",
    }


async def test_a_request_that_reached_no_server_has_no_response(url: str) -> None:
    """60 * (1 + 0.25 + 0.5 + 0.25) = 120 requests; UF and UH have no response: 60 * (1 + 0.25) = 75."""
    assert await edges_of("failing", url) == {"db": Figures(120.0, 75.0, None, None, 6)}


async def test_a_client_whose_series_were_dropped_is_scraped(url: str) -> None:
    """Two of six steps have 60 requests a minute: a mean of 20. The other has 60 in 30 minutes: 2."""
    assert await edges_of("evicted", url) == {
        "db": Figures(20.0, 20.0, None, None, 6),
        "cache": Figures(2.0, 2.0, None, None, 6),
    }


async def test_another_clusters_workloads_are_left_out(url: str) -> None:
    """60 * 1 within the cluster. The calls to and from the cluster `west` are dropped and counted."""
    assert await edges_of("remote", url) == {"db": Figures(60.0, 60.0, None, None, 6)}
    samples = await samples_of(url, "istio")
    assert samples.dropped[EdgeFault.OTHER_CLUSTER, "remote"] == 1
