"""Histories with the labels of each mesh, in a real Prometheus: every mean is worked out."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.domain.workloads import Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.histories.shop import BOTH, ISTIO, LINKERD, write_shop
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
LAST = END // 300
HALF_HOUR = StepRange(LAST - 5, LAST)
SHOP = tuple(Workload("shop", name) for name in ("web", "cart", "payment"))
DIRECTORY = ClusterSnapshot(
    {
        ("shop", "cart-5f5b555dff-fcg7c"): Workload("shop", "cart"),
        ("shop", "payment-7d4b9c6f8-6b6f9"): Workload("shop", "payment"),
        ("shop", "queue-0"): Workload("shop", "queue", "StatefulSet"),
    },
    (*SHOP, Workload("shop", "queue", "StatefulSet"), Workload("storage", "db", "StatefulSet")),
)


Serve = Callable[[str], PrometheusSource]


@pytest.fixture(scope="module")
def meshes(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    """Both meshes in one Prometheus."""
    path = tmp_path_factory.mktemp("meshes") / "meshes.openmetrics"
    write_shop(path, end=END, seconds=3600)
    return prometheus_factory(path)


@pytest.fixture
async def open_source(meshes: Prometheus) -> AsyncIterator[Serve]:
    opened: list[PrometheusSource] = []

    def serve(provider: str) -> PrometheusSource:
        source = PrometheusSource(meshes.url, scope=Scope(), network_providers=(provider,))
        opened.append(source)
        return source

    yield serve
    for source in opened:
        await source.__aexit__(None, None, None)


async def profiled(
    source: PrometheusSource, directory: ClusterSnapshot = DIRECTORY
) -> dict[str, tuple[float, ...]]:
    """Requests and responses per minute, bytes per second both ways of each edge, to three decimals."""
    samples = await only(source.connection_samples(HALF_HOUR))
    assert samples is not None
    resolved = resolve(samples, Attribution(directory))
    assert (
        sum(resolved.dropped.values())
        == {"linkerd": 2, "istio": 2, "linkerd and istio": 4}[source.network_provider_in_use]
    )
    assert resolved.unusable == 0
    rows = ConnectionHistory()
    rows.fold(resolved)
    rates_by_edge = {}
    for mean in rows.means():
        assert mean.scraped_steps == 6
        rates = (mean.requests_per_minute, mean.responses_per_minute)
        sizes = (mean.request_bytes_per_second, mean.response_bytes_per_second)
        rates_by_edge[str(mean.connection)] = tuple(
            round(rate, 3) for rate in (*rates, *sizes) if rate is not None
        )
    return rates_by_edge


async def test_linkerd(open_source: Serve) -> None:
    """Both Pods of web: 60 * (1 + 0.5) = 90 requests, 60 * 2 * (0.4 + 0.1) = 60 responses, 100 + 60 bytes.

    cart, payment and queue all have the label `deployment: blue`, and are distinguished by their Pods: 60 *
    2, 60 * 3 and 60 * 4 requests. The run of a CronJob counts for the CronJob: 60 * 5. The inbound 100 a
    second, and the traffic between a proxy and its own application, do not count. Two destinations without a
    workload are dropped.
    """
    assert await profiled(open_source("linkerd")) == LINKERD


async def test_linkerd_without_known_pods(open_source: Serve) -> None:
    """Without known Pods, Deployments follow from Pod names, and other workloads from their labels."""
    assert await profiled(open_source("linkerd"), ClusterSnapshot()) == LINKERD


async def test_istio(open_source: Serve) -> None:
    """The client's 60 * (1.5 + 0.5) = 120, not the server's 135 or the sum; 300 + 50 and 4000 + 70 bytes.

    Only the server reports batch: 60 * 0.25 = 15. A waypoint reports for ambient: 60 * 3 = 180. db is a
    StatefulSet since no other workload has its name; the kinds of batch and ambient are unknown, so they are
    Deployments. Two edges with an unknown endpoint are dropped, and so are the tunnel's 999 bytes.
    """
    assert await profiled(open_source("istio")) == ISTIO


async def test_both_at_once(open_source: Serve) -> None:
    """`auto` uses both; the requests of web → db in both meshes are added: 90 + 120 = 210 and so on."""
    assert await profiled(open_source("auto")) == BOTH
