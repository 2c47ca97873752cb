"""The result of an examination: features, findings by their weight, and a row per metric."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.diagnosis.answer_findings import unanswered_findings, unreached
from app.diagnosis.catalogue import CATALOGUE, Exporter, Metric
from app.diagnosis.distributions import Distribution, distribution
from app.diagnosis.features import Feature, features
from app.diagnosis.finding import MetricFinding, Severity
from app.diagnosis.mesh_findings import mesh_findings
from app.diagnosis.object_findings import object_findings
from app.diagnosis.observations import Observations
from app.diagnosis.provider_findings import provider_features, provider_findings
from app.diagnosis.questions import Kind
from app.diagnosis.usage_findings import ENDED, UNKNOWN_CLUSTER, blocking_faults, usage_notes
from app.sources.cluster_labels import cluster_labels

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
    kinds = (Kind.SERIES, Kind.RENAMED)
    jobs = {job for name in CATALOGUE for kind in kinds for job in seen.by_job(kind, name) if job}
    namespaces = frozenset().union(*seen.clusters(Exporter.KUBELET).values())
    kept = distribution(url, jobs, namespaces, _cluster_labels(seen))
    if error := seen.fault_of_server(Exporter.KUBELET):
        return Diagnosis(url, seen, retention_seconds, kept, (), (unreached(error),))
    found = sorted(_findings(seen, kept, retention_seconds), key=lambda one: _ORDER.index(one.severity))
    return Diagnosis(
        url,
        seen,
        retention_seconds,
        kept,
        (*features(seen), *provider_features(seen)),
        tuple(dict.fromkeys(found)),
    )


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
    if any(finding.reason == ENDED for finding in blocking) and not any(
        map(seen.newest_seconds, seen.target.exporters)
    ):
        return  # nor here: it is not that some are missing
    yield from unanswered_findings(seen)
    yield from usage_notes(seen, retention_seconds)
    yield from object_findings(seen, kept)
    yield from mesh_findings(seen)
    yield from provider_findings(seen)


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
