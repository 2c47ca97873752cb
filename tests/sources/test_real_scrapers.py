"""Proxies that are scraped more than once, by scrapers that differ in any label, in real servers.

Proxies are scraped every 30 seconds; steps take 300 seconds. A rate of r requests a second is 60 r a minute.
"""

from pathlib import Path

import pytest

from app.domain.workloads import Workload
from tests.conftest import PrometheusFactory
from tests.histories.proxies import Labels, ProxyHistory
from tests.sources.edge_figures import END, HALF_HOUR, Figures, figures, serve
from tests.sources.istio_proxies import ENVOY, HTTP, call, sidecar
from tests.sources.linkerd_proxies import POD, POD_MONITOR, VIZ, outbound, proxy, tcp, to

pytestmark = pytest.mark.prometheus

# Labels that pairs of servers and agents write in the field; any other name is as good.
REPLICA_LABELS = (
    *("prometheus_replica", "ha_replica", "prom_replica", "__replica__", "replica", "receive_replica"),
    *("vmagent", "agent_hostname", "any_name"),
)
PAIRS = {f"pair-{number}": label for number, label in enumerate(REPLICA_LABELS)}
VERSIONS = ("1", "2")


def replicas(scraper: Labels, label: str) -> list[dict[str, str]]:
    return [{**scraper, label: f"{label}-{number}"} for number in (0, 1)]


@pytest.fixture(scope="module")
def url(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    """In each namespace two scrapers collect the proxy of `web`, in both meshes; and a relabelled Pod."""
    history = ProxyHistory(END)
    for namespace, label in PAIRS.items():
        for scraper in replicas(VIZ | {"job": f"proxies-{namespace}"}, label):
            source = proxy(namespace, scraper)
            history.up(source)
            history.count("request_total", outbound(source), 2.0)
            tcp(history, outbound(source), 100.0, 200.0)
        for scraper in replicas(ENVOY | {"job": f"envoy-{namespace}"}, label):
            source = sidecar(f"i-{namespace}", scraper)
            history.up(source)
            for host in ("a.example.com", "b.example.com"):
                edge = call(source) | HTTP | {"request_host": host}
                history.count("istio_requests_total", edge, 1.0)
                history.count("istio_request_bytes_sum", edge, 150.0)
                history.count("istio_response_bytes_sum", edge, 200.0)
    # The label of the Pod that scraping copies changes 450 s before the end.
    for version, times in zip(VERSIONS, (history.scrapes(-3600, -480), history.scrapes(-450)), strict=True):
        source = proxy("relabelled") | {"version": version}
        history.up(source, times)
        history.count("request_total", outbound(source), 1.0, times)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("scrapers"))


async def test_scrapers_that_differ_in_any_label_count_once(url: str) -> None:
    """60 * 2 = 120 requests a minute, 100 and 200 bytes a second, in each of nine namespaces.

    Before, five of the labels were not known to be those of scrapers, and everything counted twice.
    """
    by_edge = await figures(url, "linkerd")

    of_pairs = {name: by_edge.get(to(name, "db")) for name in PAIRS}
    assert of_pairs == dict.fromkeys(PAIRS, Figures(120.0, 0.0, 100.0, 200.0, 6))


async def test_labels_that_users_add_to_istio_are_no_scrapers(url: str) -> None:
    """Each proxy has a series for each of two hosts, 1 request a second each: 60 * (1 + 1), once."""
    by_edge = await figures(url, "istio")

    of_pairs = [rates for edge, rates in by_edge.items() if edge.startswith("i-")]
    assert of_pairs == [Figures(120.0, 120.0, 300.0, 400.0, 6)] * len(REPLICA_LABELS)


async def test_a_relabelled_pod_is_no_second_scraper(url: str) -> None:
    """In the step of the change one series follows the other: both parts count.

    60 a minute, but for 30 of 300 seconds between the last scrape of one series and the first of the other:
    extrapolation covers half of each gap at the ends of both.
    """
    by_edge = await figures(url, "linkerd")

    assert by_edge[to("relabelled", "db")].requests == pytest.approx(60, rel=0.03)


@pytest.mark.parametrize("without", ["control_plane_ns", "deployment"])
async def test_a_scraper_without_the_labels_of_linkerd_beside_viz(
    metric_server_factory: PrometheusFactory, tmp_path: Path, without: str
) -> None:
    """Viz and a job without some of Linkerd's labels collect one proxy: 60 * 2 = 120 a minute, not 240.

    A Pod that only the latter collects is silent in 25 of 30 minutes: 60 / 6 = 10 a minute over six steps.
    """
    other = POD_MONITOR | dict.fromkeys({"control_plane_ns", without}, "")
    history = ProxyHistory(END)
    for scraper in VIZ, other:
        source = proxy("shop", scraper)
        history.up(source)
        history.count("request_total", outbound(source), 2.0)
    alone = proxy("alone", other | {"instance": "10.42.0.22:4191"})
    history.up(alone)
    times = history.scrapes(-300)
    history.add("request_total", outbound(alone), times, 1.0 * (times - times[0]))
    pods = {(namespace, POD): Workload(namespace, "web") for namespace in ("shop", "alone")}

    url = serve(history, metric_server_factory, tmp_path)
    by_edge = await figures(url, "linkerd", HALF_HOUR, pods)

    assert by_edge == {
        to("shop", "db"): Figures(120.0, 0.0, None, None, 6),
        to("alone", "db"): Figures(10.0, 0.0, None, None, 6),
    }
