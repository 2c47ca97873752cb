"""The diagnosis of a Prometheus as text and JSON: what works, what is missing, what to do, details."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from rich.console import Console

from app.command_line.webhook_check import WebhookCheck
from app.diagnosis.catalogue import MESHES, OBJECTS, USAGE, Exporter
from app.diagnosis.cluster_findings import clusters_by_label
from app.diagnosis.diagnosis import Diagnosis, MetricRow, metric_rows
from app.diagnosis.finding import MetricFinding, Severity, counted, listed
from app.diagnosis.observations import Observations
from app.domain.profiles import Resource

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
_NOTHING = "-"


def show(out: Console, diagnosis: Diagnosis, webhook: WebhookCheck | None = None) -> None:
    """Prints the diagnosis. Sentences are wrapped between words; lines of configuration are not."""
    for line in _head(diagnosis):
        _print_wrapped(out, line)
    if diagnosis.features:
        features = ((one.name, one.state, one.basis) for one in diagnosis.features)
        _print_table(out, ("FEATURE", "WORKS", "DETAIL"), *features)
    _show_findings(out, diagnosis)
    if diagnosis.features:
        rows = list(_shown_rows(diagnosis))
        if any(row.series for row in rows):
            _print_table(out, ("EXPORTER", "INTERVAL", "LAG", "DUPLICATES", "JOBS"), *_exporters(rows))
        metrics = ((row.metric.name, *_cells(row)) for row in rows)
        _print_table(out, ("METRIC", "SERIES", "SINCE"), *metrics)
    if webhook:
        out.print()
        for line in _webhook_lines(webhook):
            _print_wrapped(out, line)


def _webhook_lines(webhook: WebhookCheck) -> Iterator[str]:
    """A line for each check of the webhook."""
    if webhook.skipped:
        yield f"Webhook: not checked: {webhook.skipped}"
        return
    answered = "" if webhook.seconds is None else f" (answered in {webhook.seconds:.3f} s)"
    yield f"Webhook: {'checks failed' if webhook.has_failed else f'works{answered}'}"
    for finding in webhook.findings:
        yield f"  {finding.reason or 'ok'}: {finding.message}"


def _print_wrapped(out: Console, text: str, *, beginning: str = "", indent: int = 2) -> None:
    """Prints *text* after *beginning*, and its other lines below its first, or after *indent* spaces."""
    lines = wrap(
        text,
        out.width,
        initial_indent=beginning,
        subsequent_indent=" " * (len(beginning) or indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        out.print(line, soft_wrap=True)


def _print_table(out: Console, *rows: tuple[str, ...]) -> None:
    """Prints *rows* after an empty line. No cell is cut: the last one of a row continues on the next line."""
    widths = [max(map(len, cells)) for cells in list(zip_longest(*rows, fillvalue=""))[:-1]]
    out.print()
    for row in rows:
        *first, last = (*row, *[""] * (len(widths) + 1 - len(row)))
        cells = (f"{cell:{width}}  " for cell, width in zip(first, widths, strict=True))
        _print_wrapped(out, f"{''.join(cells)}{last}", indent=4)


def _head(diagnosis: Diagnosis) -> Iterator[str]:
    seen, kept = diagnosis.seen, diagnosis.distribution
    yield f"Prometheus: {diagnosis.url}{f' (looks like {kept.name})' if kept.name else ''}"
    if not diagnosis.features:
        return
    retention = diagnosis.retention_seconds
    yield f"Keeps samples for: {_duration(retention) if retention else 'unknown'}"
    if not seen.is_unknown(USAGE[Resource.MEMORY]):
        yield f"Namespaces in scope: {len(seen.namespaces())}"
        yield f"Clusters: {'; '.join(_clusters(seen)) or 'no label names one'}"
    if not any(map(seen.is_unknown, OBJECTS)):
        yield f"kube-state-metrics: {_labels_of_objects(honors_labels=seen.honors_labels())}"


def _clusters(seen: Observations) -> Iterator[str]:
    """Each label that names a cluster, and its values."""
    for label, clusters in clusters_by_label(seen).items():
        counts = {name or "absent": count for name, count in clusters.items()}
        yield f"{label}: {counted(counts, 'namespace')}"


def _labels_of_objects(*, honors_labels: bool | None) -> str:
    if honors_labels is None:
        return "not there"
    return "honorLabels: true" if honors_labels else "honorLabels: false (labels are exported_*)"


def _show_findings(out: Console, diagnosis: Diagnosis) -> None:
    """What is missing, then what to do: the numbers join both."""
    numbered = list(enumerate(diagnosis.findings, 1))
    out.print()
    if not numbered:
        out.print("Nothing is missing.")
        return
    out.print("Missing or worth knowing:")
    for number, finding in numbered:
        beginning = f"{number:3}. "
        _print_wrapped(out, f"{_severity(finding)}{finding.message}", beginning=beginning)
        _print_wrapped(out, f"Costs: {finding.costs}.", beginning=" " * len(beginning))
    out.print()
    out.print("To do:")
    shown: dict[tuple[str, ...], int] = {(): 0}
    for number, finding in numbered:
        beginning = f"{number:3}. "
        text, program, lines = finding.remedy
        if shown.setdefault(lines, number) == number:
            _print_wrapped(out, f"{text} ({program}):", beginning=beginning)
            for line in lines:
                out.print(f"{' ' * len(beginning)}  {line}", soft_wrap=True)
        else:
            _print_wrapped(out, f"{text}{f' (as {shown[lines]}.)' if lines else ''}", beginning=beginning)
        _print_wrapped(out, f"See {finding.page}", beginning=" " * len(beginning))


def _severity(finding: MetricFinding) -> str:
    return {Severity.BLOCKING: "No profiles: ", Severity.GAP: "", Severity.NOTE: "Note: "}[finding.severity]


def _shown_rows(diagnosis: Diagnosis) -> Iterator[MetricRow]:
    """The rows of all metrics but those of a mesh that is not there."""
    rows = list(metric_rows(diagnosis.seen))
    present = {row.metric.exporter for row in rows if row.series != 0}
    return (row for row in rows if row.metric.exporter in present or row.metric.exporter not in MESHES)


def _exporters(rows: Iterable[MetricRow]) -> Iterator[tuple[str, ...]]:
    """How the metrics of each exporter are scraped."""
    by_exporter: dict[Exporter, list[MetricRow]] = {}
    for row in rows:
        if row.series:
            by_exporter.setdefault(row.metric.exporter, []).append(row)
    for exporter, (first, *others) in by_exporter.items():
        jobs = {job for row in (first, *others) for job in row.jobs}
        interval, lag, share = first.interval_seconds, first.lag_seconds, first.duplicated_share
        yield (
            exporter,
            _NOTHING if interval is None else f"{interval:.0f} s",
            _NOTHING if lag is None else _duration(lag),
            _NOTHING if share is None else f"{share:.0%}",
            listed(jobs) or _NOTHING,
        )


def _cells(row: MetricRow) -> Iterable[str]:
    if not row.series:
        return ("unknown" if row.series is None else "none",)
    since = row.since_seconds
    return (
        f"{row.series:.0f}{' (renamed)' if row.is_renamed else ''}",
        "unknown" if since is None else f"{_duration(since)} or more" if since else "under 6 h",
    )


def _duration(seconds: float) -> str:
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def as_json(diagnosis: Diagnosis, webhook: WebhookCheck | None = None) -> dict[str, Any]:
    """The same as JSON values; null is unknown."""
    seen = diagnosis.seen
    return {
        "webhook": _webhook_values(webhook) if webhook else None,
        "prometheus": diagnosis.url,
        "distribution": diagnosis.distribution.name,
        "healthy": diagnosis.is_healthy,
        "retentionSeconds": diagnosis.retention_seconds,
        "namespaces": len(seen.namespaces()),
        "clusterLabel": seen.target.scope.cluster_label,
        "clusters": clusters_by_label(seen),
        "honorLabels": seen.honors_labels(),
        "features": [
            {"name": one.name, "state": one.state, "basis": one.basis} for one in diagnosis.features
        ],
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "metrics": [_metric(row) for row in metric_rows(seen)] if diagnosis.features else [],
    }


def _webhook_values(webhook: WebhookCheck) -> dict[str, Any]:
    return {
        "works": None if webhook.skipped else not webhook.has_failed,
        "seconds": webhook.seconds,
        "checks": [{"reason": one.reason, "message": one.message} for one in webhook.findings],
        "notChecked": webhook.skipped,
    }


def _finding(finding: MetricFinding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "reason": finding.reason,
        "message": finding.message,
        "costs": finding.costs,
        "remedy": finding.remedy.text,
        "program": finding.remedy.program,
        "configuration": list(finding.remedy.lines),
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
