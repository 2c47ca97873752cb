"""Series of several clusters in one server, by every label that names a cluster in the field."""

from collections.abc import Mapping

import pytest
import yaml

from app.diagnosis.catalogue import Exporter
from app.diagnosis.diagnosis import Diagnosis
from app.diagnosis.finding import MetricFinding, Severity
from app.diagnosis.questions import Counts, Fact, Kind
from app.sources.connections import linkerd
from app.sources.queries import Scope
from tests.diagnosis.observed import diagnosis_of, namespaces

Labels = Mapping[str, str]
GOOGLE = {"project_id": "shop", "location": "europe-west1", "cluster": "prod"}
ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/"


def spread(*clusters: tuple[int, Labels]) -> dict[str, Labels]:
    """So many namespaces with the labels of each cluster."""
    return {
        f"of-{number}-{place}": labels
        for number, (count, labels) in enumerate(clusters)
        for place in range(count)
    }


def of_containers(*clusters: tuple[int, Labels]) -> list[MetricFinding]:
    """The findings but that on meshes."""
    diagnosis = diagnosis_of(namespaces(Exporter.KUBELET, spread(*clusters)))
    return [finding for finding in diagnosis.findings if finding.reason != "NoMesh"]


@pytest.mark.parametrize(
    ("clusters", "message", "line"),
    [
        (
            ((30, {"cluster": "east"}), (30, {"cluster": "west"})),
            "cluster: east (30 namespaces), west (30 namespaces)",
            {"cluster": "west"},
        ),
        (
            ((20, {}), (30, {"cluster": "west"})),
            "cluster: west (30 namespaces), absent (20 namespaces)",
            {"cluster": "west"},
        ),
        *(
            (
                ((20, {label: "a: b"}), (10, {label: "it's"})),
                f"{label}: a: b (20 namespaces), it's (10 namespaces)",
                {"cluster": "a: b", "clusterLabel": label},
            )
            for label in ("k8s_cluster", "k8s_cluster_name", "cluster_name", "cluster_id")
        ),
        (
            ((2, {"clusterArn": f"{ARN}a"}), (3, {"clusterArn": f"{ARN}b"})),
            f"clusterArn: {ARN}b (3 namespaces), {ARN}a (2 namespaces)",
            {"cluster": f"{ARN}b", "clusterLabel": "clusterArn"},
        ),
        (
            ((2, GOOGLE), (3, {**GOOGLE, "location": "us-east1"})),
            "location: us-east1 (3 namespaces), europe-west1 (2 namespaces)",
            {"cluster": "us-east1", "clusterLabel": "location"},
        ),
        (
            ((2, GOOGLE), (3, {**GOOGLE, "project_id": "other"})),
            "project_id: other (3 namespaces), shop (2 namespaces)",
            {"cluster": "other", "clusterLabel": "project_id"},
        ),
    ],
)
def test_two_large_clusters(clusters: tuple[tuple[int, Labels], ...], message: str, line: Labels) -> None:
    """The profiler may recognize its own; the chart's values for the larger cluster are written out."""
    [finding] = of_containers(*clusters)

    assert (finding.reason, finding.severity) == ("SeveralClusters", Severity.GAP)
    assert "unknown here" in finding.costs
    assert finding.message == f"kubelet has series of several clusters: {message}"
    assert yaml.safe_load("\n".join(finding.remedy.lines)) == {"prometheus": line}


@pytest.mark.parametrize("small", [{"cluster": "edge"}, {}], ids=["labelled", "without the label"])
def test_a_small_cluster_beside_a_large_one(small: Labels) -> None:
    """5 of 35 namespaces: this cluster may be the small one, which has a name too if it has no label."""
    [finding] = of_containers((30, {"cluster": "prod"}), (5, small))

    assert (finding.reason, finding.severity) == ("SeveralClusters", Severity.GAP)
    assert f"{small.get('cluster', 'absent')} (5 namespaces)" in finding.message
    assert 'or "" for series without the label' in finding.remedy.text


def test_the_largest_cluster_has_no_label() -> None:
    """The setting for its series is a pair of quotes."""
    [finding] = of_containers((5, {"cluster": "edge"}), (30, {}))

    line = yaml.safe_load("\n".join(finding.remedy.lines))
    assert line == {"prometheus": {"cluster": '""'}}


@pytest.mark.parametrize(
    "labels",
    [GOOGLE, {"cluster": "prod", "k8s_cluster_name": "prod"}, {}],
    ids=["google", "two labels", "no label"],
)
def test_one_cluster(labels: Labels) -> None:
    """Labels that have one value separate no clusters."""
    assert not of_containers((30, labels))


def test_labels_of_places_that_are_none_of_google() -> None:
    """`location` may be a label of nodes: it counts beside a project and a cluster only."""
    assert not of_containers((2, {"location": "rack-1"}), (3, {"location": "rack-2"}))


def with_linkerd(labels: Mapping[str, Labels]) -> Diagnosis:
    """Linkerd's series are of namespaces with *labels*."""
    facts: dict[Fact, Counts] = {
        Fact(Kind.SERIES, name): {("linkerd-proxy",): 5}
        for name in (linkerd.REQUESTS, linkerd.RESPONSES, linkerd.WRITTEN_BYTES)
    }
    return diagnosis_of(facts | namespaces(Exporter.LINKERD, labels))


def test_a_label_that_linkerd_copies_from_pods() -> None:
    """In each namespace one Pod has a label `cluster` of its own, which is of a database."""
    facts = with_linkerd({"shop": {"cluster": "pg-1"}, "cart": {"cluster": "pg-2"}})
    without = namespaces(Exporter.LINKERD, {"shop": {}, "cart": {}})
    fact = Fact(Kind.NAMESPACES, Exporter.LINKERD)
    both = {fact: {**facts.seen.counts[fact], **without[fact]}}

    assert [finding.reason for finding in facts.findings] == ["SeveralClusters"]
    assert not diagnosis_of({**facts.seen.counts, **both}).findings


def test_the_local_cluster_of_a_mesh_has_no_label() -> None:
    """Linkerd's series of other namespaces are of another cluster, which has a label."""
    diagnosis = with_linkerd({"shop": {}, "cart": {"cluster": "west"}})

    assert [finding.reason for finding in diagnosis.findings] == ["SeveralClusters"]


def test_a_name_that_is_the_value_of_another_label() -> None:
    """PROMETHEUS_CLUSTER is right, and PROMETHEUS_CLUSTER_LABEL has to be set."""
    facts: dict[Fact, Counts] = namespaces(Exporter.KUBELET, {"shop": {"k8s_cluster": "east"}})
    for name in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"):
        facts[Fact(Kind.SERIES, name)] = {}

    [finding] = diagnosis_of(facts, Scope(cluster="east")).findings

    assert finding.reason == "UnknownCluster"
    assert finding.message.endswith("has cluster=east; there is k8s_cluster: east")
    assert finding.remedy.lines == ("prometheus: {cluster: 'east', clusterLabel: k8s_cluster}",)
