"""Linkerd: the exact texts that are sent, and what answers in its label schema become."""

from collections.abc import Mapping

import numpy as np
import pytest

from app.domain.workloads import Connection, Workload
from app.estimation.samples import ConnectionSamples, StepRange
from app.sources.answers import AnswerReader
from app.sources.mesh.linkerd import KINDS, Linkerd
from app.sources.queries import Scope, Shard
from app.sources.series import Matrix
from tests.sources.wire import FIRST, STEPS, encoded, matrix, row

EVERYTHING = Scope()
SOME = Scope(included=("shop", "emojivoto"), excluded=("kube-system", "kube-public"))
BOTH = 'namespace!~"kube-public|kube-system",dst_namespace!~"kube-public|kube-system"'
KIND_LABELS = "deployment,statefulset,daemonset,replicaset,replicationcontroller,cronjob,k8s_job"
DESTINATION = "dst_namespace,dst_" + KIND_LABELS.replace(",", ",dst_")
TAIL = '"replicas","$1","pod","(.+?)(-([a-z0-9]{5}|[0-9]+))?"'
EDGE = {"namespace": "emojivoto", "replicas": "web-6b6f9d7d5c", "deployment": "web"}
TO_VOTING = {"dst_namespace": "emojivoto", "dst_deployment": "voting"}


def rate(metric: str, matchers: str) -> str:
    return (
        f"sum by (namespace,replicas,{KIND_LABELS},{DESTINATION})"
        f"(label_replace(rate({metric}{{{matchers},{BOTH}}}[5m]),{TAIL}))"
    )


def test_questions() -> None:
    """Edges by the Pod's name without its tail and every kind label of both ends; Pods at the end alone.

    Four steps are 1200 seconds. Included namespaces can't be said of "either end" in one selector.
    """
    questions = Linkerd().questions(SOME, STEPS, Shard())

    proxies = 'up{control_plane_ns!="",namespace!~"kube-public|kube-system"}'
    present = f"max_over_time({proxies}[1200s])"
    assert [part.query for question in questions for part in question.parts] == [
        rate("request_total", 'direction="outbound"'),
        rate("response_total", 'direction="outbound"'),
        rate("tcp_write_bytes_total", 'direction="outbound",peer="dst"'),
        rate("tcp_read_bytes_total", 'direction="outbound",peer="dst"'),
        f"max by (namespace,replicas,{KIND_LABELS})(label_replace(sum_over_time({proxies}[5m]),{TAIL}))",
        f"max by (namespace,pod,replicas,{KIND_LABELS})(label_replace({present},{TAIL}))",
    ]
    assert [(len(question.parts), question.steps) for question in questions] == [
        (1, STEPS),
        (1, STEPS),
        (3, STEPS),
        (1, StepRange(STEPS.last, STEPS.last)),
    ]


def test_the_parts_of_a_question_are_sent_as_one() -> None:
    """All but the first part's series bear its number in a label: none is taken for another's."""
    requests, _, octets, *_ = Linkerd().questions(SOME, STEPS, Shard())

    first, second, third = (part.query for part in octets.parts)
    assert octets.query == (
        f'{first} or label_replace({second},"part","1","","") or label_replace({third},"part","2","","")'
    )
    assert octets.labels[0] == "part"
    assert requests.query == requests.parts[0].query


def test_a_shard_of_sources() -> None:
    """All of it is of sources in these namespaces alone; destinations may be anywhere."""
    shard = Shard(frozenset({"shop", "emojivoto"}))

    parts = [part.query for question in Linkerd().questions(SOME, STEPS, shard) for part in question.parts]

    assert all(',namespace=~"emojivoto|shop",namespace!~"kube-public|kube-system"' in part for part in parts)
    assert "dst_namespace=" not in "".join(parts)


def test_the_load() -> None:
    """Four rates read about four times the samples of requests, in the namespaces of the sources."""
    load = Linkerd().load(SOME)

    counts = f'count_over_time(request_total{{direction="outbound",{BOTH}}}[5m])'
    assert load.query == f"4 * sum by (namespace)({counts})"
    assert load.labels == ("namespace",)


def joined(
    *series: Mapping[str, str] | list[Mapping[str, str]], scope: Scope = EVERYTHING
) -> ConnectionSamples:
    """The join of answers in the order of the questions: each a series (or several) with the sample 2."""
    answers: list[Matrix] = []
    for question in Linkerd().questions(scope, STEPS, Shard()):
        rows = []
        time = FIRST if question.steps == STEPS else question.steps.last * 300
        for part in range(len(question.parts)):
            given = series[len(answers) + part] if len(answers) + part < len(series) else []
            of_part = [given] if isinstance(given, Mapping) else given
            rows += [row({**labels, "part": str(part)}, [(time, "2")]) for labels in of_part]
        reader = AnswerReader(question.labels, question.steps, question.optional)
        reader.feed(encoded(matrix(*rows)))
        answers += question.read(reader.finish())
    return Linkerd().join(answers, scope, STEPS)


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
def test_every_kind_at_both_ends(label: str, kind: str) -> None:
    """The label of a kind at the source, and with `dst_` at the destination, in another namespace."""
    source = {"namespace": "shop", "replicas": "cart", label: "cart"}

    samples = joined(source | {"dst_namespace": "storage", f"dst_{label}": "db"})

    (edge,) = samples.edges
    assert edge == Connection(Workload("shop", "cart", kind), Workload("storage", "db", kind))


def test_what_kinds_kubernetes_has() -> None:
    """The kinds are spelled as ownerReferences spell them."""
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
    """The label whose value the Pod's name begins with is the workload's, and of two such the longer.

    A label that stands alone is believed: only the Pod can tell better.
    """
    samples = joined({"namespace": "shop", "replicas": replicas, **labels} | TO_VOTING)

    assert samples.edges[0].source == Workload("shop", name, kind)


def test_the_pods_behind_a_source() -> None:
    """The Pods that share name and labels belong to the edge; those of another ReplicaSet do not."""
    pods = [EDGE | {"pod": f"web-6b6f9d7d5c-{tail}"} for tail in ("2x8qz", "vhm4j")]
    other = {**EDGE, "replicas": "web-5f86686c4d", "pod": "web-5f86686c4d-8wrkx"}

    samples = joined(EDGE | TO_VOTING, [], [], [], EDGE, [*pods, other])

    assert samples.edge_pods == samples.source_pods == (("web-6b6f9d7d5c-2x8qz", "web-6b6f9d7d5c-vhm4j"),)


def test_unknown_ends_are_left_out_and_counted() -> None:
    """A Service without a workload, and a destination outside the cluster: two; the third edge is known."""
    service = EDGE | {"dst_namespace": "emojivoto"}

    samples = joined([EDGE, service, EDGE | TO_VOTING])

    assert len(samples.edges) == 1
    assert samples.unknown_ends == 2


def test_a_source_without_labels_has_its_pods() -> None:
    """Nothing tells the kind of a Rollout's Pods: the source has no name, and the Pods that do tell it."""
    source = {"namespace": "shop", "replicas": "cart-6b6f9d7d5c"}

    samples = joined(source | TO_VOTING, [], [], [], [], [source | {"pod": "cart-6b6f9d7d5c-2x8qz"}])

    assert samples.edges[0].source == Workload("shop", "", "")
    assert samples.edge_pods == (("cart-6b6f9d7d5c-2x8qz",),)
