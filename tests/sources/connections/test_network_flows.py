"""The queries on flows, without a server."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.history.samples import StepRange
from app.sources.connections.conversation import QueryBatch
from app.sources.connections.flow_metrics import BEYLA, NETOBSERV, OBI, FlowMetric
from app.sources.connections.flow_queries import FlowQueries
from app.sources.connections.network_flows import NetworkFlows
from app.sources.connections.providers import supported_providers
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.connections.conversing import Answer, converse
from tests.sources.wire import FOURTH, SECOND, STEPS

NOTHING = SeriesMatrix((), np.empty((0, len(STEPS))))
ONE = SeriesMatrix(((),), np.ones((1, len(STEPS))))
JOBS = SeriesMatrix((("agents",),), np.ones((1, len(STEPS))))
SHOP = Shard(frozenset({"shop"}))


def answering(*, several: SeriesMatrix = NOTHING, jobs: SeriesMatrix = JOBS, **kinds: SeriesMatrix) -> Answer:
    """Answers on scrape jobs, on Pods with several targets, and on flows *unscraped* or *untyped*."""

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if batch.parts[0].labels == ("job",):
            first = (jobs, several, kinds.get("unscraped", NOTHING), kinds.get("untyped", NOTHING), NOTHING)
            return list(first[: len(batch.parts)])
        return [NOTHING for _ in batch.parts]

    return answer


def test_the_providers_in_order() -> None:
    """That of `Provider`; their names are those of settings."""
    providers = supported_providers(service_graph_sampling=1)

    assert [provider.identity for provider in providers] == list(Provider)
    assert [provider.name for provider in providers] == [name for flag in Provider for name in flag.names]


def test_the_namespaces_of_proxies_are_trusted_as_collectors_too() -> None:
    """Beside the usual ones."""
    flows = [each for each in supported_providers({"monitoring"}) if isinstance(each, NetworkFlows)]

    expected = {"monitoring", "netobserv", "netobserv-privileged", "obi", "beyla"}
    assert [provider.collectors for provider in flows] == [expected] * 3


@pytest.mark.parametrize("metric", [NETOBSERV, OBI, BEYLA], ids=lambda metric: metric.provider.name)
def test_one_query_without_the_metric(metric: FlowMetric) -> None:
    """No scrape job has it: no edges and no sources."""
    batches, samples = converse(NetworkFlows(metric), answering(jobs=NOTHING), Scope())

    assert len(batches) == 1
    assert (samples.edges, samples.sources, samples.unseen) == ((), (), "")


def test_three_queries_with_it_and_a_fourth_where_pods_have_several_targets() -> None:
    """Scrape jobs, the labels of scrapers, the clients of the hour before, and the flows with the scrapes."""
    once, _ = converse(NetworkFlows(NETOBSERV), answering(), Scope())
    twice, _ = converse(NetworkFlows(NETOBSERV), answering(several=ONE), Scope())

    assert [len(batch.parts) for batch in once] == [5, 1, 3]
    assert [len(batch.parts) for batch in twice] == [5, 1, 1, 3]
    assert once[1].steps.last == STEPS.first - 1
    assert 'up{job="agents"}' in once[2].query


def test_a_shard_of_some_namespaces_has_its_replies_in_a_query_of_their_own() -> None:
    """Scrape jobs, clients, what the namespaces send with the scrapes, and what is sent to them."""
    batches, _ = converse(NetworkFlows(OBI), answering(), Scope(), shard=SHOP)

    assert [len(batch.parts) for batch in batches] == [4, 1, 2, 1]


def beginning(is_there: Sequence[bool]) -> Answer:
    """The namespaces' flows are there in the last step, and those of all where *is_there*."""
    in_last = SeriesMatrix((("agents",),), np.array([[*[np.nan] * len(STEPS), 1.0]]))
    of_all = SeriesMatrix((("agents",),), np.where(is_there, 1.0, np.nan)[np.newaxis])

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        if len(batch.parts) == 1 and batch.parts[0].labels == ("job",):
            return [of_all]
        return answering(jobs=in_last)(batch)

    return answer


def test_a_job_without_flows_of_some_namespaces_does_not_begin_with_them() -> None:
    """It has those of others since the step before: no condition on time."""
    batches, _ = converse(NetworkFlows(OBI), beginning([True] * 5), Scope())

    assert len(batches) == 4
    assert "vector(time())" not in batches[-1].query


def test_nothing_counts_in_the_steps_in_which_a_job_begins() -> None:
    """It is there in the second step of four, and again in the fourth: these are unknown."""
    batches, _ = converse(NetworkFlows(OBI), beginning([False, False, True, False, True]), Scope())

    for time in (SECOND, FOURTH):
        begun = f'label_replace(vector(time()) == {time},"job","agents","","")'
        assert batches[-1].query.count(begun) == 3  # of both ends twice, of scrapes once
    assert batches[-1].query.count("vector(time())") == 6


def test_a_job_that_begins_again_and_again_does_not_count() -> None:
    """It would make a query longer with each of nine times."""
    steps = StepRange(STEPS.first, STEPS.first + 17)
    is_there = np.arange(len(steps) + 1) % 2 == 1
    conversation = NetworkFlows(OBI).conversation(Scope(), steps, Shard())
    next(conversation)
    jobs = SeriesMatrix((("agents",),), np.where(is_there, 1.0, np.nan)[np.newaxis])
    conversation.send([jobs, NOTHING, NOTHING, NOTHING])

    with pytest.raises(StopIteration) as end:
        conversation.send([jobs])

    assert (end.value.value.edges, end.value.value.sources) == ((), ())


def test_flows_that_can_not_be_counted_are_stated() -> None:
    """Of no target, so that nothing shows whose they are; and without the kinds of owners."""
    _, samples = converse(NetworkFlows(OBI), answering(unscraped=ONE, untyped=ONE), Scope())

    assert samples.unseen == (
        "obi_network_flow_bytes_total: flows are of no scraped target, so that nothing shows whose they are;"
        " flows have no label k8s_src_owner_type"
    )


def test_a_shard_asks_for_the_flows_from_it_and_for_the_replies_to_it() -> None:
    """NetObserv has no replies; without shards, what is sent from all namespaces is all."""
    scope = Scope(excluded=("kube-system",))
    queries = FlowQueries(OBI, scope, SHOP)

    assert queries.from_sources == ('k8s_src_namespace="shop"', 'k8s_dst_namespace!="kube-system"')
    assert queries.to_sources == (
        'k8s_dst_namespace="shop"',
        'k8s_src_namespace!="shop"',
        'k8s_src_namespace!="kube-system"',
    )
    rest = FlowQueries(OBI, scope, Shard(excluded=frozenset({"shop"})))
    assert rest.to_sources == (
        'k8s_dst_namespace!~"kube-system|shop"',
        'k8s_src_namespace="shop"',
        'k8s_src_namespace!="kube-system"',
    )
    assert FlowQueries(OBI, scope, Shard()).to_sources is None
    assert FlowQueries(NETOBSERV, scope, SHOP).to_sources is None


def test_the_longest_query_has_the_names_of_the_shard() -> None:
    """Twice three selectors of OBI for both ends of which the larger is taken, and each has the name."""
    names = [f"team-{number}" for number in range(3)]
    short = NetworkFlows(OBI).longest_query(Scope(), Shard(frozenset(names[:1])))
    longer = NetworkFlows(OBI).longest_query(Scope(), Shard(frozenset(names)))

    assert longer - short >= 2 * 3 * 2 * len("|team-0")


def test_loads_are_by_the_namespace_of_the_source() -> None:
    """It stands for that of the collector too; the agents' label of the cluster is none of targets."""
    load = NetworkFlows(OBI).load(Scope(), ("cluster", "k8s_cluster_name"))

    assert load.labels == ("k8s_src_namespace", "namespace", "cluster", "__cluster")
    assert "sum by (k8s_src_namespace,k8s_cluster_name,cluster)(count_over_time(" in load.query


def test_reporters_have_the_pods_of_collectors() -> None:
    """NetObserv's flows have the namespace of the destination: that of `up` takes its place."""
    assert "* on (job,instance) group_left (namespace,pod) topk" in NetworkFlows(NETOBSERV).reporters(Scope())
