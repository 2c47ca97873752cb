"""Flows as edges, without a server."""

import numpy as np
import pytest

from app.domain.namespaces import NamespaceSelection
from app.domain.reporters import Reporters
from app.domain.workloads import Workload
from app.errors import SeveralClustersError
from app.history.samples import EdgeFault
from app.sources.connections.flow_answers import FlowAnswers, client_scrapes, edge_rates, end_naming
from app.sources.connections.flow_metrics import NETOBSERV, OBI
from app.sources.query_result import Key, SeriesMatrix

AGENTS = frozenset({"obi"})
WEB, DB = ("shop", "Deployment", "web"), ("data", "StatefulSet", "db")
EDGE = ("shop", "Deployment/web", "data", "StatefulSet/db")
BACK = ("data", "StatefulSet/db", "shop", "Deployment/web")


def table(rows: dict[Key, list[float]], steps: int = 2) -> SeriesMatrix:
    return SeriesMatrix(tuple(rows), np.array([*rows.values()]).reshape(len(rows), steps))


def flow(
    source: Key = WEB, destination: Key = DB, direction: str = "request", cluster: str = "", by: str = "obi"
) -> Key:
    return (*source, *destination, direction, cluster, by)


def answers(
    rows: dict[Key, list[float]],
    sampling: dict[Key, list[float]] | None = None,
    of_agents: tuple[float, float] = (np.nan, np.nan),
) -> FlowAnswers:
    return FlowAnswers(table(rows), table(sampling or {}), np.array(of_agents))


def rows_of(matrix: SeriesMatrix) -> dict[Key, list[float]]:
    return dict(zip(matrix.keys, matrix.values.tolist(), strict=True))


def test_replies_are_of_the_connection() -> None:
    """2 and 3 bytes a second to the server, 5 and 7 from it: one edge."""
    rates = edge_rates(answers({flow(): [2, 3], flow(DB, WEB, "response"): [5, 7]}), OBI, AGENTS)

    assert rows_of(rates.request_bytes) == {EDGE: [2, 3]}
    assert rows_of(rates.response_bytes) == {EDGE: [5, 7]}
    assert rates.requests.keys == rates.responses.keys == ()


def test_flows_without_a_direction_are_edges_of_their_senders() -> None:
    """NetObserv: 2 bytes to the one, 5 to the other; neither is a reply."""
    rates = edge_rates(
        answers({(*WEB, *DB, "", "netobserv"): [2, 2], (*DB, *WEB, "", "netobserv"): [5, 5]}),
        NETOBSERV,
        {"netobserv"},
    )

    assert rows_of(rates.request_bytes) == {EDGE: [2, 2], BACK: [5, 5]}
    assert rates.response_bytes.keys == ()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({}, ({EDGE: [2, 2], BACK: [5, 5]}, {})),
        ({flow(): [1, 1]}, ({EDGE: [3, 3]}, {EDGE: [5, 5]})),
        ({flow(DB, WEB, "response"): [1, 1]}, ({EDGE: [2, 2]}, {EDGE: [6, 6]})),
        ({flow(): [1, 1], flow(DB, WEB): [1, 1]}, ({EDGE: [3, 3], BACK: [6, 6]}, {})),
        ({flow(by="mallory"): [1, 1]}, ({EDGE: [2, 2], BACK: [5, 5]}, {})),
    ],
    ids=["nothing", "a request", "a reply", "both are clients", "a claim"],
)
def test_flows_of_an_unknown_client(
    shown: dict[Key, list[float]], expected: tuple[dict[Key, list[float]], dict[Key, list[float]]]
) -> None:
    """2 bytes one way, 5 the other; where trusted flows show one client alone, 5 are its replies."""
    unknown = {flow(direction="unknown"): [2.0, 2.0], flow(DB, WEB, "unknown"): [5.0, 5.0]}

    rates = edge_rates(answers({**unknown, **shown}), OBI, AGENTS)

    assert (rows_of(rates.request_bytes), rows_of(rates.response_bytes)) == expected


def test_the_bytes_of_all_packets() -> None:
    """1 of 4 packets of the one edge, 1 of 50 of the other; 1 of 1 where a gauge is below that."""
    other = flow(WEB, ("data", "StatefulSet", "cache"))
    known = answers({flow(): [1, 1], other: [1, 1]}, {flow(): [4, np.nan]}, (np.nan, 50))

    assert known.factors.tolist() == [[4, 50], [50, 50]]
    assert known.is_sampling_known
    assert rows_of(edge_rates(known, OBI, AGENTS).request_bytes)[EDGE] == [4, 50]
    unknown = answers({flow(): [1, 1]}, {flow(): [0, np.nan]})
    assert unknown.factors.tolist() == [[1, 1]]
    assert not answers({flow(): [1, 1]}).is_sampling_known


@pytest.mark.parametrize(
    ("by", "reporters"),
    [
        ("obi", Reporters.BOTH),
        ("shop", Reporters.SOURCE),
        ("data", Reporters.DESTINATION),
        ("mallory", None),
    ],
)
def test_who_is_trusted(by: str, reporters: Reporters | None) -> None:
    """A collector in a trusted namespace on every edge, any other on edges of its own namespace."""
    rates = edge_rates(answers({flow(by=by): [1, 1]}), OBI, AGENTS)

    assert rates.reporters == ({} if reporters is None else {EDGE: reporters})
    assert rates.dropped == ({(EdgeFault.OTHER_REPORTER, by): 1} if reporters is None else {})


def test_the_same_flow_by_collectors_of_two_namespaces_counts_once() -> None:
    """The larger: 3, not 2 + 3."""
    rates = edge_rates(answers({flow(): [2, 2], flow(by="shop"): [3, 3]}), OBI, AGENTS)

    assert rows_of(rates.request_bytes) == {EDGE: [3, 3]}


def test_other_clusters() -> None:
    """The given cluster, or that of most namespaces; a claim doesn't count for that."""
    rows = {
        flow(cluster="west"): [1.0, 1.0],
        flow(("team", "Deployment", "a"), cluster="west"): [1.0, 1.0],
        flow(("far", "Deployment", "a"), cluster="east"): [1.0, 1.0],
        **{flow((f"x{n}", "Deployment", "a"), cluster="east", by="mallory"): [1.0, 1.0] for n in range(9)},
    }

    west = edge_rates(answers(rows), OBI, AGENTS)
    east = edge_rates(answers(rows), OBI, AGENTS, cluster="east")

    assert {edge[0] for edge in west.request_bytes.keys} == {"shop", "team"}
    assert west.dropped[EdgeFault.OTHER_CLUSTER, "obi"] == 1
    assert {edge[0] for edge in east.request_bytes.keys} == {"far"}


def test_several_clusters_of_as_many_namespaces_are_refused() -> None:
    """Three namespaces name the one, and three the other."""
    rows = {
        flow((f"{cluster}-{n}", "Deployment", "a"), cluster=cluster): [1.0, 1.0]
        for cluster in ("east", "west")
        for n in range(3)
    }
    with pytest.raises(SeveralClustersError, match="k8s_cluster_name"):
        edge_rates(answers(rows), OBI, AGENTS)


def test_only_clients_of_the_shard() -> None:
    """The flows to the shard's namespaces are there for their replies: their senders are in another."""
    rows = {flow(): [1.0, 1.0], flow(DB, WEB, "unknown"): [5.0, 5.0]}

    own = edge_rates(answers(rows), OBI, AGENTS, NamespaceSelection(frozenset({"shop"})))
    others = edge_rates(answers(rows), OBI, AGENTS, NamespaceSelection(excluded=frozenset({"shop"})))

    assert rows_of(own.response_bytes) == {EDGE: [5.0, 5.0]}
    assert others.request_bytes.keys == others.response_bytes.keys == ()


def test_a_client_was_observed_with_a_collector_that_is_trusted_on_it() -> None:
    """10 scrapes of the agents in the first step; in the second those of its own namespace, if it has any."""
    scrapes = table({("obi",): [10, np.nan], ("shop",): [np.nan, 4], ("mallory",): [9, 9]})
    clients = (("shop", "Deployment/web"), ("data", "StatefulSet/db"))

    observed = client_scrapes(clients, scrapes, AGENTS)

    np.testing.assert_array_equal(observed.values, [[10, 4], [10, np.nan]])


def test_a_pod_without_an_owner_is_found_by_its_name() -> None:
    """Kinds are of owners; a Pod that has none is its own."""
    naming = end_naming([("shop", "Pod/debug-7x"), ("shop", "Deployment/web")])

    assert naming.source(("shop", "Deployment/web")) == Workload("shop", "web", "Deployment")
    assert naming.pods == {("shop", "Pod/debug-7x"): ("debug-7x",)}
