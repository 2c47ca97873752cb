"""NetObserv's metrics in a real Prometheus; each namespace is one case.

Pipelines are scraped every 30 seconds; steps take 300 seconds. Agents look at one of 50 packets, so that a
counter that grows by 1 a second is of 50 bytes a second.
"""

from pathlib import Path

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.history.samples import ConnectionSamples, EdgeFault, StepRange
from app.sources.connection_queries import CONNECTIONS
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collecting import only
from tests.sources.edge_figures import END, HALF_HOUR, LAST, Figures, figures, samples_of, serve
from tests.sources.flow_collectors import (
    AGENT_SAMPLING,
    EGRESS,
    INGRESS,
    NODE,
    OUTSIDE,
    SAMPLING,
    End,
    netobserv,
    pipeline,
    service,
)
from tests.sources.remote_write import RECEIVER, STALE, Written, remote_write

pytestmark = pytest.mark.prometheus

NETOBSERV = "netobserv"
ONE, TWO = pipeline(1), pipeline(2)
SAMPLED = 50.0


def start(history: ProxyHistory, sampling: float = SAMPLED) -> None:
    """Two pipelines that are scraped all the time, each with traffic of a Node; and an agent."""
    for target in (ONE, TWO):
        history.up(target)
        history.count(INGRESS, netobserv(target, NODE, End("kube-system", "coredns")), 5.0)
    agent = {
        "namespace": "netobserv-privileged",
        "pod": "netobserv-ebpf-agent-6xk2p",
        "job": "ebpf-agent-svc-prom",
    }
    history.up({**agent, "instance": "192.168.0.1:9400"})
    times = history.scrapes()
    labels = {**agent, "instance": "192.168.0.1:9400"}
    history.add(AGENT_SAMPLING, labels, times, np.full(len(times), sampling))


def add_shop(history: ProxyHistory) -> None:
    """`web` sends 20 and 10 bytes a second to Pods of `cart` on two nodes, which send 60 back to one.

    The node that it sends from counts the 30 as egress, and those to the Service; replies of the Service
    arrive beside those of its Pods. Probes of the kubelet and an address outside are no connections.
    """
    web, cart = End("shop", "web"), End("shop", "cart", "StatefulSet")
    history.count(INGRESS, netobserv(ONE, web, cart), 20.0)
    history.count(INGRESS, netobserv(TWO, web, cart), 10.0)
    history.count(EGRESS, netobserv(ONE, web, cart, namespace="shop"), 30.0)
    history.count(EGRESS, netobserv(ONE, web, service("shop", "cart"), namespace="shop"), 30.0)
    history.count(INGRESS, netobserv(ONE, cart, web), 60.0)
    history.count(INGRESS, netobserv(ONE, service("shop", "cart"), web), 60.0)
    history.count(INGRESS, netobserv(ONE, NODE, cart), 7.0)
    history.count(INGRESS, netobserv(ONE, OUTSIDE, web), 7.0)


def add_counters(history: ProxyHistory) -> None:
    """Counters that begin, end, start again, or are seen for the first time."""
    history.add(
        INGRESS, netobserv(ONE, End("late", "a"), End("late", "b")), history.scrapes(-120), np.full(5, 300.0)
    )
    restarted = netobserv(ONE, End("restarted", "a"), End("restarted", "b"))
    times = history.scrapes()
    counted = 900 + 1.0 * (times - times[0])
    counted[times > END - 600] -= counted[times == END - 600]
    history.add(INGRESS, restarted, times, counted)
    busy = history.scrapes(-3600, -900)
    history.count(INGRESS, netobserv(ONE, End("silent", "a"), End("silent", "b")), 1.0, busy)
    # A scrape job begins, and one begins to keep the metric of a target: both have the counts of days.
    for name, scraped in {"new-job": history.scrapes(-900), "new-metric": history.scrapes()}.items():
        job = pipeline(3) | {"job": name}
        history.up(job, scraped)
        old = netobserv(job, End(name, "a"), End(name, "b"))
        history.count(INGRESS, old, 0.0, history.scrapes(-900))


def add_sampling(history: ProxyHistory) -> None:
    """A rule of the agents looks at one of 4 packets of one edge."""
    edge = netobserv(ONE, End("rules", "a"), End("rules", "b"))
    history.count(INGRESS, edge, 1.0)
    times = history.scrapes()
    history.add(SAMPLING, edge | {"namespace": "netobserv"}, times, np.full(len(times), 4.0))


def add_claims(history: ProxyHistory) -> None:
    """A Pod in `mallory` claims edges of others, with a sampling of its own, and one of its own."""
    target = {"namespace": "mallory", "pod": "app-0", "job": "pods", "instance": "10.42.0.66:8080"}
    history.up(target)
    for source in (End("bank", "teller"), End("mallory", "app")):
        labels = netobserv(target, source, End("bank", "vault")) | {"namespace": "mallory"}
        history.count(INGRESS, labels, 1000.0)
    spied = netobserv(ONE, End("shop", "web"), End("shop", "cart", "StatefulSet"))
    times = history.scrapes()
    history.add(SAMPLING, {**spied, **target}, times, np.full(len(times), 1e9))


def add_clusters(history: ProxyHistory) -> None:
    """Flows of two namespaces name the cluster `west`, those of one `east`."""
    for namespace, cluster in {"here": "west", "here-too": "west", "abroad": "east"}.items():
        edge = netobserv(ONE, End(namespace, "a"), End(namespace, "b"), K8S_ClusterName=cluster)
        history.count(INGRESS, edge, 1.0)


def add_scrapers(history: ProxyHistory) -> None:
    """A pair of servers, without deduplication, scrapes a pipeline."""
    for replica in "ab":
        target = pipeline(4) | {"job": "pair", "prometheus_replica": replica}
        history.up(target)
        history.count(INGRESS, netobserv(target, End("pair", "a"), End("pair", "b")), 1.0)


@pytest.fixture(scope="module")
def url(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    history = ProxyHistory(END)
    start(history)
    for add in (add_shop, add_counters, add_sampling, add_claims, add_clusters, add_scrapers):
        add(history)
    return serve(history, prometheus_factory, tmp_path_factory.mktemp("netobserv"))


async def edges_of(url: str, namespace: str, steps: StepRange = HALF_HOUR) -> dict[str, Figures]:
    by_edge = await figures(url, NETOBSERV, steps)
    return {edge: rates for edge, rates in by_edge.items() if f"{namespace}/" in edge}


def bytes_of(sent: float, steps: int = 6) -> Figures:
    """An edge with bytes that are sent, and no others."""
    return Figures(0.0, 0.0, sent, None, steps)


async def test_what_each_of_two_workloads_sends_is_an_edge(url: str) -> None:
    """(20 + 10) * 50 = 1500 bytes a second to `cart`, 60 * 50 = 3000 from it; no twin, none at both nodes."""
    assert await edges_of(url, "shop") == {
        "shop/web → StatefulSet/shop/cart": bytes_of(1500.0),
        "StatefulSet/shop/cart → shop/web": bytes_of(3000.0),
    }


async def test_a_late_first_sample(url: str) -> None:
    """A flow of 300 bytes was over before the first scrape: 300 * 50 / 300 s in the last step of six."""
    assert await edges_of(url, "late") == {"late/a → late/b": bytes_of(8.333)}
    assert await edges_of(url, "late", StepRange(LAST, LAST)) == {"late/a → late/b": bytes_of(50.0, 1)}


async def test_a_counter_that_starts_again(url: str) -> None:
    """One byte a second before and after the restart: 50 bytes a second."""
    assert await edges_of(url, "restarted") == {"restarted/a → restarted/b": bytes_of(50.0)}


async def test_a_client_that_falls_silent_sends_nothing(url: str) -> None:
    """One byte a second in three of six steps: 25 bytes a second. Later it is known as silent."""
    assert await edges_of(url, "silent") == {"silent/a → silent/b": bytes_of(25.0)}
    samples = await samples_of(url, NETOBSERV, StepRange(LAST, LAST))
    [row] = [row for row, source in enumerate(samples.sources) if source.namespace == "silent"]
    assert samples.scraped[row].tolist() == [True]


@pytest.mark.parametrize("namespace", ["new-job", "new-metric"])
async def test_the_past_of_a_new_scrape_job_does_not_count(url: str, namespace: str) -> None:
    """The counter stands at 1000 and does not grow."""
    assert await edges_of(url, namespace) == {}


async def test_each_edge_has_its_sampling(url: str) -> None:
    """One of 4 packets: 4 bytes a second. What most edges have is stated: one of 50."""
    samples = await samples_of(url, NETOBSERV)

    assert await edges_of(url, "rules") == {"rules/a → rules/b": bytes_of(4.0)}
    assert samples.sampling == {Provider.NETOBSERV: SAMPLED}


async def test_only_collectors_are_trusted_on_edges_of_others(url: str) -> None:
    """What `mallory` says of `bank` is dropped; an edge of its own has 1000 * 50 bytes a second."""
    samples = await samples_of(url, NETOBSERV)

    assert await edges_of(url, "bank") == {"mallory/app → bank/vault": bytes_of(50_000.0)}
    assert samples.dropped[EdgeFault.OTHER_REPORTER, "mallory"] == 1


async def test_flows_of_other_clusters_are_dropped(url: str) -> None:
    """Most namespaces name `west`; flows without a name are of this cluster, too."""
    samples = await samples_of(url, NETOBSERV)

    assert await edges_of(url, "here") == {"here/a → here/b": bytes_of(50.0)}
    assert await edges_of(url, "abroad") == {}
    assert samples.dropped == {
        (EdgeFault.OTHER_REPORTER, "mallory"): 1,
        (EdgeFault.OTHER_CLUSTER, "netobserv"): 1,
    }


async def test_a_pipeline_that_is_scraped_twice_counts_once(url: str) -> None:
    """One byte a second: 50, not 100."""
    assert await edges_of(url, "pair") == {"pair/a → pair/b": bytes_of(50.0)}


async def read(url: str, steps: StepRange = HALF_HOUR) -> tuple[ConnectionSamples, QueryCosts]:
    costs = QueryCosts()
    async with PrometheusSource(
        url, scope=Scope(), network_providers=(NETOBSERV,), observer=costs
    ) as prometheus:
        return await only(prometheus.connection_samples(steps)), costs


async def test_steps_without_scrapes_are_unknown(
    prometheus_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """Both pipelines are down in the third of six steps: that one and the next are unknown.

    One byte a second in each of the others, of which the second has a scrape less at its end: 50.
    """
    history = ProxyHistory(END)
    times = history.scrapes()
    is_up = (times < END - 1200) | (times > END - 900)
    for target in (ONE, TWO):
        history.add("up", target, times, is_up.astype(np.float64))
        history.count(INGRESS, netobserv(target, NODE, End("kube-system", "coredns")), 5.0, times[is_up])
    agents = {"namespace": "netobserv-privileged", "job": "agents"}
    history.add(AGENT_SAMPLING, agents, times, np.full(len(times), SAMPLED))
    history.count(INGRESS, netobserv(ONE, End("shop", "web"), End("shop", "cart")), 1.0, times[is_up])

    by_edge = await figures(serve(history, prometheus_factory, tmp_path), NETOBSERV)

    assert by_edge == {"shop/web → shop/cart": bytes_of(50.0, 4)}


async def test_a_counter_that_begins_and_ends_within_a_step(tmp_path: Path) -> None:
    """600 bytes are sent, and the counter is dropped before the step ends: 600 / 300 s."""
    times = [END - 3600 + 30 * number for number in range(121)]
    node = {"__name__": INGRESS} | netobserv(ONE, NODE, End("kube-system", "coredns"))
    flow = {"__name__": INGRESS} | netobserv(ONE, End("shop", "web"), End("shop", "cart"))
    with Prometheus(tmp_path, flags=(RECEIVER,)) as prometheus:
        remote_write(
            prometheus.url,
            [
                Written({"__name__": "up", **ONE}, [(time, 1.0) for time in times]),
                Written(node, [(time, 1.0 * time) for time in times]),
                Written(flow, [*((END - age, 600.0) for age in range(240, 90, -30)), (END - 90, STALE)]),
            ],
        )
        by_edge = await figures(prometheus.url, NETOBSERV, StepRange(LAST, LAST))

    assert by_edge == {"shop/web → shop/cart": bytes_of(2.0, 1)}


async def test_unknown_sampling_is_stated(prometheus_factory: PrometheusFactory, tmp_path: Path) -> None:
    """Without a gauge, a byte a second is one; words say what it is of. Three queries, one without flows."""
    history = ProxyHistory(END)
    history.up(ONE)
    history.count(INGRESS, netobserv(ONE, End("shop", "web"), End("shop", "cart")), 1.0)
    url = serve(history, prometheus_factory, tmp_path)

    samples, costs = await read(url)

    assert samples.request_bytes is not None
    assert samples.request_bytes.tolist() == [[pytest.approx(1.0)] * 6]
    assert samples.sampling == {}
    assert "of how many packets" in samples.unseen
    assert costs.queries[CONNECTIONS] == 3
    nothing, costs = await read(url, StepRange(LAST - 100, LAST - 95))
    assert (nothing.sources, costs.queries[CONNECTIONS]) == ((), 1)
