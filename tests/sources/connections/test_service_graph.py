"""Service graphs: the ends of edges by their labels, the share that is traced, and what is left out."""

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.domain.workloads import SERVICE, Connection, Workload
from app.history.samples import ConnectionSamples, EdgeFault
from app.sources.connections.conversation import QueryBatch
from app.sources.connections.service_graph import (
    DESTINATION_LABELS,
    INSTRUMENTED,
    SOURCE_LABELS,
    TRACED,
    ServiceGraph,
)
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.connections.conversing import converse
from tests.sources.wire import STEPS

NAN = np.nan
WEB, CART = Workload("shop", "web"), Workload("shop", "cart")


def table(rows: dict[tuple[str, ...], list[float]]) -> SeriesMatrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return SeriesMatrix(tuple(rows), values)


NOTHING = table({})


def edge(**labels: str) -> tuple[str, ...]:
    """The key of an edge with these labels."""
    place = labels.get("client_k8s_namespace_name", labels.get("client_service_namespace", ""))
    return place, *(labels.get(label, "") for label in (*SOURCE_LABELS, *DESTINATION_LABELS))


def samples(
    traced: SeriesMatrix = NOTHING, instrumented: SeriesMatrix = NOTHING, sampling: float = 0.1
) -> ConnectionSamples:
    """The samples of these rates, of a collector that was scraped in all steps."""
    jobs, observed = table({("otel",): [1] * 4}), table({(): [10] * 4})

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if "scrape_series_added" in batch.query:
            return [jobs, *[NOTHING] * (len(batch.parts) - 1)]
        if "1d:15m" in batch.query:
            return [NOTHING]
        return [traced, instrumented, observed]

    return converse(ServiceGraph(sampling), answer, Scope())[1]


ENDS = {
    "deployment": (
        {"client": "x", "client_k8s_namespace_name": "shop", "client_k8s_deployment_name": "web"},
        WEB,
        (),
    ),
    "deployment before its replicaset": (
        {
            "client_k8s_namespace_name": "shop",
            "client_k8s_replicaset_name": "web-6b6f9d7d5c",
            "client_k8s_deployment_name": "web",
        },
        WEB,
        (),
    ),
    "pod and statefulset": (
        {
            "client_k8s_namespace_name": "shop",
            "client_k8s_pod_name": "db-0",
            "client_k8s_statefulset_name": "db",
        },
        Workload("shop", "db", "StatefulSet"),
        ("db-0",),
    ),
    "without its namespace": (
        {"client_k8s_pod_name": "web-1", "client_k8s_deployment_name": "web"},
        Workload("", "web"),
        (),
    ),
    "pod of a service": (
        {"client": "Web", "client_k8s_namespace_name": "shop", "client_k8s_pod_name": "web-1"},
        Workload("shop", "", ""),
        ("web-1",),
    ),
    "service": ({"client": "web"}, Workload("", "web", SERVICE), ()),
    "service in a namespace": (
        {"client": "web", "client_service_namespace": "shop"},
        Workload("shop", "web", SERVICE),
        (),
    ),
}


@pytest.mark.parametrize(("labels", "workload", "pods"), ENDS.values(), ids=ENDS)
def test_ends(labels: dict[str, str], workload: Workload, pods: tuple[str, ...]) -> None:
    """An end is the workload of its dimensions, found by its Pod if there is one; else it is a name."""
    key = edge(**labels, server_k8s_namespace_name="shop", server_k8s_deployment_name="cart")

    result = samples(table({key: [1] * 4}))

    assert result.edges == (Connection(workload, CART),)
    assert result.edge_pods == (pods,)


@pytest.mark.parametrize("name", ["Web Shop", "web_shop", "10.1.2.3:80", ""])
def test_a_service_with_a_name_of_no_workload(name: str) -> None:
    """It is an unknown end."""
    result = samples(table({edge(client="web", server=name): [1] * 4}))

    assert (result.edges, result.dropped) == ((), {(EdgeFault.UNKNOWN_END, ""): 1})


@pytest.mark.parametrize("kind", ["database", "messaging_system", "virtual_node"])
def test_what_is_no_workload(kind: str) -> None:
    """Databases, queues and peers without spans, whatever their names; the source declares them."""
    key = edge(client="web", client_service_namespace="shop", server="cart", connection_type=kind)

    assert samples(table({key: [1] * 4})).dropped == {(EdgeFault.UNKNOWN_END, "shop"): 1}


def test_sampling() -> None:
    """Of ten requests one is traced: 2 pairs a second are 20 requests, and as many responses."""
    result = samples(table({edge(client="web", server="cart"): [2, NAN, 0, 1]}))

    np.testing.assert_array_equal(result.requests, [[20, NAN, 0, 10]])
    np.testing.assert_array_equal(result.responses, result.requests)
    assert result.sampling == {Provider.SERVICE_GRAPH: 10.0}
    np.testing.assert_array_equal(result.scraped, [[True] * 4])


def test_what_is_counted_in_full() -> None:
    """The counts of OBI are no sample; traces between the same services don't count beside them."""
    pair = {"client": "web", "server": "cart"}
    place = {"client_k8s_namespace_name": "shop", "server_k8s_namespace_name": "shop"}
    traced = table({edge(**pair): [2] * 4, edge(client="web", server="db"): [1] * 4})

    both = samples(traced, table({edge(**pair, **place): [30] * 4}))
    alone = samples(table({edge(**pair): [2] * 4}), table({edge(**pair, **place): [30] * 4}))

    assert [str(connection) for connection in both.edges] == [
        "Service//web → Service//db",
        "Service/shop/web → Service/shop/cart",
    ]
    np.testing.assert_array_equal(both.requests, [[10] * 4, [30] * 4])
    assert both.sampling == {Provider.SERVICE_GRAPH: 10.0}
    assert alone.sampling == {}


@pytest.mark.parametrize("sampling", [0, -1, 1.1, NAN])
def test_no_such_share(sampling: float) -> None:
    """The share is above 0 and at most 1."""
    with pytest.raises(ValueError, match="share of traced requests"):
        ServiceGraph(sampling)


def test_queries() -> None:
    """Without the metric one batch of one query, else two rates, the scrapes and the sources of the day."""

    def with_job(batch: QueryBatch) -> list[SeriesMatrix]:
        has_job = "scrape_series_added" in batch.query
        return [table({("otel",): [1] * 4}) if has_job else NOTHING, *[NOTHING] * (len(batch.parts) - 1)]

    absent, _ = converse(ServiceGraph(1), lambda batch: [NOTHING] * len(batch.parts), Scope())
    present, _ = converse(ServiceGraph(1), with_job, Scope(excluded=("kube-system",)))

    assert [len(batch.parts) for batch in absent] == [5]
    assert [len(batch.parts) for batch in present] == [5, 3, 1]
    rates = present[1].query
    assert f"{TRACED.name}{{{TRACED.matchers[0]}" in rates
    assert f"{INSTRUMENTED.name}{{{INSTRUMENTED.matchers[0]}" in rates
    assert 'server_k8s_namespace_name!="kube-system"' in rates
    assert all(len(batch.query) <= 16_000 for batch in present)


@pytest.mark.parametrize("shard", [Shard(), Shard(frozenset({"shop", "storage"}))], ids=["all", "some"])
def test_the_longest_query(shard: Shard) -> None:
    """It is longer than those of collectors that are scraped once."""
    batches = ServiceGraph(1).conversation(Scope(), STEPS, shard)
    next(batches)
    [rates, _] = batches.send([table({("otel",): [1] * 4}), *[NOTHING] * 4])

    longest = ServiceGraph(1).longest_query(Scope(), shard)
    assert max(len(part.query) for part in rates.parts) < longest <= 16_000


def test_the_load() -> None:
    """It is counted by the namespace of the source and by the labels of clusters."""
    load = ServiceGraph(1).load(Scope(), ("cluster",))

    assert load.labels == ("namespace", "cluster")
    assert load.query.startswith("4 * sum by (namespace,cluster)(label_replace(")
    assert "count_over_time(" in load.query
