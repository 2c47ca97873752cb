"""`job-profiler connections`: the peers of a workload, from connection profiles."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_workloads import find_workload
from app.command_line.clusters import opened
from app.command_line.documents import API_VERSION
from app.command_line.printout import Column, OutputFormat, Printout, Row, Table
from app.command_line.terminal import print_out, run
from app.command_line.workload_names import only_namespace, parse_workload
from app.decisions.peers import Peer, peers_of, read_edges
from app.domain.profiles import ProfileKind
from app.domain.shown_amounts import rate, share
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.kubernetes.list_options import Object
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_COLUMNS = (
    Column("DIRECTION", "direction", is_whole=True),
    Column("PEER", "peer"),
    Column("KIND", "kind", is_wide=True),
    Column("PROTOCOL", "protocol", is_wide=True),
    Column("COUNTED BY", "countedBy", is_wide=True),
    Column("MESSAGES /MIN", "messagesPerMinute", "{:.2f}".format, is_number=True),
    Column("P95", "messagesPerMinuteP95", "{:.2f}".format, is_number=True),
    Column("SHARE", "messageShare", share, is_number=True),
    Column("SENT /S", "sentBytesPerSecond", rate, is_number=True, is_optional=True),
    Column("P95", "sentBytesPerSecondP95", rate, is_number=True, is_optional=True),
    Column("RECEIVED /S", "receivedBytesPerSecond", rate, is_number=True, is_optional=True),
    Column("P95", "receivedBytesPerSecondP95", rate, is_number=True, is_optional=True),
    Column("SHARE", "byteShare", share, is_number=True, is_optional=True),
    Column("PROFILE", "profile", is_wide=True),
)


def connections_and_print(
    settings: Settings, access: ClusterAccess, name: str, *, output: OutputFormat
) -> None:
    """Prints the peers of the workload *name*.

    Raises:
        ProfilerError: it does not exist, or has no connection profile.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    workload, manifests = run(_read(settings, access, name))
    if not print_peers(workload, manifests, output):
        raise ProfilerError(f"{workload} has no connection profile: job-profiler status has the reason")


def print_peers(workload: Workload, manifests: Iterable[Object], output: OutputFormat) -> bool:
    """Prints the peers of *workload* in the connection profiles among *manifests*; False if it has none."""
    found = peers_of(workload, read_edges(manifests))
    if found:
        print_out(peers_printout(workload, found), output)
    return bool(found)


async def _read(settings: Settings, access: ClusterAccess, name: str) -> tuple[Workload, list[Object]]:
    async with opened(settings, access) as objects:
        wanted = parse_workload(name, only_namespace(objects.namespaces))
        profiles = await objects.profiles([ProfileKind.CONNECTION])
        workload = await find_workload(objects, wanted, profiles)
        return workload, profiles[ProfileKind.CONNECTION]


def peers_printout(workload: Workload, peers: Sequence[Peer]) -> Printout:
    """The table of the peers, the largest share first."""
    rows = [_row(peer) for peer in peers]
    title = f"Connections of {workload.namespace}/{workload.name}"
    document = {
        "apiVersion": API_VERSION,
        "kind": "Connections",
        "workload": {"namespace": workload.namespace, "name": workload.name},
        "peers": [_item(row) for row in rows],
    }
    return Printout(document, [Table(title, _COLUMNS, rows)], after=list(_sentences(peers)))


def _row(peer: Peer) -> Row:
    return {
        "direction": peer.direction.value,
        "peer": f"{peer.workload.namespace}/{peer.workload.name}",
        "kind": peer.workload.kind,
        "protocol": peer.protocol,
        "countedBy": str(peer.counting),
        "messagesPerMinute": peer.messages,
        "messagesPerMinuteP95": peer.messages_p95,
        "messageShare": round(peer.message_share, 4),
        "sentBytesPerSecond": peer.sent,
        "sentBytesPerSecondP95": peer.sent_p95,
        "receivedBytesPerSecond": peer.received,
        "receivedBytesPerSecondP95": peer.received_p95,
        "byteShare": None if peer.byte_share is None else round(peer.byte_share, 4),
        "profile": peer.name,
    }


def _item(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in {None, ""}}


def _sentences(peers: Sequence[Peer]) -> Iterable[str]:
    yield "Means and P95 over the 5-minute steps of the last 24 hours, requests and responses together."
    if any(peer.sent is None for peer in peers):
        yield "Bytes are missing where nothing measures them."
    limited = sorted({str(peer.counting) for peer in peers if peer.counting.limits})
    if limited:
        yield f"Not all is seen of connections that are counted by {' or '.join(limited)}."
