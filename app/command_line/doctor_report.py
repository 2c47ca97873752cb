"""The diagnosis of a Prometheus as text and JSON: what works, what is missing, what to do, details."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from app.diagnosis.catalogue import MESHES, OBJECTS, USAGE, Exporter
from app.diagnosis.diagnosis import Diagnosis, MetricRow, metric_rows
from app.diagnosis.finding import MetricFinding, Severity, listed
from app.domain.profiles import Resource

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
_NOTHING = "-"


def show(out: Console, diagnosis: Diagnosis) -> None:
    """Prints the diagnosis."""
    for line in _head(diagnosis):
        out.print(line, soft_wrap=True)
    if diagnosis.features:
        out.print()
        out.print(_features(diagnosis))
    _show_findings(out, diagnosis)
    if diagnosis.features:
        out.print()
        out.print(_metrics(diagnosis))


def _head(diagnosis: Diagnosis) -> Iterator[str]:
    seen, kept = diagnosis.seen, diagnosis.distribution
    yield f"Prometheus: {diagnosis.url}{f' (looks like {kept.name})' if kept.name else ''}"
    if not diagnosis.features:
        return
    retention = diagnosis.retention_seconds
    yield f"Keeps samples for: {_duration(retention) if retention else 'unknown'}"
    if not seen.is_unknown(USAGE[Resource.MEMORY]):
        yield f"Namespaces in scope: {len(seen.namespaces())}"
        yield f"Clusters: {_clusters(seen.clusters(Exporter.KUBELET), seen.target.scope.cluster_label)}"
    if not any(map(seen.is_unknown, OBJECTS)):
        yield f"kube-state-metrics: {_labels_of_objects(seen.honors_labels())}"


def _clusters(namespaces: Mapping[str, frozenset[str]], label: str) -> str:
    counts = [f"{label}={name!r} ({len(of)} namespaces)" for name, of in sorted(namespaces.items()) if name]
    return listed(counts) or f"no label {label}"


def _labels_of_objects(honors_labels: bool | None) -> str:  # noqa: FBT001 - it is a fact, not a switch
    if honors_labels is None:
        return "not there"
    return "honorLabels: true" if honors_labels else "honorLabels: false (labels are exported_*)"


def _features(diagnosis: Diagnosis) -> Table:
    table = Table("FEATURE", "WORKS", "DETAIL", box=None, pad_edge=False)
    for feature in diagnosis.features:
        table.add_row(feature.name, feature.state, feature.basis)
    return table


def _show_findings(out: Console, diagnosis: Diagnosis) -> None:
    """What is missing, then what to do: the numbers join both."""
    numbered = list(enumerate(diagnosis.findings, 1))
    out.print()
    if not numbered:
        out.print("Nothing is missing.")
        return
    out.print("Missing or worth knowing:")
    for number, finding in numbered:
        out.print(f"  {number}. {_severity(finding)}{finding.message}", soft_wrap=True)
        out.print(f"     Costs: {finding.costs}.", soft_wrap=True)
    out.print()
    out.print("To do:")
    for number, finding in numbered:
        out.print(f"  {number}. {finding.remedy}", soft_wrap=True)
        out.print(f"     See {finding.page}", soft_wrap=True)


def _severity(finding: MetricFinding) -> str:
    return {Severity.BLOCKING: "No profiles: ", Severity.GAP: "", Severity.NOTE: "Note: "}[finding.severity]


def _metrics(diagnosis: Diagnosis) -> Table:
    table = Table(
        *("METRIC", "SERIES", "SINCE", "INTERVAL", "LAG", "TWICE", "JOBS"), box=None, pad_edge=False
    )
    rows = list(metric_rows(diagnosis.seen))
    present = {row.metric.exporter for row in rows if row.series != 0}
    for row in rows:
        if row.metric.exporter in present or row.metric.exporter not in MESHES:
            table.add_row(row.metric.name, *_cells(row))
    return table


def _cells(row: MetricRow) -> Iterable[str]:
    if not row.series:
        return ("unknown" if row.series is None else "none",)
    since, share = row.since_seconds, row.duplicated_share
    return (
        f"{row.series:.0f}{' (renamed)' if row.is_renamed else ''}",
        "unknown" if since is None else f"{_duration(since)} or more" if since else "less than 6 h",
        _NOTHING if row.interval_seconds is None else f"{row.interval_seconds:.0f} s",
        _NOTHING if row.lag_seconds is None else _duration(row.lag_seconds),
        _NOTHING if share is None else f"{share:.0%}",
        listed(row.jobs) or _NOTHING,
    )


def _duration(seconds: float) -> str:
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The same as JSON values; null is unknown."""
    seen = diagnosis.seen
    clusters = {name: len(namespaces) for name, namespaces in seen.clusters(Exporter.KUBELET).items()}
    return {
        "prometheus": diagnosis.url,
        "distribution": diagnosis.distribution.name,
        "healthy": diagnosis.is_healthy,
        "retentionSeconds": diagnosis.retention_seconds,
        "namespaces": len(seen.namespaces()),
        "clusterLabel": seen.target.scope.cluster_label,
        "clusters": clusters,
        "honorLabels": seen.honors_labels(),
        "features": [
            {"name": one.name, "state": one.state, "basis": one.basis} for one in diagnosis.features
        ],
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "metrics": [_metric(row) for row in metric_rows(seen)] if diagnosis.features else [],
    }


def _finding(finding: MetricFinding) -> dict[str, str]:
    return {
        "severity": finding.severity,
        "reason": finding.reason,
        "message": finding.message,
        "costs": finding.costs,
        "remedy": finding.remedy,
        "page": finding.page,
    }


def _metric(row: MetricRow) -> dict[str, Any]:
    return {
        "name": row.metric.name,
        "exporter": row.metric.exporter,
        "series": row.series,
        "renamed": row.is_renamed,
        "sinceSecondsAtLeast": row.since_seconds,
        "scrapeIntervalSeconds": row.interval_seconds,
        "lagSeconds": row.lag_seconds,
        "duplicatedShare": row.duplicated_share,
        "jobs": list(row.jobs),
    }
