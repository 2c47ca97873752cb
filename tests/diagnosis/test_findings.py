"""Findings from single facts; `test_real_doctor.py` has whole histories."""

import pytest

from app.diagnosis.catalogue import CATALOGUE, CONTAINERS, OBJECTS, USAGE, Exporter
from app.diagnosis.finding import Severity, listed
from app.diagnosis.questions import Counts, Fact, Kind
from app.domain.profiles import Resource
from app.sources.connections import istio, linkerd
from app.sources.owners import JOB_OWNER, POD_OWNER
from app.sources.pressure import LAST_REASON, RESTARTS
from app.sources.queries import CONTAINER_REQUESTS, CPU_USAGE, MEMORY_USAGE, Scope
from tests.diagnosis.observed import KUBELET, NOW, diagnosis_of, namespaces

NO_SERIES: dict[Fact, Counts] = {Fact(Kind.SERIES, metric.name): {} for metric in CONTAINERS}
NO_SERIES |= {Fact(Kind.SAMPLED, resource.value): {} for resource in Resource}


def reasons(changes: dict[Fact, Counts], scope: Scope | None = None) -> list[str]:
    """The reasons of all findings but the lack of a mesh."""
    found = [finding.reason for finding in diagnosis_of(changes, scope).findings]
    return [reason for reason in found if reason != "NoMesh"]


def test_a_healthy_server_has_no_findings() -> None:
    """But for the mesh, which it does not have."""
    diagnosis = diagnosis_of({})

    assert [finding.reason for finding in diagnosis.findings] == ["NoMesh"]
    assert diagnosis.is_healthy


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        (60, 10),
        (61, 10),
        (40, 15),
        (41, 15),
        (20, 30),
        (21, 30),
        (10, 60),
        (11, 60),
        (5, 120),
        (2, 300),
        (1, 600),
    ],
)
def test_the_interval_of_scrapes(samples: int, seconds: int) -> None:
    """In ten minutes a scrape every 30 seconds gives 20 samples, or 21 with one at each end."""
    facts: dict[Fact, Counts] = {
        Fact(Kind.INTERVAL, usage.name): {KUBELET: samples} for usage in USAGE.values()
    }

    assert diagnosis_of(facts).seen.interval_seconds(Exporter.KUBELET) == seconds


def test_the_slower_of_two_jobs_counts() -> None:
    """One job scrapes every 15 seconds, the other every 3 minutes: a missed scrape of that empties a step."""
    facts: dict[Fact, Counts] = {Fact(Kind.INTERVAL, CPU_USAGE): {("a",): 40, ("b",): 4}}

    assert reasons(facts) == ["ScrapedRarely"]


@pytest.mark.parametrize("samples", [8, 9, 10, 11])
def test_a_minute_is_not_too_long(samples: int) -> None:
    """Also if the server was restarted, so that two of ten scrapes were missed."""
    assert reasons({Fact(Kind.INTERVAL, CPU_USAGE): {KUBELET: samples}}) == []


def test_one_late_job_is_named() -> None:
    """Of two jobs one is 15 minutes behind; the other one's samples don't hide that."""
    newest: Counts = {("kubelet",): NOW - 20, ("edge",): NOW - 900}
    [late, *_] = diagnosis_of({Fact(Kind.NEWEST, MEMORY_USAGE): newest}).findings

    assert (late.reason, late.message) == (
        "LateSamples",
        "the newest samples are old: kubelet (job edge): 15 minutes",
    )


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({Fact(Kind.ANY, CPU_USAGE): {KUBELET: 9}, Fact(Kind.ANY, MEMORY_USAGE): {KUBELET: 9}}, "OutOfScope"),
        (
            {
                Fact(Kind.ANY, CPU_USAGE): {KUBELET: 9},
                Fact(Kind.ANY, MEMORY_USAGE): {KUBELET: 9},
                Fact(Kind.NAMESPACES, Exporter.KUBELET): {},
            },
            "NoContainerLabels",
        ),
    ],
)
def test_why_there_is_no_series(facts: dict[Fact, Counts], reason: str) -> None:
    """Series of other namespaces, and series without the labels of containers."""
    diagnosis = diagnosis_of(NO_SERIES | facts)

    assert diagnosis.findings[0].reason == reason
    assert diagnosis.findings[0].severity is Severity.BLOCKING
    assert not diagnosis.is_healthy


def test_a_new_prometheus_is_too_young() -> None:
    """There are series, and none has two samples yet."""
    assert reasons({Fact(Kind.SAMPLED, Resource.CPU.value): {}}) == ["TooYoung"]


def test_metrics_are_missed_only_where_something_shows_that_they_should_be_there() -> None:
    """Without a Job no owners of Jobs are missing, and without a restart no reason of one."""
    absent: dict[Fact, Counts] = {Fact(Kind.SERIES, name): {} for name in (JOB_OWNER, LAST_REASON)}
    jobs: dict[Fact, Counts] = {Fact(Kind.OWNED, POD_OWNER): {("Job",): 3}}
    restarts: dict[Fact, Counts] = {Fact(Kind.RESTARTED, RESTARTS): {(): 1}}

    assert reasons(absent) == []
    assert reasons(absent | jobs) == ["MetricDropped"]
    [both, _] = diagnosis_of(absent | jobs | restarts).findings
    assert both.message == f"missing among the metrics of kube-state-metrics: {JOB_OWNER}, {LAST_REASON}"


def test_another_exporter_beside_renamed_labels() -> None:
    """OpenCost exposes some of the same metrics with labels of its own: these count, and are named."""
    objects = [metric.name for metric in OBJECTS]
    facts: dict[Fact, Counts] = {Fact(Kind.RENAMED, name): {("kube-state-metrics",): 5} for name in objects}
    alone = facts | {Fact(Kind.SERIES, name): {} for name in objects}
    beside = alone | {Fact(Kind.SERIES, CONTAINER_REQUESTS): {("opencost",): 5}}

    [renamed, *_] = diagnosis_of(alone).findings
    assert (renamed.reason, renamed.severity) == ("LabelsRenamed", Severity.NOTE)
    [renamed, *_] = diagnosis_of(beside).findings
    assert renamed.severity is Severity.GAP
    assert renamed.costs == "where other jobs expose the same metrics, these count instead: opencost"


def test_two_clusters_of_a_mesh() -> None:
    """The mesh's series are of two clusters: connections are refused, CPU and memory are not."""
    of_clusters = namespaces(Exporter.LINKERD, {"shop": {"cluster": "east"}, "cart": {"cluster": "west"}})
    facts: dict[Fact, Counts] = {
        Fact(Kind.SERIES, name): {("linkerd-proxy",): 5}
        for name in (linkerd.REQUESTS, linkerd.RESPONSES, linkerd.WRITTEN_BYTES)
    }
    diagnosis = diagnosis_of(facts | of_clusters)

    assert [finding.reason for finding in diagnosis.findings] == ["SeveralClusters"]
    assert diagnosis.is_healthy


@pytest.mark.parametrize("name", [linkerd.REQUESTS, istio.REQUESTS])
def test_proxies_without_a_namespace(name: str) -> None:
    """Nothing says which proxy reports them, so their edges are left out."""
    exporter = CATALOGUE[name].exporter
    names = [metric.name for metric in CATALOGUE.values() if metric.exporter is exporter]
    facts: dict[Fact, Counts] = {Fact(Kind.SERIES, one): {("mesh",): 5} for one in names}
    facts[Fact(Kind.NAMELESS, name)] = {("mesh",): 5}
    facts[Fact(Kind.REPORTERS, istio.REQUESTS)] = {("source",): 5}

    assert reasons(facts) == ["NoReporter"]


def test_names_that_others_choose_are_limited() -> None:
    """Of seven jobs, five are named."""
    assert listed("gfedcba") == "a, b, c, d, e and 2 more"
