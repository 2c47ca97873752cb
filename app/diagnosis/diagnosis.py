"""The result of an examination: features, findings by their weight, and a row per metric."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.diagnosis.catalogue import CATALOGUE, USAGE, Exporter, Metric
from app.diagnosis.cluster_labels import cluster_labels
from app.diagnosis.distributions import Distribution, distribution
from app.diagnosis.features import Feature, features
from app.diagnosis.finding import MetricFinding, Section, Severity, listed
from app.diagnosis.mesh_findings import mesh_findings
from app.diagnosis.object_findings import object_findings
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Fact, Kind
from app.diagnosis.remedy import Remedy
from app.diagnosis.usage_findings import UNKNOWN_CLUSTER, blocking_faults, usage_notes
from app.domain.profiles import Resource

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a Prometheus gives, what it lacks, and what to do."""

    url: str
    seen: Observations
    retention_seconds: float | None
    distribution: Distribution
    features: tuple[Feature, ...]
    findings: tuple[MetricFinding, ...]

    @property
    def is_healthy(self) -> bool:
        """True if CPU and memory can be profiled."""
        return all(finding.severity is not Severity.BLOCKING for finding in self.findings)


def diagnose(url: str, seen: Observations, retention_seconds: float | None) -> Diagnosis:
    """Reads *seen* of the server at *url*, which keeps samples for *retention_seconds* if that is known."""
    jobs = {job for metric in CATALOGUE.values() for job in seen.by_job(Kind.SERIES, metric.name) if job}
    namespaces = frozenset().union(*seen.clusters(Exporter.KUBELET).values())
    kept = distribution(url, jobs, namespaces, _cluster_labels(seen))
    if error := seen.fault_of_server(Exporter.KUBELET):
        unreached = MetricFinding(
            Severity.BLOCKING,
            error.reason,
            str(error),
            "no profiles at all",
            *_access(str(error)),
        )
        return Diagnosis(url, seen, retention_seconds, kept, (), (unreached,))
    found = sorted(_findings(seen, kept, retention_seconds), key=lambda one: _ORDER.index(one.severity))
    return Diagnosis(url, seen, retention_seconds, kept, tuple(features(seen)), tuple(dict.fromkeys(found)))


def _access(error: str) -> tuple[Remedy, Section]:
    """What to look at when the first query has failed with *error*."""
    if re.match("Prometheus answered 40[13]", error):
        remedy = Remedy(
            "look at the credentials: PROMETHEUS_USERNAME with PROMETHEUS_PASSWORD_FILE,"
            " PROMETHEUS_BEARER_TOKEN_FILE, or PROMETHEUS_SIGV4_REGION (prometheus.auth in the chart)"
        )
        return remedy, Section.CREDENTIALS
    if re.match("Prometheus answered 404", error):
        remedy = Remedy(
            "look at the path of PROMETHEUS_URL: Mimir and Cortex have /prometheus, Grafana Cloud /api/prom,"
            " VictoriaMetrics' cluster /select/0/prometheus"
        )
    else:
        remedy = Remedy("look at PROMETHEUS_URL, its port and path, and at the network policies between")
    return remedy, Section.ADDRESSES


def _cluster_labels(seen: Observations) -> list[str]:
    """The labels of clusters that containers' series have."""
    labels = cluster_labels(seen.target.scope)
    return [label for label in labels if any(seen.clusters(Exporter.KUBELET, label))]


def _findings(
    seen: Observations, kept: Distribution, retention_seconds: float | None
) -> Iterator[MetricFinding]:
    blocking = tuple(blocking_faults(seen, kept))
    yield from blocking
    if any(finding.reason == UNKNOWN_CLUSTER for finding in blocking):
        return  # nothing else is seen either
    yield from _unanswered(seen)
    yield from usage_notes(seen, retention_seconds)
    yield from object_findings(seen, kept)
    yield from mesh_findings(seen)


def _unanswered(seen: Observations) -> Iterator[MetricFinding]:
    """One finding per error of a server; without an answer on CPU or memory it is not known if they work."""
    needed = {Fact(Kind.SERIES, metric.name) for metric in USAGE.values()}
    needed |= {Fact(Kind.SAMPLED, resource.value) for resource in Resource if seen.sampled(resource) is None}
    facts: dict[str, list[Fact]] = {}
    for fact, error in seen.errors.items():
        facts.setdefault(str(error), []).append(fact)
    for message, unanswered in facts.items():
        metrics = {fact.subject.partition("@")[0] for fact in unanswered}
        ages_only = all(fact.kind is Kind.SINCE for fact in unanswered)
        yield MetricFinding(
            Severity.NOTE if needed.isdisjoint(unanswered) else Severity.BLOCKING,
            "Unanswered",
            f"not all queries were answered: {message}",
            f"it is not known {'since when' if ages_only else 'whether or how'} there is {listed(metrics)}",
            Remedy(
                "look at the server's load and limits, and at PROMETHEUS_TIMEOUT and PROMETHEUS_CONCURRENCY"
            ),
            Section.HOW_MUCH_AT_ONCE,
        )


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One line of the table of metrics; None is unknown."""

    metric: Metric
    series: float | None
    is_renamed: bool
    since_seconds: float | None
    interval_seconds: float | None
    lag_seconds: float | None
    duplicated_share: float | None
    jobs: tuple[str, ...]


def metric_rows(seen: Observations) -> Iterator[MetricRow]:
    """A row for each metric that the profiler reads; an interval and a lag are those of its exporter."""
    for metric in CATALOGUE.values():
        if metric.exporter not in seen.target.exporters:
            continue
        kinds = [kind for kind in (Kind.SERIES, Kind.RENAMED) if seen.of(kind, metric.name)]
        kind = kinds[0] if kinds else Kind.SERIES
        count = 0 if not kinds and not seen.is_unknown(metric) else seen.number(kind, metric.name)
        exporter = metric.exporter
        yield MetricRow(
            metric,
            count,
            kind is Kind.RENAMED,
            seen.since_seconds(metric) if kinds else None,
            seen.interval_seconds(exporter) if kinds else None,
            seen.lag_seconds(exporter) if kinds else None,
            seen.duplicated_share(exporter) if kinds else None,
            tuple(sorted(filter(None, seen.by_job(kind, metric.name)))),
        )
