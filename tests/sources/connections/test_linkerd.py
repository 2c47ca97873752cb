"""Linkerd: the exact texts of queries, and the samples from its labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, EdgeFault, StepRange
from app.sources.answers import AnswerReader
from app.sources.connections.conversation import QueryBatch
from app.sources.connections.counters import ProxyCounters
from app.sources.connections.linkerd import KINDS, PROXY, Linkerd
from app.sources.connections.new_series import ANY_POD, NO_POD, PodsWithNewSeries, new_series_of_pods
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.connections.conversing import Answer, converse
from tests.sources.wire import FIRST, STEPS, encoded, matrix, row

EVERYTHING = Scope()
SOME = Scope(included=("shop", "emojivoto"), excluded=("kube-system", "kube-public"))
BOTH = 'namespace!~"kube-public|kube-system",dst_namespace!~"kube-public|kube-system"'
KIND_LABELS = "deployment,statefulset,daemonset,replicaset,replicationcontroller,cronjob,k8s_job"
DESTINATION = "dst_namespace,dst_" + KIND_LABELS.replace(",", ",dst_") + ",dst_target_cluster"
TAIL = '"replicas","$1","pod","(.+?)(-([a-z0-9]{5}|[0-9]+))?"'
EDGE = {"namespace": "emojivoto", "replicas": "web-6b6f9d7d5c", "deployment": "web"}
PROXIES = 'up{control_plane_ns!="",namespace!~"kube-public|kube-system"}'
TO_VOTING = {"dst_namespace": "emojivoto", "dst_deployment": "voting"}


# A text in the query on each part: requests, responses, bytes both ways, scrapes, Pods, gRPC, jobs, and
# Pods with new series.
PARTS = (
    *("request_total{", "response_total{", "tcp_write_bytes_total{", "tcp_read_bytes_total{"),
    *(
        "sum_over_time(up{",
        "max_over_time(up{",
        'grpc_status!=""',
        "last_over_time(request_total{",
        "scrape_series_added{",
    ),
)
# In this order: the query on a rate has also the texts of the others.
_PLACES = (8, 7, 6, 0, 1, 2, 3, 5, 4)
Series = Mapping[str, str] | Sequence[Mapping[str, str]]
MANY = [{"pod": f"web-{number}"} for number in range(51)]  # so that all Pods are asked with the long query


def answering(*series: Series, added: str = "2") -> Answer:
    """A function that answers batches: for each of PARTS one or several series with the sample 2, or none.

    The Pods with new series have *added* of them.
    """

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        time = FIRST if batch.steps == STEPS else batch.steps.last * 300
        rows = []
        for number, part in enumerate(batch.parts):
            place = next(place for place in _PLACES if PARTS[place] in part.query)
            held = series[place] if place < len(series) else MANY if place == 8 else []
            of_part = [held] if isinstance(held, Mapping) else held
            rows += [
                row({**labels, "part": str(number)}, [(time, {5: "1", 8: added}.get(place, "2"))])
                for labels in of_part
            ]
        reader = AnswerReader(batch.labels, batch.steps, batch.optional)
        reader.feed(encoded(matrix(*rows)))
        return batch.split(reader.finish())

    return answer


def joined(*series: Series, scope: Scope = EVERYTHING) -> ConnectionSamples:
    """The samples from these series."""
    return converse(Linkerd(), answering(*series), scope)[1]


def behind(*pods: Mapping[str, str]) -> Answer:
    """Answers only the query on meshed Pods."""
    return answering([], [], [], [], [], list(pods))


def rate(
    metric: str, matchers: tuple[str, ...], *, by_pod: bool = False, new: PodsWithNewSeries = ANY_POD
) -> str:
    """The rate by edge, or by edge and Pod; `test_counters` has its text."""
    excluded = ('namespace!~"kube-public|kube-system"', 'dst_namespace!~"kube-public|kube-system"')
    counters = ProxyCounters(PROXY, ('control_plane_ns!=""', excluded[0]), SOME, new_series=new)
    labels = ("namespace", *KINDS, "dst_namespace", *(f"dst_{kind}" for kind in KINDS), "dst_target_cluster")
    rate = counters.by_pod if by_pod else counters.total
    return rate(labels, metric, (*matchers, *excluded))


def test_queries() -> None:
    """The query on Pods comes first. The Pods' names fit their labels, so edges are summed by labels only.

    Four steps are 1200 seconds. One selector can't include namespaces at either endpoint.
    """
    batches, _ = converse(Linkerd(), behind(EDGE | {"pod": "web-6b6f9d7d5c-2x8qz"}), SOME)

    pods_by_name = f"count by (namespace,{KIND_LABELS},pod)(max_over_time({PROXIES}[1200s]))"
    edges, of_pods = f"namespace,{KIND_LABELS},{DESTINATION}", f"namespace,pod,replicas,{KIND_LABELS}"
    out, server = ('direction="outbound"',), ('direction="outbound"', 'peer="dst"')
    grpc = f'response_total{{direction="outbound",grpc_status!="",{BOTH}}}'
    unlabelled = f'direction="outbound",target_addr!="",{BOTH.partition(",")[0]}'
    unlabelled = f'request_total{{control_plane_ns="",{unlabelled}}}'
    assert [part.query for batch in batches for part in batch.parts] == [
        f"max by ({of_pods})(label_replace({pods_by_name},{TAIL}))",
        new_series_of_pods(('control_plane_ns!=""', BOTH.partition(",")[0]), SOME, seconds=1200),
        f"group by (job)(last_over_time({unlabelled}[1h]))",
        rate("request_total", out),
        rate("response_total", out),
        f"group by ({edges})({grpc})",
        rate("tcp_write_bytes_total", server),
        rate("tcp_read_bytes_total", server),
        f"max by (namespace,{KIND_LABELS})(sum_over_time({PROXIES}[5m]))",
    ]
    assert [(len(batch.parts), batch.steps) for batch in batches] == [
        (3, StepRange(STEPS.last, STEPS.last)),
        (1, STEPS),
        (2, STEPS),
        (3, STEPS),
    ]


def test_only_pods_with_new_series_are_read_more_than_once() -> None:
    """No Pod has one; one of two has: its name is in the same queries; a server without their number."""
    web = EDGE | {"pod": "web-6b6f9d7d5c-2x8qz"}
    new, edge = [{"pod": "web-6b6f9d7d5c-2x8qz"}], EDGE | TO_VOTING | {"replicas": ""}

    def asked(*series: Series, added: str = "2") -> str:
        answer = answering(edge, [], [], [], [], web, [], [], *series, added=added)
        batches, _ = converse(Linkerd(), answer, SOME)
        assert len(batches) == 4
        return batches[1].query

    out = ('direction="outbound"',)
    of_web = PodsWithNewSeries(('pod="web-6b6f9d7d5c-2x8qz"',))
    assert asked(new, added="0") == rate("request_total", out, new=NO_POD)
    assert asked(new) == rate("request_total", out, new=of_web)
    assert asked([]) == asked(MANY) == rate("request_total", out)


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([EDGE | {"pod": "shop-6b6f9d7d5c-2x8qz"}], id="another name"),
        pytest.param([EDGE | {"pod": "web-admin-6b6f9d7d5c-2x8qz"}], id="a longer name"),
        pytest.param([EDGE | {"pod": "web-0"}], id="another kind's name"),
        pytest.param([EDGE | {"pod": "web-6b6f9d7d5c-2x8qz", "statefulset": "web"}], id="two kinds"),
        pytest.param([{"namespace": "shop", "pod": "canary-6b6f9d7d5c-2x8qz"}], id="no kind"),
        pytest.param(
            [EDGE | {"pod": f"{name}-6b6f9d7d5c-2x8qz"} for name in ("web", "shop")], id="one of two"
        ),
        pytest.param([], id="no Pods"),
    ],
)
def test_if_labels_do_not_identify_a_source_pod_names_do(pods: list[Mapping[str, str]]) -> None:
    """One Pod whose labels do not fit, or no known Pod: everything is summed by Pod name too."""
    batches, _ = converse(Linkerd(), behind(*pods), SOME)

    queries = [part.query for batch in batches if batch.steps == STEPS for part in batch.parts]
    by_name = f"namespace,replicas,{KIND_LABELS}"
    requests = rate("request_total", ('direction="outbound"',), by_pod=True)
    scrapes = f"max by (namespace,{KIND_LABELS},pod)(sum_over_time({PROXIES}[5m]))"
    assert queries[0] == f"sum by ({by_name},{DESTINATION})(label_replace({requests},{TAIL}))"
    assert queries[-1] == f"max by ({by_name})(label_replace({scrapes},{TAIL}))"
    assert all(f"by ({by_name}" in query for query in queries)


def test_a_source_without_a_known_pod_is_queried_by_names() -> None:
    """The proxy of `db` leaves no `up` with its labels, one of which is the Pod's own: all is queried again.

    The second time the Pod's name shows the StatefulSet; the labels name two kinds.
    """
    web = {"namespace": "emojivoto", "deployment": "web"}
    pod = web | {"pod": "web-6b6f9d7d5c-2x8qz", "replicas": "web-6b6f9d7d5c"}
    two = {"namespace": "emojivoto", "deployment": "blue", "statefulset": "db"} | TO_VOTING

    def answer(batch: QueryBatch) -> list[SeriesMatrix]:
        named = '"replicas"' in batch.query and batch.steps == STEPS
        db, of_web = (two | {"replicas": "db"}, web | {"replicas": pod["replicas"]}) if named else (two, web)
        return answering([db, of_web | TO_VOTING], [], [], [], of_web, pod)(batch)

    batches, samples = converse(Linkerd(), answer, EVERYTHING)

    assert len(batches) == 7
    assert [edge.source for edge in samples.edges] == [
        Workload("emojivoto", "db", "StatefulSet"),
        Workload("emojivoto", "web"),
    ]
    assert [list(pods) for pods in samples.edge_pods] == [[], [pod["pod"]]]


def test_the_parts_of_a_batch_are_sent_as_one_query() -> None:
    """Series of all parts but the first have the part's number as a label: parts are never confused."""
    (_, requests, _, sizes), _ = converse(Linkerd(), behind(EDGE | {"pod": "web-6b6f9d7d5c-2x8qz"}), SOME)

    first, second, third = (part.query for part in sizes.parts)
    assert sizes.query == (
        f'{first} or (label_replace({second},"part","1","","") or (label_replace({third},"part","2","","")))'
    )
    assert sizes.labels[0] == "part"
    assert requests.query == requests.parts[0].query


def test_a_shard_of_sources() -> None:
    """All queries select sources in these namespaces only; destinations may be anywhere."""
    shard = Shard(frozenset({"shop", "emojivoto"}))

    batches, _ = converse(Linkerd(), behind(), SOME, shard=shard)

    parts = [part.query for batch in batches for part in batch.parts]
    assert all(',namespace=~"emojivoto|shop"' in part for part in parts)
    assert "dst_namespace=" not in "".join(parts)


def test_the_load() -> None:
    """The largest batch has two rates, each of four windows, and counts the clusters."""
    load = Linkerd().load(SOME, ("cluster",))

    counts = f'count_over_time(request_total{{direction="outbound",{BOTH}}}[5m])'
    assert load.query == f"8 * sum by (namespace,cluster)({counts})"
    assert load.labels == ("namespace", "cluster")
    assert load.optional == {"cluster"}


def test_sides_and_bytes_are_joined_by_edge() -> None:
    """One edge with 2 requests, 2 responses, 2 bytes written and none read in the first step."""
    edge = EDGE | TO_VOTING

    samples = joined(edge, edge, edge)

    web, voting = Workload("emojivoto", "web"), Workload("emojivoto", "voting")
    assert samples.edges == (Connection(web, voting),)
    for values in (samples.requests, samples.responses, samples.request_bytes):
        np.testing.assert_array_equal(values, [[2, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.response_bytes, [[np.nan] * 4])
    assert samples.sources == (web,)
    np.testing.assert_array_equal(samples.scraped, [[True, False, False, False]])


@pytest.mark.parametrize(("label", "kind"), KINDS.items())
def test_every_kind_at_both_endpoints(label: str, kind: str) -> None:
    """The label of a kind at the source, and with `dst_` at the destination, in another namespace."""
    source = {"namespace": "shop", "replicas": "cart", label: "cart"}

    samples = joined(source | {"dst_namespace": "storage", f"dst_{label}": "db"})

    (edge,) = samples.edges
    assert edge == Connection(Workload("shop", "cart", kind), Workload("storage", "db", kind))


def test_the_kinds_of_owners() -> None:
    """The kinds are those of ownerReferences."""
    assert set(KINDS.values()) == {
        *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"),
        *("CronJob", "Job"),
    }


@pytest.mark.parametrize(
    ("replicas", "labels", "kind", "name"),
    [
        ("db", {"deployment": "blue", "statefulset": "db"}, "StatefulSet", "db"),
        ("blue-db", {"deployment": "blue", "statefulset": "blue-db"}, "StatefulSet", "blue-db"),
        ("web-6b6f9d7d5c", {"deployment": "web", "replicaset": "green"}, "Deployment", "web"),
        ("x", {"deployment": "web", "daemonset": "agent"}, "Deployment", "web"),
        ("web-6b6f9d7d5c", {"deployment": "blue"}, "Deployment", "blue"),
    ],
    ids=["another kind", "the longer name", "Deployment", "none fits", "one alone"],
)
def test_a_pods_own_label_beside_that_of_its_kind(
    replicas: str, labels: dict[str, str], kind: str, name: str
) -> None:
    """The label with the longest value that begins the Pod's name is the workload's.

    A single label counts: only the Pod could contradict it.
    """
    samples = joined({"namespace": "shop", "replicas": replicas, **labels} | TO_VOTING)

    assert samples.edges[0].source == Workload("shop", name, kind)


def test_the_pods_behind_a_source() -> None:
    """All Pods of the workload that the labels name, across a rollout."""
    web = {"namespace": "emojivoto", "deployment": "web"}
    names = ("web-6b6f9d7d5c-2x8qz", "web-6b6f9d7d5c-vhm4j", "web-5f86686c4d-8wrkx")
    pods = [{**web, "pod": name, "replicas": name[:-6]} for name in names]

    samples = joined(web | TO_VOTING, [], [], [], web, pods)

    assert samples.edges[0].source == Workload("emojivoto", "web")
    assert [sorted(pods) for pods in samples.edge_pods] == [sorted(names)]
    assert [sorted(pods) for pods in samples.source_pods] == [sorted(names)]


def test_two_sources_under_one_label() -> None:
    """`deployment: blue` is a label of the Pods of `web` and of `api`: each edge has its own Pods."""
    blue = {"namespace": "emojivoto", "deployment": "blue"}
    web, api = ({**blue, "replicas": name} for name in ("web-6b6f9d7d5c", "api-5f86686c4d"))
    pods = [{**web, "pod": "web-6b6f9d7d5c-2x8qz"}, {**api, "pod": "api-5f86686c4d-8wrkx"}]

    samples = joined([web | TO_VOTING, api | TO_VOTING], [], [], [], [web, api], pods)

    assert [list(pods) for pods in samples.edge_pods] == [["web-6b6f9d7d5c-2x8qz"], ["api-5f86686c4d-8wrkx"]]
    assert len(samples.sources) == len(samples.source_pods) == 2


def test_unknown_endpoints_are_dropped_and_counted() -> None:
    """A Service without a workload and a destination outside the cluster: two; the third edge is known."""
    service = EDGE | {"dst_namespace": "emojivoto"}

    samples = joined([EDGE, service, EDGE | TO_VOTING])

    assert len(samples.edges) == 1
    assert samples.dropped == {(EdgeFault.UNKNOWN_END, "emojivoto"): 2}


def test_a_destination_in_another_cluster_is_dropped_and_counted() -> None:
    """A mirrored Service has the labels of its workload there, which may have the name of one here."""
    samples = joined([EDGE | TO_VOTING | {"dst_target_cluster": "west"}, EDGE | TO_VOTING])

    assert len(samples.edges) == 1
    assert samples.dropped == {(EdgeFault.OTHER_CLUSTER, "emojivoto"): 1}


@pytest.mark.parametrize(
    ("of_grpc", "protocol"), [([EDGE | TO_VOTING], Protocol.GRPC), ([], Protocol.HTTP)], ids=["grpc", "http"]
)
def test_the_protocol_of_an_edge(of_grpc: list[Mapping[str, str]], protocol: Protocol) -> None:
    """A response with a status of gRPC shows it; bytes alone are TCP."""
    tcp = EDGE | {"dst_namespace": "emojivoto", "dst_statefulset": "redis"}

    samples = joined(EDGE | TO_VOTING, [], [EDGE | TO_VOTING, tcp], tcp, [], [], of_grpc)

    assert samples.protocols is not None
    assert samples.protocols.tolist() == [protocol, Protocol.TCP]


def test_a_source_without_labels_has_its_pods() -> None:
    """No label has the kind Rollout: the source has no name, and its Pods identify it."""
    source = {"namespace": "shop", "replicas": "cart-6b6f9d7d5c"}

    samples = joined(source | TO_VOTING, [], [], [], [], [source | {"pod": "cart-6b6f9d7d5c-2x8qz"}])

    assert samples.edges[0].source == Workload("shop", "", "")
    assert [list(pods) for pods in samples.edge_pods] == [["cart-6b6f9d7d5c-2x8qz"]]
