"""Hubble's metrics in a real server, with the labels of Cilium's agents.

Agents are scraped every 30 seconds; steps take 300 seconds. A rate of r a second is 60 r requests a minute,
and as many responses: each count is a response.
"""

from pathlib import Path

import numpy as np
import pytest

from app.domain.workloads import Workload
from app.history.samples import EdgeFault, StepRange
from app.sources.connections.hubble import Hubble
from tests.conftest import PrometheusFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collected_edges import LARGE_BUDGET, Collected, samples_of
from tests.sources.edge_figures import END, HALF_HOUR, HOUR, serve
from tests.sources.hubble_agents import AGENTS, REQUESTS, STATE, TENANT, ends, pod_info, request

pytestmark = pytest.mark.prometheus

NEAR, FAR = AGENTS
WEB, CART, PAYMENT = (Workload("shop", name) for name in ("web", "cart", "payment"))
DB, REPORT = Workload("storage", "db", "StatefulSet"), Workload("shop", "report", "CronJob")
WEB_POD, CART_POD, PAYMENT_POD = "web-6b6f9d7d5c-2x8qz", "cart-5f5b555dff-fcg7c", "payment-7d4b9c6f8-6b6f9"
REPORT_POD = "report-29539020-4zx7k"
PODS = {
    ("shop", WEB_POD): WEB,
    ("shop", CART_POD): CART,
    ("shop", PAYMENT_POD): PAYMENT,
    ("shop", REPORT_POD): REPORT,
    ("storage", "db-0"): DB,
}


def add_by_pod(history: ProxyHistory) -> None:
    """`web` to `cart` on one node and to `db` on another: both agents see both; and to a host outside."""
    for agent in AGENTS:
        history.up(agent)
    web = {"namespace": "shop", "pod": WEB_POD, "workload": "web", "workload_kind": "Deployment"}
    cart = {"namespace": "shop", "pod": CART_POD, "workload": "cart", "workload_kind": "Deployment"}
    database = {"namespace": "storage", "pod": "db-0", "workload": "db", "workload_kind": "StatefulSet"}
    remote = {"workload": "", "workload_kind": ""}
    for reporter in ("client", "server"):
        history.count(REQUESTS, request(NEAR, reporter, **ends(web, cart)), 0.75)
        history.count(REQUESTS, request(NEAR, reporter, "503", **ends(web, cart)), 0.25)
    history.count(REQUESTS, request(NEAR, "client", **ends(web, database | remote)), 0.5)
    history.count(REQUESTS, request(FAR, "server", **ends(web | remote, database)), 0.5)
    nobody = dict.fromkeys(web, "")
    history.count(REQUESTS, request(NEAR, "client", **ends(web, nobody)), 0.5)
    # The older metric `http`, which has no status.
    older = request(NEAR, "client", **ends(web, cart))
    history.count(REQUESTS, {label: value for label, value in older.items() if label != "status"}, 5.0)


def add_by_context(history: ProxyHistory) -> None:
    """`workload-name|pod-name` of `payment` and `db` on two nodes: each agent knows the other's Pod."""
    places = {"source_namespace": "shop", "destination_namespace": "storage"}
    history.count(REQUESTS, request(NEAR, "client", source="payment", destination="db-0", **places), 0.2)
    history.count(REQUESTS, request(FAR, "server", source=PAYMENT_POD, destination="db", **places), 0.2)
    pods = {"source": f"shop/{PAYMENT_POD}", "destination": f"shop/{CART_POD}"}
    history.count(REQUESTS, request(NEAR, "client", **pods), 0.1)


def add_by_address(history: ProxyHistory) -> None:
    """An address of `web`, then of `cart`; that of a Pod on its host's network; that of a Pod that ended."""

    def present(labels: dict[str, str], first: int, last: int) -> None:
        times = history.scrapes(first, last)
        history.add("kube_pod_info", labels, times, np.ones(len(times)))

    present(pod_info("shop", WEB_POD, "10.0.3.7"), -3600, -900)
    present(pod_info("shop", CART_POD, "10.0.3.7"), -870, 0)
    present(pod_info("shop", REPORT_POD, "10.0.3.7"), -3600, 0)
    times = history.scrapes()
    ended = {"namespace": "shop", "pod": REPORT_POD, "phase": "Succeeded", **STATE}
    history.add("kube_pod_status_phase", ended, times, np.ones(len(times)))
    present(pod_info("storage", "db-0", "10.0.4.1"), -3600, 0)
    present(pod_info("shop", PAYMENT_POD, "172.18.0.2", host_network=True), -3600, 0)
    history.count(REQUESTS, request(NEAR, "client", source_ip="10.0.3.7", destination_ip="10.0.4.1"), 0.2)
    history.count(REQUESTS, request(NEAR, "client", source_ip="172.18.0.2", destination_ip="10.0.4.1"), 0.2)


def add_claims(history: ProxyHistory) -> None:
    """A Pod of `tenant` claims an edge between others."""
    history.up(TENANT)
    forged = ends({"namespace": "shop", "pod": CART_POD}, {"namespace": "storage", "pod": "db-0"})
    history.count(REQUESTS, request(TENANT, "client", **forged), 9.0)


def add_interrupted(history: ProxyHistory) -> None:
    """A series that begins with 60 requests, and one that begins again at 0."""
    cart = {"namespace": "shop", "pod": CART_POD}
    late = request(NEAR, "client", **ends(cart, {"namespace": "shop", "pod": PAYMENT_POD}))
    history.add(REQUESTS, late, history.scrapes(-240), np.full(9, 60.0))
    times = history.scrapes()
    restarted = request(NEAR, "client", **ends(cart, {"namespace": "shop", "pod": WEB_POD}))
    since = np.where(times <= END - 900, times - END + 3600, times - END + 900)
    history.add(REQUESTS, restarted, times, 0.1 * since)


EVERY_EDGE = {
    "shop/web → shop/cart": (60.0, 60.0, 6),  # not 120: one of two agents counts
    # 30 by Pod, and by address 0.2 * 60 in 3 of 6 steps
    "shop/web → StatefulSet/storage/db": (36.0, 36.0, 6),
    "shop/cart → StatefulSet/storage/db": (6.0, 6.0, 6),
    "shop/payment → StatefulSet/storage/db": (12.0, 12.0, 6),
    "shop/payment → shop/cart": (6.0, 6.0, 6),
    "shop/cart → shop/payment": (2.0, 2.0, 6),  # 60 requests in 30 minutes
    "shop/cart → shop/web": (6.0, 6.0, 6),
}


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a server with all of these histories."""
    history = ProxyHistory(END)
    for add in (add_by_pod, add_by_context, add_by_address, add_claims, add_interrupted):
        add(history)
    return serve(history, metric_server_factory, tmp_path_factory.mktemp("hubble"))


async def collected(url: str, steps: StepRange = HALF_HOUR, budget: int = LARGE_BUDGET) -> Collected:
    return Collected(await samples_of(url, Hubble(), steps, sample_budget=budget), PODS)


async def test_edges(server: str) -> None:
    """Every request once, by Pods, by workloads, and by the Pods that had an address in each step."""
    assert (await collected(server)).per_minute == EVERY_EDGE


async def test_what_is_left_out(server: str) -> None:
    """A host outside the cluster, and a Pod on its host's network; the claim of another Pod."""
    assert (await collected(server)).dropped == {
        (EdgeFault.UNKNOWN_END, "shop"): 1,
        (EdgeFault.UNKNOWN_END, ""): 1,
        (EdgeFault.OTHER_REPORTER, "tenant"): 1,
    }


async def test_the_limit_of_edges_is_one_of_both_agents(
    metric_server_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """Two agents report each of 2 edges: a limit of 2 edges takes 4 rows."""
    history = ProxyHistory(END)
    for agent in AGENTS:
        history.up(agent)
    web = {"namespace": "shop", "pod": WEB_POD}
    for pod in (CART_POD, PAYMENT_POD):
        edge = ends(web, {"namespace": "shop", "pod": pod})
        history.count(REQUESTS, request(NEAR, "client", **edge), 0.25)
        history.count(REQUESTS, request(FAR, "server", **edge), 0.5)
    url = serve(history, metric_server_factory, tmp_path)

    samples = await samples_of(url, Hubble(), HALF_HOUR, max_edges=2)

    assert Collected(samples, PODS).per_minute == {
        "shop/web → shop/cart": (30.0, 30.0, 6),  # what the server's agent saw: it is more
        "shop/web → shop/payment": (30.0, 30.0, 6),
    }


async def test_queries_by_namespace(server: str) -> None:
    """With room for 500 samples a query, sources without a namespace, or with one in `source`, count once."""
    assert (await collected(server, budget=500)).per_minute == EVERY_EDGE


async def test_a_source_that_is_idle(
    metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A Pod that called in 3 of 12 steps, and whose series ended: 12 requests a minute then, 3 on average."""
    history = ProxyHistory(END)
    history.up(NEAR)
    edge = ends({"namespace": "shop", "pod": WEB_POD}, {"namespace": "shop", "pod": CART_POD})
    history.count(REQUESTS, request(NEAR, "client", **edge), 0.2, history.scrapes(-3600, -2700))
    url = serve(history, metric_server_factory, tmp_path_factory.mktemp("idle"))

    assert (await collected(url, HOUR)).per_minute == {"shop/web → shop/cart": (3.0, 3.0, 12)}


async def test_several_clusters(
    prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two clusters have the same edge: that of the cluster with the Pod of the client counts, 60 a minute."""
    history = ProxyHistory(END)
    other_pod = "web-6b6f9d7d5c-9zk4r"
    for cluster, pod, rate in (("ours", WEB_POD, 1.0), ("theirs", other_pod, 5.0)):
        for agent, reporter in ((NEAR, "client"), (FAR, "server")):
            scraped = agent | {"cluster": cluster}
            history.up(scraped)
            edge = ends({"namespace": "shop", "pod": pod}, {"namespace": "storage", "pod": "db-0"})
            history.count(REQUESTS, request(scraped, reporter, **edge), rate)
    url = serve(history, prometheus_factory, tmp_path_factory.mktemp("clusters"))

    samples = await samples_of(url, Hubble(), HALF_HOUR, knows_pod=lambda *pod: pod in PODS)

    expected = {"shop/web → StatefulSet/storage/db": (60.0, 60.0, 6)}
    assert Collected(samples, PODS).per_minute == expected


async def test_no_hubble(
    prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the metric there is no source: the provider is not in use."""
    history = ProxyHistory(END)
    history.up(NEAR)
    url = serve(history, prometheus_factory, tmp_path_factory.mktemp("none"))

    samples = await samples_of(url, Hubble(), HALF_HOUR)
    assert (samples.sources, samples.edges, samples.dropped) == ((), (), {})
