"""Hubble: its queries, and the samples from the labels of its series."""

import numpy as np
import pytest

from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.samples import EdgeFault
from app.sources.connections.conversation import QueryBatch
from app.sources.connections.hubble import Hubble
from app.sources.connections.hubble_ends import DESTINATION_LABELS, SOURCE_LABELS
from app.sources.connections.providers import supported_providers
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.connections.conversing import Answer, converse
from tests.sources.wire import STEPS

NAN = np.nan


def table(rows: dict[tuple[str, ...], list[float]]) -> SeriesMatrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return SeriesMatrix(tuple(rows), values)


NOTHING = table({})


def row(reporter: str, **labels: str) -> tuple[str, ...]:
    """The key of a rate with these labels."""
    ends = (labels.get(label, "") for label in (*SOURCE_LABELS, *DESTINATION_LABELS))
    return labels.get("source_namespace", ""), *ends, reporter


def answering(
    rates: SeriesMatrix, sources: SeriesMatrix = NOTHING, addresses: SeriesMatrix = NOTHING
) -> Answer:
    """Answers of agents that were scraped; the first batch says whether there are addresses."""

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if "scrape_series_added" in batch.query:
            addressed = table({(): [1] * 4}) if addresses.keys else NOTHING
            return [table({("hubble",): [1] * 4}), *[NOTHING] * 4, addressed]
        if "1d:15m" in batch.query:
            return [sources]
        if "kube_pod_info" in batch.query:
            return [addresses]
        return [rates, table({(): [10, 10, NAN, 10]})]

    return answer


def test_queries() -> None:
    """Without agents one query; with them the rate, the scrapes, and the sources of the day."""
    rates = table({row("client", source_namespace="shop"): [1] * 4})

    absent, _ = converse(Hubble(), lambda batch: [NOTHING] * len(batch.parts), Scope())
    present, _ = converse(Hubble(), answering(rates), Scope(excluded=("kube-system",)))

    assert [len(batch.parts) for batch in absent] == [6]
    assert [len(batch.parts) for batch in present] == [6, 2, 1]
    assert (
        'hubble_http_requests_total{status!="",destination_namespace!="kube-system",'
        'namespace=~"cilium|kube-system",source_namespace!="",source_namespace!="kube-system"}'
    ) in present[1].query
    assert all(len(batch.query) <= 16_000 for batch in present)


def test_addresses_are_asked_for_where_they_are_needed() -> None:
    """A series has an end with an address and no Pod: the addresses of Pods are a query of their own."""
    rates = table(
        {row("client", source_ip="10.0.0.7", destination_namespace="shop", destination_pod="b-0"): [2] * 4}
    )
    addresses = table({("10.0.0.7", "shop", "a-0"): [1, 1, NAN, NAN]})

    batches, samples = converse(Hubble(), answering(rates, addresses=addresses), Scope())

    assert "kube_pod_info" in batches[-1].query
    assert samples.edges == (Connection(Workload("shop", "", ""), Workload("shop", "", "")),)
    assert (samples.edge_pods, samples.destination_pods) == ((("a-0",),), (("b-0",),))
    np.testing.assert_array_equal(samples.requests, [[2, 2, NAN, NAN]])
    assert samples.dropped == {(EdgeFault.UNKNOWN_END, ""): 1}


def test_samples() -> None:
    """A request has one response; both ends report; a source of the day was observed with the agents."""
    key = row(
        "server",
        source_namespace="shop",
        source_workload="web",
        source_workload_kind="Deployment",
        destination_namespace="storage",
        destination_workload="db",
        destination_workload_kind="StatefulSet",
    )
    idle = table({("shop", "shop", "idle-0", "", "", "", ""): [1] * 4})

    _, samples = converse(Hubble(), answering(table({key: [1, NAN, NAN, 3]}), idle), Scope())

    assert [str(edge) for edge in samples.edges] == ["shop/web → StatefulSet/storage/db"]
    np.testing.assert_array_equal(samples.requests, [[1, NAN, NAN, 3]])
    np.testing.assert_array_equal(samples.responses, samples.requests)
    assert samples.edge_reporters.tolist() == [Reporters.BOTH]
    assert samples.source_pods == (("idle-0",), ())
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, True]] * 2)
    assert samples.sampling == {}


@pytest.mark.parametrize("shard", [Shard(), Shard(frozenset({"shop", "storage"}))], ids=["all", "some"])
def test_the_longest_query(shard: Shard) -> None:
    """It is longer than those of agents that are scraped once."""
    batches = Hubble().conversation(Scope(), STEPS, shard)
    next(batches)
    [rates, _] = batches.send([table({("hubble",): [1] * 4}), *[NOTHING] * 5])

    longest = Hubble().longest_query(Scope(), shard)
    assert max(len(part.query) for part in rates.parts) < longest <= 16_000


def test_supported_providers() -> None:
    """Service graphs are offered with the share that is traced; namespaces of proxies are trusted by all."""
    names = [provider.name for provider in supported_providers({"mesh"})]
    with_graph = supported_providers({"mesh"}, service_graph_sampling=0.5)

    assert names == ["linkerd", "istio", "netobserv", "obi", "beyla", "hubble"]
    assert [provider.name for provider in with_graph] == [*names[:-1], "service-graph", "hubble"]
    for provider in with_graph[-2:]:
        assert "|mesh" in provider.reporters(Scope())
