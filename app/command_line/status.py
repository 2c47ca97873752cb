"""`job-profiler status`: the profiler's report in the status ConfigMap, and the leader in the Lease.

Both are objects that people can edit, and reports of other releases differ: what can't be read is left out.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.command_line.cluster import open_access
from app.command_line.cluster_access import ClusterAccess
from app.command_line.namespaces import asked_namespaces, require_namespaces
from app.command_line.printout import Column, OutputFormat, Printout, Row, Table
from app.command_line.releases import release_namespace
from app.command_line.status_findings import enforcer_lines, finding_lines
from app.command_line.terminal import print_error, print_out, run
from app.domain.quantities import parse_time
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.errors import NotFoundError, ProfilerError
from app.kubernetes import paths
from app.kubernetes.krr_enforcer import krr_enforcers
from app.kubernetes.server_clock import TOLERATED_SECONDS
from app.kubernetes.status_map import PROBE, REPORT, StatusMap
from app.profiler.cycle.signals import Health
from app.settings.environment import Settings

if TYPE_CHECKING:
    from app.kubernetes.client import ClusterClient

_MAX_SHOWN = 50
_SIGNAL_COLUMNS = ("signal", "state", "since", "reason", "message")
_SIGNALS = [Column(key.upper(), key, is_whole=key != "message") for key in _SIGNAL_COLUMNS]
_FAULTS = (Column("FAULT", "subject"), Column("REASON", "reason"))
_REASONS = (Column("WORKLOAD", "subject"), Column("REASON", "reason"))
_COUNTS = (
    Column("REASON", "reason"),
    Column("EXISTING", "existing", is_number=True),
    Column("PAST", "past", is_number=True),
)
_BY_REASON = "workloadsWithoutProfileByReason"
_LEASE_SECONDS = 15
# The parts of each report, and a function that reads one of the right type unchanged.
_PARTS: Mapping[str, Any] = {
    "profiles": mapping_in,
    "signals": list_in,
    "workloadsWithoutProfile": mapping_in,
    "workloadsWithoutProfileTotal": count_in,
    "namespacesWithUnattributedPods": list_in,
}


@dataclass(frozen=True, slots=True)
class StoredStatus:
    """The report, the Lease's spec, and the lead of this machine's clock over the API server's.

    `enforcers` are webhook configurations of another product that sets requests.
    """

    report: dict[str, Any] | None
    lease: Mapping[str, Any]
    ahead_seconds: float
    namespace: str
    enforcers: Sequence[str] = ()

    def leader(self, now: datetime) -> str:
        """The leader in words; *now* is the time of this machine."""
        return _leader(self.lease, now - timedelta(seconds=self.ahead_seconds))

    @property
    def webhook(self) -> str:
        """The result of the last self-probe in words."""
        return _probe((self.report or {}).get("probe"))


@dataclass(frozen=True, slots=True)
class _Faults:
    """Faults that cost only a part of the work, of the webhook and of the profiler."""

    reasons: Mapping[str, str]
    total: int


def print_status(settings: Settings, access: ClusterAccess, *, output: OutputFormat) -> None:
    """Prints leader, state of the data sources, and the reason for each workload without a profile.

    The exit code is 1 if a source fails, after the report.
    """
    stored = run(_read(settings, access))
    if stored.report is None:
        raise ProfilerError(
            f"no status in namespace {stored.namespace}: set --own-namespace to the namespace of the"
            " release, or see the log of the profiler"
        )
    _print(stored, stored.report, output)
    if any(
        signal.get("state") == Health.FAILING
        for signal in map(mapping_in, list_in(stored.report.get("signals")))
    ):
        sys.exit(1)


def _print(stored: StoredStatus, report: Mapping[str, Any], output: OutputFormat) -> None:
    # The API server's time: a clock of this machine that is wrong says nothing about the leader.
    now = datetime.now(UTC) - timedelta(seconds=stored.ahead_seconds)
    print_out(status_printout(report, stored.lease, now, stored.enforcers), output)
    if not output.is_for_people:
        return
    if abs(stored.ahead_seconds) > TOLERATED_SECONDS:
        way = "ahead of" if stored.ahead_seconds > 0 else "behind"
        print_error(f"this machine's clock is {abs(stored.ahead_seconds):.0f} s {way} the API server's")
    parts = {key: read for key, read in _PARTS.items() if key in report}
    if unreadable := [key for key, read in parts.items() if read(report[key]) != report[key]]:
        print_error(f"left out of the report, since they can't be read: {', '.join(unreadable)}")


async def _read(settings: Settings, access: ClusterAccess) -> StoredStatus:
    async with open_access(access) as client:
        namespace = await release_namespace(client, settings, access)
        try:
            stored = await read_status(client, namespace, settings.lease)
        except NotFoundError:
            await require_namespaces(client, asked_namespaces(settings))
            raise
        return replace(stored, enforcers=await krr_enforcers(client))


async def read_status(client: "ClusterClient", namespace: str, lease_name: str) -> StoredStatus:
    """The status of the release in *namespace*.

    Raises:
        ClusterError: it can't be read.
    """
    documents = await StatusMap(client, namespace).read_all()
    report = documents[REPORT] | {"probe": documents.get(PROBE)} if REPORT in documents else None
    try:
        lease = await client.get(paths.lease(namespace, lease_name))
    except NotFoundError:
        lease = {}
    ahead_seconds = client.server_clock.ahead_seconds or 0.0
    return StoredStatus(report, mapping_in(lease.get("spec")), ahead_seconds, namespace)


def show(report: Mapping[str, Any], lease: Mapping[str, Any], now: datetime) -> None:
    """Prints *report* as tables; *now* determines the age of the Lease."""
    print_out(status_printout(report, lease, now), OutputFormat.TABLE)


def status_printout(
    report: Mapping[str, Any], lease: Mapping[str, Any], now: datetime, enforcers: Sequence[str] = ()
) -> Printout:
    """The report as tables and sentences; for programs, it is the report with the Lease."""
    faults, reasons = _faults(report), _texts(report.get("workloadsWithoutProfile"))
    without, counts = f"{_total(report, reasons)} workloads without a profile:", list(_count_rows(report))
    tables = [
        Table(
            "", _SIGNALS, [_signal_row(signal) for signal in map(mapping_in, list_in(report.get("signals")))]
        ),
        Table(
            f"{faults.total} faults of single watches and namespaces, tried again all the time:",
            _FAULTS,
            _rows(faults.reasons),
        ),
        Table(without, _COUNTS, counts),
        Table("" if counts else without, _REASONS, _rows(reasons)),
    ]
    document = {**report, "lease": lease} | ({"krrEnforcers": list(enforcers)} if enforcers else {})
    tail = [*_tail(report, faults, reasons), *enforcer_lines(enforcers)]
    return Printout(document, tables, list(_head(report, lease, now)), tail)


def _head(report: Mapping[str, Any], lease: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield f"Leader: {_leader(lease, now)}"
    yield f"Webhook: {_probe(report.get('probe'))}"
    yield f"Profiles: {_profile_counts(report)}"
    if servers := _texts(report.get("foundServers")):
        found = ", ".join(f"{url} ({kind})" for kind, url in servers.items())
        yield f"Prometheus found: {found}"
    yield f"Terminated Pods matched by: {_matched_by(report)}"


def _tail(report: Mapping[str, Any], faults: _Faults, reasons: Mapping[str, str]) -> Iterator[str]:
    """What is left out of the tables, and the findings."""
    for noun, total, listed in (
        ("faults", faults.total, faults.reasons),
        ("workloads", _total(report, reasons), reasons),
    ):
        if listed and total > min(len(listed), _MAX_SHOWN):
            more = total - min(len(listed), _MAX_SHOWN)
            yield f"... and {more} more {noun} (-o json lists up to {len(listed)})"
    if unattributed := list_in(report.get("namespacesWithUnattributedPods")):
        yield f"Namespaces with Pods that match no workload: {', '.join(map(str, unattributed))}"
    yield from finding_lines(report)


def _profile_counts(report: Mapping[str, Any]) -> str:
    """The number of profiles of each kind; of one that can't be listed it is unknown."""
    counts = mapping_in(report.get("profiles"))
    return ", ".join(f"{'unknown' if count is None else count} {kind}" for kind, count in counts.items())


def _signal_row(signal: Mapping[str, Any]) -> Row:
    return {key: text_in(signal.get(key)) for key in _SIGNAL_COLUMNS}


def _faults(report: Mapping[str, Any]) -> _Faults:
    of_profiler = _texts(report.get("faults"))
    of_webhook = _texts(mapping_in(report.get("probe")).get("faults"))
    total = max(count_in(report.get("faultsTotal")), len(of_profiler)) + len(of_webhook)
    return _Faults({f"webhook: {one}": reason for one, reason in of_webhook.items()} | of_profiler, total)


def _total(report: Mapping[str, Any], reasons: Mapping[str, str]) -> int:
    """The number of workloads without a profile, of which the report lists some."""
    return max(count_in(report.get("workloadsWithoutProfileTotal")), len(reasons))


def _count_rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """The numbers of workloads without a profile by reason."""
    for reason, count in mapping_in(report.get(_BY_REASON)).items():
        existing, past = (count_in(mapping_in(count).get(key)) for key in ("existing", "past"))
        yield {"reason": reason, "existing": existing, "past": past}


def _rows(reasons: Mapping[str, str]) -> list[Row]:
    """The first rows of a table of reasons."""
    return [{"subject": subject, "reason": reason} for subject, reason in list(reasons.items())[:_MAX_SHOWN]]


def _texts(value: object) -> dict[str, str]:
    return {key: text for key, text in mapping_in(value).items() if isinstance(text, str)}


def _matched_by(report: Mapping[str, Any]) -> str:
    """The data that maps terminated Pods to workloads."""
    match text_in(report.get("pastPodsAttributedBy")):
        case "names":
            return "name pattern"
        case metrics:
            return metrics or "nothing yet"


def _leader(lease: Mapping[str, Any], now: datetime) -> str:
    """The holder of the Lease; if the Lease has expired, a hint that the report may be outdated."""
    holder, renewed = text_in(lease.get("holderIdentity")), parse_time(text_in(lease.get("renewTime")))
    if not holder or renewed is None:
        return "none (is the profiler running?)"
    age = (now - renewed).total_seconds()
    if age > (count_in(lease.get("leaseDurationSeconds")) or _LEASE_SECONDS):
        return f"none ({holder} last renewed its Lease {age:.0f} s ago: this report may be outdated)"
    return f"{holder} (Lease renewed {max(age, 0):.0f} s ago)"


def _probe(probe: object) -> str:
    """The result of the leader's self-probe."""
    match probe:
        case {"state": "Ok", "since": since}:
            return f"reachable (since {since})"
        case {"state": "Failing", "since": since, "reasons": list(reasons), "message": message}:
            return f"{', '.join(map(str, reasons))} (since {since}): {message}"
        case {"state": "Off"}:
            return "not probed (PROBE_ENABLED is false)"
    return "not probed yet"
