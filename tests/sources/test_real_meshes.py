"""Histories in the label schema of each mesh, in a real Prometheus: every mean is worked out by hand."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.domain.workloads import Workload
from app.estimation.connection_rows import ConnectionRows
from app.estimation.samples import StepRange
from app.profiler.attribution import Attribution
from app.profiler.ports import Directory
from app.profiler.resolution import resolve
from app.sources.prometheus import NetworkProvider, PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.histories.meshes import (
    END,
    Counter,
    LinkerdPod,
    istio_edge,
    istio_http,
    istio_tcp,
    linkerd_destination,
    linkerd_edge,
    write_counters,
)

pytestmark = pytest.mark.prometheus

LAST = END // 300
HALF_HOUR = StepRange(LAST - 5, LAST)
BLUE = {"deployment": "blue", "app": "shop"}  # labels that a user gave to Pods of several workloads
WEB = LinkerdPod(
    "shop", "web-6b6f9d7d5c-2x8qz", {"deployment": "web"}, {"pod_template_hash": "6b6f9d7d5c"}, "10.42.0.21"
)
WEB_TOO = LinkerdPod("shop", "web-6b6f9d7d5c-vhm4j", {"deployment": "web"}, {}, "10.42.0.22")
CART = LinkerdPod("shop", "cart-5f5b555dff-fcg7c", {}, BLUE, "10.42.0.23")
PAYMENT = LinkerdPod("shop", "payment-7d4b9c6f8-6b6f9", {}, BLUE, "10.42.0.24")
QUEUE = LinkerdPod("shop", "queue-0", {"statefulset": "queue"}, BLUE, "10.42.0.25")
NIGHTLY = LinkerdPod(
    "shop", "nightly-28394810-k7x2m", {"cronjob": "nightly"}, {"job_name": "nightly-28394810"}, "10.42.0.26"
)
LINKERD_PODS = (WEB, WEB_TOO, CART, PAYMENT, QUEUE, NIGHTLY)
DB = linkerd_destination("storage", {"statefulset": "db"}, "db-0")
SHOP = tuple(Workload("shop", name) for name in ("web", "cart", "payment"))
DIRECTORY = Directory(
    {
        ("shop", "cart-5f5b555dff-fcg7c"): Workload("shop", "cart"),
        ("shop", "payment-7d4b9c6f8-6b6f9"): Workload("shop", "payment"),
        ("shop", "queue-0"): Workload("shop", "queue", "StatefulSet"),
    },
    (*SHOP, Workload("shop", "queue", "StatefulSet"), Workload("storage", "db", "StatefulSet")),
)


def linkerd_counters() -> Iterator[Counter]:
    queue = linkerd_destination("shop", {"statefulset": "queue"}, "queue-0")
    for pod, requests, bytes_out in ((WEB, 1.0, 100.0), (WEB_TOO, 0.5, 60.0)):
        yield from linkerd_edge(
            pod,
            DB,
            "10.42.1.1",
            requests=requests,
            responses={"success": 0.4, "failure": 0.1},
            written=bytes_out,
            read=1000.0,
        )
    one = {"responses": {"success": 1.0}, "written": 10.0, "read": 20.0}
    yield from linkerd_edge(CART, queue, "10.42.0.25", requests=2.0, **one)  # type: ignore[arg-type]
    yield from linkerd_edge(PAYMENT, queue, "10.42.0.25", requests=3.0, **one)  # type: ignore[arg-type]
    yield from linkerd_edge(QUEUE, DB, "10.42.1.1", requests=4.0, **one)  # type: ignore[arg-type]
    yield from linkerd_edge(NIGHTLY, DB, "10.42.1.1", requests=5.0, **one)  # type: ignore[arg-type]
    # A Service of which nobody knows the workload, and a host outside the cluster.
    service = {"dst_service": "legacy", "dst_namespace": "shop"}
    yield from linkerd_edge(WEB, service, "10.42.1.9", requests=9.0, **one)  # type: ignore[arg-type]
    yield from linkerd_edge(WEB_TOO, {}, "203.0.113.7", requests=9.0, **one)  # type: ignore[arg-type]


SIDECAR_WEB, SIDECAR_DB = {"pod": "web-6b6f9d7d5c-2x8qz"}, {"pod": "db-0"}
WAYPOINT = {"pod": "waypoint-5f5b555dff-fcg7c", "namespace": "shop"}
ISTIO_WEB, ISTIO_DB, AMBIENT = ("shop", "web"), ("storage", "db"), ("shop", "ambient")


def istio_counters() -> Iterator[Counter]:
    # Both sidecars report the same requests; the server sees a repeated try that the client does not count.
    client = istio_edge("source", ISTIO_WEB, ISTIO_DB, **SIDECAR_WEB)
    server = istio_edge("destination", ISTIO_WEB, ISTIO_DB, **SIDECAR_DB)
    yield from istio_http(client, {"200": 1.5, "503": 0.5}, (300.0, 4000.0))
    yield from istio_http(server, {"200": 1.5, "503": 0.75}, (330.0, 4400.0))
    yield from istio_tcp(client, 50.0, 70.0)
    yield from istio_tcp(server, 50.0, 70.0)
    # The same once more, from a node's tunnel.
    yield from istio_tcp(istio_edge("source", ISTIO_WEB, ISTIO_DB, app="ztunnel"), 999.0, 999.0)
    # Nobody but the server sees this client's requests.
    yield from istio_http(
        istio_edge("destination", ("shop", "batch"), ISTIO_DB, **SIDECAR_DB), {"200": 0.25}, (10.0, 10.0)
    )
    # Ambient: waypoints alone report HTTP.
    waypoint = istio_edge("waypoint", AMBIENT, ISTIO_WEB, **WAYPOINT)
    yield from istio_http(waypoint, {"200": 3.0}, (90.0, 60.0))
    # Clients without a mesh, and calls that reached nobody.
    outsider = istio_edge("destination", ("unknown", "unknown"), ISTIO_WEB, **SIDECAR_WEB)
    yield from istio_http(outsider, {"200": 8.0}, (1.0, 1.0))
    lost = istio_edge("source", ISTIO_WEB, ("unknown", "unknown"), **SIDECAR_WEB)
    yield from istio_http(lost, {"503": 8.0}, (1.0, 1.0))


Serve = Callable[[NetworkProvider], PrometheusSource]


@pytest.fixture(scope="module")
def meshes(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    """Both meshes in one Prometheus."""
    path = tmp_path_factory.mktemp("meshes") / "meshes.openmetrics"
    up = [pod.labels for pod in LINKERD_PODS]
    write_counters(path, [*linkerd_counters(), *istio_counters()], up)
    return prometheus_factory(path)


@pytest.fixture
async def open_source(meshes: Prometheus) -> AsyncIterator[Serve]:
    opened: list[PrometheusSource] = []

    def serve(provider: NetworkProvider) -> PrometheusSource:
        source = PrometheusSource(meshes.url, scope=Scope(), network_provider=provider)
        opened.append(source)
        return source

    yield serve
    for source in opened:
        await source.__aexit__(None, None, None)


async def profiled(
    source: PrometheusSource, directory: Directory = DIRECTORY
) -> dict[str, tuple[float, ...]]:
    """Requests and responses per minute, bytes per second both ways of each edge, to three decimals."""
    samples = await source.connection_samples(HALF_HOUR)
    assert samples is not None
    resolved = resolve(samples, Attribution(directory))
    assert (
        resolved.unknown_ends
        == {"linkerd": 2, "istio": 2, "linkerd and istio": 4}[source.network_provider_in_use]
    )
    assert resolved.unusable == 0
    rows = ConnectionRows()
    rows.fold(resolved)
    found = {}
    for mean in rows.means():
        assert mean.scraped_steps == 6
        rates = (mean.requests_per_minute, mean.responses_per_minute)
        sizes = (mean.request_bytes_per_second, mean.response_bytes_per_second)
        found[str(mean.connection)] = tuple(round(rate, 3) for rate in (*rates, *sizes) if rate is not None)
    return found


LINKERD = {
    "shop/web → StatefulSet/storage/db": (90.0, 60.0, 160.0, 2000.0),
    "shop/cart → StatefulSet/shop/queue": (120.0, 60.0, 10.0, 20.0),
    "shop/payment → StatefulSet/shop/queue": (180.0, 60.0, 10.0, 20.0),
    "StatefulSet/shop/queue → StatefulSet/storage/db": (240.0, 60.0, 10.0, 20.0),
    "CronJob/shop/nightly → StatefulSet/storage/db": (300.0, 60.0, 10.0, 20.0),
}
ISTIO = {
    "shop/web → StatefulSet/storage/db": (120.0, 120.0, 350.0, 4070.0),
    "shop/batch → StatefulSet/storage/db": (15.0, 15.0, 10.0, 10.0),
    "shop/ambient → shop/web": (180.0, 180.0, 90.0, 60.0),
}


async def test_linkerd(open_source: Serve) -> None:
    """Both Pods of web: 60 * (1 + 0.5) = 90 requests, 60 * 2 * (0.4 + 0.1) = 60 responses, 100 + 60 bytes.

    cart, payment and queue all carry `deployment: blue`, and are told apart by their Pods: 60 * 2, 60 * 3 and
    60 * 4 requests. The run of a CronJob counts for the CronJob: 60 * 5. The inbound 100 a second, and what
    flows between a proxy and its own application, count nowhere. Two destinations without a workload are
    left out.
    """
    assert await profiled(open_source("linkerd")) == LINKERD


async def test_linkerd_when_the_pods_are_gone(open_source: Serve) -> None:
    """Nobody knows the Pods: Deployments are told by their Pods' names, and the others by their labels."""
    assert await profiled(open_source("linkerd"), Directory()) == LINKERD


async def test_istio(open_source: Serve) -> None:
    """The client's 60 * (1.5 + 0.5) = 120, and never the server's 135 or both; 300 + 50 and 4000 + 70 bytes.

    Only the server sees batch: 60 * 0.25 = 15. A waypoint reports for ambient: 60 * 3 = 180. db is a
    StatefulSet since no other workload has its name; of batch and ambient nothing is known, so that they are
    Deployments. Two edges with an unknown end are left out, and so are the tunnel's 999 bytes.
    """
    assert await profiled(open_source("istio")) == ISTIO


async def test_both_at_once(open_source: Serve) -> None:
    """`auto` finds both; what each tells of web → db are requests of their own: 90 + 120 = 210 and so on."""
    both = LINKERD | ISTIO
    both["shop/web → StatefulSet/storage/db"] = (210.0, 180.0, 510.0, 6070.0)

    assert await profiled(open_source("auto")) == both
