"""The network flows of OBI and Beyla in a real Prometheus; each namespace is one case.

Agents run on the nodes 1 to 4, and are scraped every 30 seconds; steps take 300 seconds.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.namespaces import NamespaceSelection
from app.history.samples import ConnectionSamples, EdgeFault, StepRange
from app.sources.connection_queries import CONNECTIONS
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collecting import only
from tests.sources.edge_figures import END, HALF_HOUR, LAST, Figures, figures, samples_of, serve
from tests.sources.flow_collectors import NODE, OUTSIDE, End, agent, network_flow, service
from tests.sources.remote_write import RECEIVER, STALE, Written, remote_write

pytestmark = pytest.mark.prometheus

OBI, BEYLA = "obi_network_flow_bytes_total", "beyla_network_flow_bytes_total"
FLOWS = "obi"
A, B, C, D = (agent(number) for number in (1, 2, 3, 4))


def two(namespace: str) -> tuple[End, End]:
    return End(namespace, "web"), End(namespace, "db", "StatefulSet")


def edge(namespace: str) -> str:
    return f"{namespace}/web → StatefulSet/{namespace}/db"


def count(
    history: ProxyHistory, targets: list[dict[str, str]], ends: tuple[End, End], rate: float, **labels: str
) -> None:
    """A flow that each of the agents counts."""
    source, destination = ends
    for target in targets:
        history.count(OBI, network_flow(target, source, destination) | labels, rate)


def add_shop(history: ProxyHistory) -> None:
    """`web` on one node sends 20 bytes a second to `db` on another, which answers 60: both agents see that.

    The agent of the client sees the same to and from the Service.
    """
    web, db = two("shop")
    count(history, [A, B], (web, db), 20.0)
    count(history, [A, B], (db, web), 60.0, direction="response")
    count(history, [A], (web, service("shop", "db")), 20.0)
    count(history, [A], (service("shop", "db"), web), 60.0, direction="response")
    count(history, [B], (NODE, db), 5.0, direction="unknown")
    count(history, [A], (web, OUTSIDE), 5.0)
    count(history, [A], (OUTSIDE, web), 5.0, direction="response")


def add_places(history: ProxyHistory) -> None:
    """One flow on a node; four between two pairs of nodes; and the same with the names of nodes."""
    count(history, [C], two("one-node"), 10.0)
    # 10 bytes from each of A and C to each of B and D: each agent sees two of four flows.
    count(history, [A, B, C, D], two("four-nodes"), 20.0)
    # 30 from A to B, 10 from C to C: B sees 30 as A does.
    count(history, [A, B], two("uneven"), 30.0)
    count(history, [C], two("uneven"), 10.0)
    for node, targets, rate in (("1", [A, B], 30.0), ("3", [C], 10.0)):
        count(history, targets, two("named-nodes"), rate, k8s_src_node_name=f"node-{node}")


def add_directions(history: ProxyHistory) -> None:
    """Connections that are older than the agent have no known client."""
    web, db = two("old")
    count(history, [A], (web, db), 4.0, direction="unknown")
    count(history, [A], (db, web), 8.0, direction="unknown")
    web, db = two("some-new")
    count(history, [A], (web, db), 4.0, direction="unknown")
    count(history, [A], (db, web), 8.0, direction="unknown")
    count(history, [A], (web, db), 1.0)


def add_others(history: ProxyHistory) -> None:
    """Claims, another cluster, interfaces without deduplication, owners without a kind, a new counter."""
    claims = agent(9, "mallory")
    history.up(claims)
    count(history, [claims], two("bank"), 1000.0)
    for namespace, cluster in {"here": "west", "here-too": "west", "abroad": "east"}.items():
        count(history, [A], two(namespace), 1.0, k8s_cluster_name=cluster)
    for interface in ("eth0", "veth7"):
        count(history, [A], two("interfaces"), 1.0, iface=interface)
    count(history, [A], (End("untyped", "web", ""), End("untyped", "db", "")), 1.0)
    late = network_flow(A, *two("late"))
    history.add(OBI, late, history.scrapes(-120), np.full(5, 300.0))
    count(history, [A], (End("over", "web"), End("border", "db", "StatefulSet")), 3.0)
    count(history, [A], (End("border", "db", "StatefulSet"), End("over", "web")), 6.0, direction="response")


@pytest.fixture(scope="module")
def url(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> str:
    history = ProxyHistory(END)
    for target in (A, B, C, D):
        history.up(target)
    for add in (add_shop, add_places, add_directions, add_others):
        add(history)
    return serve(history, prometheus_factory, tmp_path_factory.mktemp("obi"))


async def edges_of(url: str, namespace: str, steps: StepRange = HALF_HOUR) -> dict[str, Figures]:
    by_edge = await figures(url, FLOWS, steps)
    return {name: rates for name, rates in by_edge.items() if f"{namespace}/" in name}


def bytes_of(sent: float | None, received: float | None = None, steps: int = 6) -> Figures:
    return Figures(0.0, 0.0, sent, received, steps)


async def test_both_ends_see_a_connection(url: str) -> None:
    """20 bytes a second to `db` and 60 from it: neither twice, nor as a connection of its own."""
    assert await edges_of(url, "shop") == {edge("shop"): bytes_of(20.0, 60.0)}


@pytest.mark.parametrize(
    ("namespace", "sent"),
    [
        # The one agent has all.
        ("one-node", 10.0),
        # 4 * 20 / 2 = 40 bytes, more than the 20 of each agent.
        ("four-nodes", 40.0),
        # Half of 30 + 30 + 10 is 35, the largest 30; 40 were sent.
        ("uneven", 35.0),
        # From each node the largest: 30 + 10.
        ("named-nodes", 40.0),
    ],
)
async def test_what_several_agents_see(url: str, namespace: str, sent: float) -> None:
    """Never more than was sent; all of it where two nodes talk, or where labels name the nodes."""
    assert await edges_of(url, namespace) == {edge(namespace): bytes_of(sent)}


async def test_an_unknown_client(url: str) -> None:
    """What each of both sends is an edge, unless other flows show the client: 4 + 1 to `db`, 8 back."""
    assert await edges_of(url, "old") == {
        edge("old"): bytes_of(4.0),
        "StatefulSet/old/db → old/web": bytes_of(8.0),
    }
    assert await edges_of(url, "some-new") == {edge("some-new"): bytes_of(5.0, 8.0)}


async def test_a_late_first_sample(url: str) -> None:
    """300 bytes before the first scrape, in the last step: 300 / 300 s."""
    assert await edges_of(url, "late", StepRange(LAST, LAST)) == {edge("late"): bytes_of(1.0, steps=1)}


async def test_what_is_left_out(url: str) -> None:
    """A claim on others' edges, another cluster, and series of which nothing shows what they are."""
    by_edge = await figures(url, FLOWS)
    samples = await samples_of(url, FLOWS)

    assert not [
        name for name in by_edge for absent in ("bank", "abroad", "interfaces", "untyped") if absent in name
    ]
    assert by_edge[edge("here")] == bytes_of(1.0)
    assert samples.dropped == {(EdgeFault.OTHER_REPORTER, "mallory"): 1, (EdgeFault.OTHER_CLUSTER, "obi"): 1}
    assert samples.unseen == f"{OBI}: flows have no label k8s_src_owner_type"


@pytest.mark.parametrize("sources", [("over",), ("border",), ("old", "over"), ("shop",)])
async def test_each_client_is_in_one_shard(url: str, sources: tuple[str, ...]) -> None:
    """A connection has the replies of a server in another shard: the edges of shards are those of all."""
    every = await samples_of(url, FLOWS)
    async with PrometheusSource(url, scope=Scope(), network_providers=(FLOWS,)) as prometheus:
        own = await only(prometheus.connection_samples(HALF_HOUR, NamespaceSelection(sources)))
        rest = await only(prometheus.connection_samples(HALF_HOUR, NamespaceSelection(excluded=sources)))

    assert {edge.source.namespace for edge in own.edges} <= {*sources}
    assert sorted((*own.edges, *rest.edges)) == sorted(every.edges)
    for part in (own, rest):
        for row, each in enumerate(part.edges):
            of_every = every.edges.index(each)
            for ours, all_bytes in zip(bytes_both_ways(part), bytes_both_ways(every), strict=True):
                np.testing.assert_allclose(ours[row], all_bytes[of_every])


def bytes_both_ways(samples: ConnectionSamples) -> list[NDArray[np.float64]]:
    return [rates for rates in (samples.request_bytes, samples.response_bytes) if rates is not None]


async def test_three_queries(url: str) -> None:
    """Scrape jobs; the clients of the hour before; flows and scrapes."""
    costs = QueryCosts()
    async with PrometheusSource(url, scope=Scope(), network_providers=(FLOWS,), observer=costs) as prometheus:
        await only(prometheus.connection_samples(HALF_HOUR))

    assert costs.queries[CONNECTIONS] == 3


async def test_the_limit_of_edges_is_one_of_both_directions(
    prometheus_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """4 edges have 8 flows, which a limit of 4 edges takes, though a Pod of `mallory` claims 40 flows.

    Of 8 rows each of two reporters may have 4 at least: 2 edges with 2 flows each are complete.
    """
    history = ProxyHistory(END)
    claims = agent(9, "mallory")
    for target in (A, claims):
        history.up(target)
    for number in range(40):
        history.count(OBI, network_flow(claims, End("bank", f"a{number:02d}"), End("bank", "vault")), 1000.0)
    for name in ("one", "two"):
        web, db = two(name)
        history.count(OBI, network_flow(A, web, db), 20.0)
        history.count(OBI, network_flow(A, db, web, "response"), 60.0)
    url = serve(history, prometheus_factory, tmp_path)

    limits = Limits(max_edges=4)
    async with PrometheusSource(url, scope=Scope(), network_providers=(FLOWS,), limits=limits) as source:
        samples = await only(source.connection_samples(HALF_HOUR))

    sent, received = bytes_both_ways(samples)
    assert [str(edge) for edge in samples.edges if edge.source.namespace != "bank"] == [
        edge("one"),
        edge("two"),
    ]
    np.testing.assert_allclose(sent, 20.0)
    np.testing.assert_allclose(received, 60.0)


async def test_beyla_has_the_same(prometheus_factory: PrometheusFactory, tmp_path: Path) -> None:
    """20 bytes a second to `db`; an agent with its flows of OBI alone has none of Beyla."""
    history = ProxyHistory(END)
    target = agent(1, "beyla")
    history.up(target)
    history.count(BEYLA, network_flow(target, *two("shop")), 20.0)
    url = serve(history, prometheus_factory, tmp_path)

    assert await figures(url, "beyla") == {edge("shop"): bytes_of(20.0)}
    assert await figures(url, FLOWS) == {}


async def test_a_pair_of_servers_counts_once(prometheus_factory: PrometheusFactory, tmp_path: Path) -> None:
    """Two agents see the 20 bytes a second, and two servers scrape each of these."""
    history = ProxyHistory(END)
    for target in (A, B):
        for replica in "ab":
            scraped = target | {"prometheus_replica": replica}
            history.up(scraped)
            history.count(OBI, network_flow(scraped, *two("shop")), 20.0)

    by_edge = await figures(serve(history, prometheus_factory, tmp_path), FLOWS)

    assert by_edge == {edge("shop"): bytes_of(20.0)}


TIMES = [END - 3600 + 30 * number for number in range(121)]  # of scrapes
Samples = Sequence[tuple[float, float]]


async def edge_of_samples(
    directory: Path, samples: Samples, scrapes: Samples | None = None, steps: StepRange = HALF_HOUR
) -> dict[str, Figures]:
    """The figures of a flow of `shop` with *samples*; other flows of the agent have one in each scrape."""
    scrapes = scrapes or [(time, 1.0) for time in TIMES]
    other = network_flow(A, NODE, OUTSIDE) | {"__name__": OBI}
    flow = network_flow(A, *two("shop")) | {"__name__": OBI}
    with Prometheus(directory, flags=(RECEIVER,)) as prometheus:
        remote_write(
            prometheus.url,
            [
                Written({"__name__": "up", **A}, scrapes),
                Written(other, [(time, 1.0 * time) for time in TIMES]),
                Written(flow, samples),
            ],
        )
        return await figures(prometheus.url, FLOWS, steps)


async def test_a_counter_that_is_dropped_and_starts_again_at_the_same_value(tmp_path: Path) -> None:
    """A job sends 600 bytes every 5 minutes; its counter is gone two minutes later, marked as stale.

    600 / 300 s = 2 bytes a second in each step, although the counter has only ever been 600.
    """
    samples: list[tuple[float, float]] = []
    for time in TIMES:
        age = (time - 240) % 300  # the counter begins a minute before the end of a step
        if age <= 120:
            samples.append((time, 600.0))
        elif age == 150:
            samples.append((time, STALE))

    assert await edge_of_samples(tmp_path, samples) == {edge("shop"): bytes_of(2.0)}


async def test_a_failed_scrape_starts_no_counter_again(tmp_path: Path) -> None:
    """2 bytes a second since long, 10 million in all: a failed scrape in the last step ends all series of the
    target for 30 s. They are there again with the same past, which has counted before.
    """
    failed = END - 120
    scrapes = [(time, float(time != failed)) for time in TIMES]
    samples = [(time, STALE if time == failed else 1e7 + 2.0 * (time - END)) for time in TIMES]

    assert await edge_of_samples(tmp_path, samples, scrapes) == {edge("shop"): bytes_of(2.0)}


async def test_the_past_of_a_new_target_does_not_count(
    prometheus_factory: PrometheusFactory, tmp_path: Path
) -> None:
    """An agent with a past of 10 million bytes is scraped since 120 s: 2 bytes a second since then.

    `increase` adds half of the 30 s between scrapes at the begin: 135 * 2 / 300 s = 0.9 in the last step.
    """
    history = ProxyHistory(END)
    history.up(A)
    history.count(OBI, network_flow(A, NODE, OUTSIDE), 1.0)
    times = history.scrapes(-120)
    history.up(B, times)
    history.add(OBI, network_flow(B, *two("shop")), times, np.array(1e7 + 2.0 * (times - END), np.float64))

    by_edge = await figures(serve(history, prometheus_factory, tmp_path), FLOWS, StepRange(LAST, LAST))

    assert by_edge == {edge("shop"): bytes_of(0.9, steps=1)}


async def test_a_counter_that_is_dropped_has_counted_before(tmp_path: Path) -> None:
    """2 bytes a second in five of six steps; in the last one the idle counter is dropped: 5 / 6 * 2."""
    idle, dropped = END - 300, END - 180
    samples = [(time, 1e7 + 2.0 * (min(time, idle) - END)) for time in TIMES if time < dropped]
    samples = [*samples, (dropped, STALE)]

    assert await edge_of_samples(tmp_path, samples) == {edge("shop"): bytes_of(1.667)}
