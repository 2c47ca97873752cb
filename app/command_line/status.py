"""`job-profiler status`: the profiler's report in the status ConfigMap, and the leader in the Lease."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from app.command_line.status_findings import finding_lines
from app.command_line.tables import console
from app.domain.quantities import parse_time
from app.errors import NotFoundError, ProfilerError
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.kubernetes.status_map import PROBE, REPORT, StatusMap
from app.settings.environment import Settings

_MAX_SHOWN = 50


def print_status(settings: Settings, *, output: str) -> None:
    """Prints leader, state of the data sources, and the reason for each workload without a profile."""
    report, lease = asyncio.run(_read(settings))
    if report is None:
        raise ProfilerError(
            f"no status in namespace {settings.own_namespace}: set --own-namespace to the namespace of the"
            " release, or see the log of the profiler"
        )
    if output == "json":
        typer.echo(json.dumps(report | {"lease": lease}, indent=2))
    else:
        show(report, lease, datetime.now(UTC))


async def _read(settings: Settings) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    namespace = settings.own_namespace
    async with open_cluster(settings.kubeconfig or None) as client:
        documents = await StatusMap(client, namespace).read_all()
        report = documents[REPORT] | {"probe": documents.get(PROBE)} if REPORT in documents else None
        try:
            lease = await client.get(paths.lease(namespace, settings.lease))
        except NotFoundError:
            lease = {}
    return report, lease.get("spec") or {}


def show(report: dict[str, Any], lease: dict[str, Any], now: datetime) -> None:
    """Prints *report* as text; *now* determines the age of the Lease."""
    out = console()
    out.print(f"Leader: {_leader(lease, now)}")
    out.print(f"Webhook: {_probe(report.get('probe'))}", soft_wrap=True)
    counts = ", ".join(f"{count} {kind}" for kind, count in report["profiles"].items())
    out.print(f"Profiles: {counts}")
    out.print(f"Terminated Pods matched by: {_matched_by(report)}")
    signals = Table("SIGNAL", "STATE", "SINCE", "REASON", "MESSAGE", box=None, pad_edge=False)
    for signal in report["signals"]:
        signals.add_row(*(signal[key] for key in ("signal", "state", "since", "reason", "message")))
    out.print(signals)
    _show_faults(out, report)
    _show_reasons(out, report)
    if unattributed := report["namespacesWithUnattributedPods"]:
        out.print(f"\nNamespaces with Pods that match no workload: {', '.join(unattributed)}")
    for line in finding_lines(report):
        out.print(f"\n{line}", soft_wrap=True)


def _show_faults(out: Console, report: dict[str, Any]) -> None:
    """Prints the faults that cost only a part of the work."""
    faults = report.get("faults") or {}
    if faults:
        out.print(
            f"\n{report['faultsTotal']} faults of single watches and namespaces, tried again all the time:"
        )
        _print_table(out, "FAULT", faults, report["faultsTotal"])


def _show_reasons(out: Console, report: dict[str, Any]) -> None:
    """Prints the number of workloads without a profile, by reason, and the first of them."""
    reasons, total = report["workloadsWithoutProfile"], report["workloadsWithoutProfileTotal"]
    if not reasons:
        return
    out.print(f"\n{total} workloads without a profile:")
    counts = report.get("workloadsWithoutProfileByReason") or {}
    for reason, count in counts.items():
        out.print(f"  {reason}: {count['existing']} that exist, {count['past']} of the past")
    _print_table(out, "WORKLOAD", reasons, total)


def _print_table(out: Console, title: str, reasons: dict[str, str], total: int) -> None:
    """Prints the first rows, and how many are left out."""
    shown = dict(list(reasons.items())[:_MAX_SHOWN])
    table = Table(title, "REASON", box=None, pad_edge=False)
    for subject, reason in shown.items():
        table.add_row(subject, reason)
    out.print(table)
    if total > len(shown):
        out.print(f"... and {total - len(shown)} more (-o json lists up to {len(reasons)})")


def _matched_by(report: dict[str, Any]) -> str:
    """The data that maps terminated Pods to workloads."""
    match report.get("pastPodsAttributedBy"):
        case "names":
            return "name pattern"
        case metrics:
            return metrics or "nothing yet"


def _leader(lease: dict[str, Any], now: datetime) -> str:
    """The holder of the Lease; if the Lease has expired, a hint that the report may be outdated."""
    holder, renewed = lease.get("holderIdentity"), parse_time(lease.get("renewTime") or "")
    if not holder or renewed is None:
        return "none (is the profiler running?)"
    age = (now - renewed).total_seconds()
    if age > lease.get("leaseDurationSeconds", 15):
        return f"none ({holder} last renewed its Lease {age:.0f} s ago: this report may be outdated)"
    return f"{holder} (Lease renewed {max(age, 0):.0f} s ago)"


def _probe(probe: dict[str, Any] | None) -> str:
    """The result of the leader's self-probe."""
    match probe:
        case {"state": "Ok", "since": since}:
            return f"reachable (since {since})"
        case {"state": "Failing", "since": since, "reasons": reasons, "message": message}:
            return f"{', '.join(reasons)} (since {since}): {message}"
        case {"state": "Off"}:
            return "not probed (PROBE_ENABLED is false)"
    return "not probed yet"
