"""The advised lines are valid for the programs that read them; facts on charts are of November 2026."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.diagnosis.candidates import CANDIDATES
from app.diagnosis.catalogue import CATALOGUE, CONTAINERS, MESHES, OBJECTS, Exporter
from app.diagnosis.distributions import ALL, Distribution
from app.diagnosis.finding import MetricFinding
from app.diagnosis.questions import Counts, Fact, Kind
from app.diagnosis.remedy import Program, Remedy
from app.diagnosis.target import CONNECTIONS
from app.domain.profiles import Resource
from app.sources.cluster_labels import CLUSTER_LABELS
from app.sources.connections import istio, linkerd
from app.sources.owners import JOB_OWNER, POD_OWNER
from app.sources.pressure import OOM_EVENTS, REASON
from app.sources.queries import CPU_USAGE, MEMORY_USAGE, Scope
from tests.diagnosis.observed import KUBELET, NOW, diagnosis_of, namespaces
from tests.parts.locate import Part, require

CHART = Path(__file__).parents[2] / "charts" / "job-profiler"

# Values that the charts have: kube-prometheus-stack 88.5.3, k8s-monitoring 4.4.0, victoria-metrics-k8s-stack
# 0.91.
VALUES = {
    Program.KUBE_PROMETHEUS_STACK: {
        "kubeStateMetrics.enabled",
        "kube-state-metrics.prometheus.monitor.http.honorLabels",
    },
    Program.K8S_MONITORING: {
        "clusterMetrics.enabled",
        "clusterMetrics.cadvisor.metricsTuning.includeMetrics",
        "clusterMetrics.kube-state-metrics.metricsTuning.includeMetrics",
        "telemetryServices.kube-state-metrics.deploy",
    },
    Program.VICTORIA_METRICS: {"kube-state-metrics.enabled"},
    Program.CLUSTER_MONITORING: {"prometheusK8s.collectionProfile"},
}


def of_distribution(one: Distribution) -> Iterator[Remedy]:
    """All remedies of a distribution."""
    yield from (one.kube_state_metrics, one.honor_labels)
    yield one.keep(CATALOGUE[OOM_EVENTS], CATALOGUE[CPU_USAGE])
    yield one.keep(CATALOGUE[JOB_OWNER], CATALOGUE[REASON])


def findings() -> Iterator[MetricFinding]:
    """A finding of each kind, from single facts."""
    nothing: dict[Fact, Counts] = {Fact(Kind.SERIES, metric.name): {} for metric in CONTAINERS}
    nothing |= {Fact(Kind.SAMPLED, resource.value): {} for resource in Resource}
    any_series: dict[Fact, Counts] = {
        Fact(Kind.ANY, name): {("a'b\"c",): 9} for name in (CPU_USAGE, MEMORY_USAGE)
    }
    objects: dict[Fact, Counts] = {Fact(Kind.SERIES, metric.name): {} for metric in OBJECTS}
    mesh: dict[Fact, Counts] = {
        Fact(Kind.SERIES, name): {("mesh",): 5}
        for name in (linkerd.REQUESTS, istio.REQUESTS, istio.TCP_SENT_BYTES)
    }
    for exporter in MESHES:
        mesh |= {Fact(kind, exporter): {("mesh",): 2} for kind in (Kind.TARGETS, Kind.WITHOUT_START)}
    for name in (linkerd.REQUESTS, istio.REQUESTS):
        mesh[Fact(Kind.NAMELESS, name)] = {("mesh",): 5}
    programs: dict[Fact, Counts] = {
        Fact(Kind.PRESENT, CONNECTIONS): {(candidate.signs[0],): 1 for candidate in CANDIDATES}
    }
    rare: Counts = {KUBELET: 4}
    scenes: list[tuple[dict[Fact, Counts], Scope | None]] = [
        (nothing, None),
        (nothing | any_series, None),
        (nothing | any_series, Scope(cadvisor_matchers=('job="x"',))),
        (nothing | any_series | namespaces(Exporter.KUBELET, {}), None),
        (nothing | {Fact(Kind.RENAMED, CPU_USAGE): {KUBELET: 3}}, None),
        (nothing | namespaces(Exporter.KUBELET, {"shop": {"cluster": "it's"}}), Scope(cluster="x")),
        (objects, None),
        (objects | {Fact(Kind.RENAMED, POD_OWNER): {KUBELET: 3}}, None),
        (objects | {Fact(Kind.ANY, POD_OWNER): {KUBELET: 3}}, None),
        ({Fact(Kind.AMBIGUOUS, POD_OWNER): {(): 3}}, None),
        ({Fact(Kind.SERIES, MEMORY_USAGE): {("a",): 4, ("b'\"",): 9}}, None),
        (
            {Fact(Kind.INTERVAL, CPU_USAGE): rare, Fact(Kind.NEWEST, MEMORY_USAGE): {KUBELET: NOW - 1200}},
            None,
        ),
        (mesh, None),
        (programs, None),
        (mesh | {Fact(Kind.REPORTERS, istio.REQUESTS): {("source",): 3}}, None),
    ]
    for label in CLUSTER_LABELS:
        google = dict.fromkeys(("cluster", "location", "project_id"), "x")
        two = {"a": google | {label: "it's"}, "b": google | {label: "b"}}
        scenes.append((namespaces(Exporter.KUBELET, two), None))
    for facts, scope in scenes:
        yield from diagnosis_of(facts, scope).findings


REMEDIES = {
    *(finding.remedy for finding in findings()),
    *(remedy for one in ALL for remedy in of_distribution(one)),
}


def of_program(*programs: Program) -> list[Remedy]:
    """The remedies with lines for one of *programs*, in a fixed order."""
    return sorted(remedy for remedy in REMEDIES if remedy.program in programs)


def paths(values: Any, *above: str) -> Iterator[str]:
    """The paths of all values, such as `prometheus.url`."""
    if not isinstance(values, dict):
        yield ".".join(above)
        return
    for name, value in values.items():
        yield from paths(value, *above, name)


def test_every_program_has_lines() -> None:
    """And only remedies for a program have any."""
    assert {remedy.program for remedy in REMEDIES} - {None} == {*Program} - {Program.PROMETHEUS_FLAG}
    assert all(bool(remedy.lines) == (remedy.program is not None) for remedy in REMEDIES)


@pytest.mark.parametrize("remedy", of_program(Program.CHART), ids=lambda remedy: remedy.lines[-1])
def test_values_of_this_chart(remedy: Remedy) -> None:
    """The values exist, and the chart's schema accepts them beside its own."""
    advised = yaml.safe_load("\n".join(remedy.lines))
    own = yaml.safe_load((CHART / "values.yaml").read_text())

    assert {*paths(advised)} <= {*paths(own)}
    for section, values in advised.items():
        own[section] |= values
    own["image"]["repository"] = "registry.example/job-profiler"
    jsonschema.validate(own, json.loads((CHART / "values.schema.json").read_text()))


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "remedy", of_program(Program.SCRAPE_JOB, Program.SCRAPE_JOBS), ids=lambda remedy: remedy.lines[0]
)
def test_lines_of_scrape_jobs(remedy: Remedy, tmp_path: Path) -> None:
    """Promtool accepts a configuration with them."""
    job = yaml.safe_load("\n".join(remedy.lines))
    jobs = job if remedy.program is Program.SCRAPE_JOBS else [{"job_name": "pods", **job}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))

    check = ("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))
    outcome = subprocess.run([require(Part.PROMTOOL), *check], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("remedy", of_program(*VALUES), ids=lambda remedy: remedy.lines[0])
def test_values_of_other_charts(remedy: Remedy) -> None:
    """They are YAML, and those charts have them."""
    assert remedy.program
    assert {*paths(yaml.safe_load("\n".join(remedy.lines)))} <= VALUES[remedy.program]


def test_a_manifest() -> None:
    """Google's collectors read the metrics from the kubelets' cAdvisor, and keep no others."""
    [remedy] = of_program(Program.KUBECTL)

    manifest = yaml.safe_load("\n".join(remedy.lines))

    assert manifest["kind"] == "ClusterNodeMonitoring"
    [endpoint] = manifest["spec"]["endpoints"]
    [rule] = endpoint["metricRelabeling"]
    assert re.fullmatch(rule["regex"], OOM_EVENTS)
    assert re.fullmatch(rule["regex"], CPU_USAGE)


@pytest.mark.parametrize("remedy", of_program(Program.AKS_KEEP_LIST), ids=lambda remedy: remedy.lines[0])
def test_keep_lists_of_aks(remedy: Remedy) -> None:
    """A target, and one regular expression with all metrics: a second line would replace the first."""
    [line] = remedy.lines

    matched = re.fullmatch(r'(cadvisor|kubestate) = "([\w|]+)"', line)

    assert matched
    assert matched[2].count("|") == 1


@pytest.mark.parametrize("remedy", sorted(REMEDIES), ids=lambda remedy: remedy.text[:40])
def test_sentences(remedy: Remedy) -> None:
    """No placeholder is left in them, and no line break."""
    assert not re.search(r"[<>\n]", remedy.text)
    assert not any(re.search(r"[<>\n]", line) for line in remedy.lines)
