"""First values of counters in real servers: which of them are traffic of now, and which of weeks.

Proxies are scraped every 30 seconds; steps take 300 seconds, and the last one ends with the history.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.conftest import PrometheusFactory
from tests.histories.proxies import Labels, ProxyHistory
from tests.sources.backend import Backend
from tests.sources.collecting import only
from tests.sources.edge_figures import END, HOUR, LAST, Figures, figures, serve
from tests.sources.istio_proxies import AGENT, ENVOY, HTTP, call, sidecar
from tests.sources.linkerd_proxies import outbound, proxy, to

pytestmark = pytest.mark.prometheus

LAST_STEP = StepRange(LAST, LAST)
BEGUN = 130.0  # seconds before the end: the start of a Pod
STARTS: Mapping[str, tuple[Labels, str]] = {
    "agent": (AGENT, "istio_agent_process_start_time_seconds"),
    "agent-uptime": (AGENT, "envoy_server_uptime"),
    "envoy": (ENVOY, "envoy_server_uptime"),
}


@pytest.fixture(scope="module")
def url(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    history = ProxyHistory(END)
    _add_kept(history)
    _add_starts(history)
    _add_application_restarts(history)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("first-values"))


def _add_kept(history: ProxyHistory) -> None:
    """A rule dropped Linkerd's bytes, and Istio's requests, until ten minutes ago.

    Counters have the bytes of weeks; truly there are 100 a second, and 2 requests.
    """
    times = history.scrapes(-600)
    for number in range(3):
        source = proxy("kept") | {"pod": f"web-6b6f9d7d5c-2x8q{number}", "instance": f"10.42.0.{number}:4191"}
        history.up(source)
        history.add("process_start_time_seconds", source, history.scrapes(), np.full(121, END - 1e6))
        history.count("request_total", outbound(source), 2.0)
        for way in "write", "read":
            counts = np.asarray(5e10 + 100.0 * (times - times[0]), dtype=np.float64)
            history.add(f"tcp_{way}_bytes_total", {**outbound(source), "peer": "dst"}, times, counts)
    source = sidecar("kept", ENVOY | {"job": "kept"})
    history.up(source)
    history.add("istio_build", source, history.scrapes(), np.ones(121))
    history.add("istio_requests_total", call(source) | HTTP, times, 1e7 + 2.0 * (times - times[0]))


def _add_starts(history: ProxyHistory) -> None:
    """A Pod starts 130 s before the end, and has 900 of 1,000 requests before its first scrape."""
    times = history.scrapes(-120)
    for namespace, (scraper, metric) in STARTS.items():
        source = sidecar(namespace, scraper)
        history.up(source, times)
        age = times - (END - BEGUN)
        values = age if "uptime" in metric else np.full(5, END - BEGUN)
        history.add(metric, source, times, np.asarray(values, dtype=np.float64))
        counts = np.array([900, 950, 1000, 1000, 1000])
        history.add("istio_requests_total", call(source) | HTTP, times, counts)


def _add_application_restarts(history: ProxyHistory) -> None:
    """The agent merges the application's metrics: its start is not that of Envoy, whose counters stand still.

    Scraped each 60 s; the application restarts in the last step, for which the scrape before it is missed.
    """
    for phase in range(0, 60, 7):
        source = sidecar(
            "merged", AGENT | {"instance": f"10.42.1.{phase}:15020"}, f"web-6b6f9d7d5c-{phase:05}"
        )
        times = np.arange(END - 3600 + phase, END + 1, 60, dtype=np.int64)
        missed = (times > END - 360) & (times <= END - 300)
        started = np.where(times > END - 250, END - 250.0, END - 86_400.0)
        history.add("up", source, times, (~missed).astype(np.float64))
        history.add("process_start_time_seconds", source, times[~missed], started[~missed])
        for name, age in ("istio_agent_process_start_time_seconds", 0), ("envoy_server_uptime", 1):
            since = times[~missed] - (END - 1_000_000.0) if age else np.full(len(times[~missed]), END - 1e6)
            history.add(name, source, times[~missed], np.asarray(since, dtype=np.float64))
        counts = np.full(len(times[~missed]), 1e6)
        history.add("istio_requests_total", call(source) | HTTP, times[~missed], counts)


async def test_a_metric_that_begins_to_be_kept(url: str) -> None:
    """The bytes of weeks are none of now: 600 of 3,600 seconds with 3 * 100 bytes a second are a mean of 50.

    Before, the first value counted: 13,888,906 bytes a second of each Pod.
    """
    by_edge = await figures(url, "linkerd", HOUR)

    assert by_edge[to("kept", "db")] == Figures(360.0, 0.0, 50.0, 50.0, 12)


async def test_istio_s_requests_that_begin_to_be_kept(url: str) -> None:
    """60 * 2 in two of 12 steps are a mean of 20 a minute; not 833,353."""
    by_edge = await figures(url, "istio", HOUR)

    [rates] = [rates for edge, rates in by_edge.items() if "kept/web" in edge]
    assert rates == Figures(20.0, 20.0, None, None, 12)


@pytest.mark.parametrize("namespace", STARTS)
async def test_a_pod_that_starts_counts_its_first_requests(url: str, namespace: str) -> None:
    """1,000 requests in a step of five minutes are 200 a minute. Before, it was 22.5."""
    by_edge = await figures(url, "istio", LAST_STEP)

    [rates] = [rates for edge, rates in by_edge.items() if f"{namespace}/web →" in edge]
    assert rates.requests == pytest.approx(200)


async def test_a_restart_of_the_application_is_none_of_the_proxy(url: str) -> None:
    """Counters of a million stand still: no traffic. Before, it was 150,000 a minute and more."""
    by_edge = await figures(url, "istio", HOUR)

    assert [edge for edge in by_edge if "merged/" in edge] == []


async def test_series_of_the_application_have_the_long_query_for_its_pod_alone(
    metric_server_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """Each scrape of one Pod has new series, of the application that is merged with the proxy's metrics.

    Both Pods have 1 request a second, 60 a minute. Of the other one, no series is read more than once.
    """
    history = ProxyHistory(END)
    for name, added in ("busy", 7.0), ("calm", 0.0):
        source = sidecar("shop", AGENT | {"instance": f"{name}:15020"}, f"{name}-6b6f9d7d5c-2x8qz")
        history.up(source)
        history.add("scrape_series_added", source, history.scrapes(), np.full(121, added))
        edge = call(source) | HTTP | {"source_workload": name}
        history.count("istio_requests_total", edge, 1.0)
    url = serve(history, metric_server_factory, tmp_path)
    with Backend(url, lambda _request: None) as backend:
        async with PrometheusSource(backend.url, scope=Scope(), network_providers=("istio",)) as source_of:
            samples = await only(source_of.connection_samples(LAST_STEP))

    rates = {edge.source.name: rate for edge, [rate] in zip(samples.edges, samples.requests, strict=True)}
    assert rates == {"busy": pytest.approx(1.0), "calm": pytest.approx(1.0)}
    texts = [request.form["query"] for request in backend.requests]
    long = [text for text in texts if "max_over_time(istio_" in text]
    assert long
    assert all('pod="busy-6b6f9d7d5c-2x8qz"' in text and "calm" not in text for text in long)
