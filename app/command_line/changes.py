"""`job-profiler changes`: the last changes of a workload's values in words, from its stored profiles."""

from collections.abc import Iterable
from typing import Any

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_workloads import find_workload
from app.command_line.clusters import opened
from app.command_line.documents import API_VERSION, ARROW, identity, number
from app.command_line.printout import Column, OutputFormat, Printout, Row, Table
from app.command_line.terminal import print_out, run
from app.command_line.workload_names import only_namespace, parse_workload
from app.decisions.changes import ChangeHistory, NeedChange, read_changes
from app.domain.profiles import Resource
from app.domain.quantities import format_time
from app.domain.shown_amounts import amount
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.kubernetes.list_options import Object
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_COLUMNS = (
    Column("TIME", "time", is_whole=True),
    Column("KIND", "kind", is_wide=True),
    Column("RESOURCE", "resource"),
    Column("NEED", "need", is_number=True, exact=("old", "new")),
    Column("CHANGE", "change", "{:+.0%}".format, is_number=True),
    Column("REASON", "words"),
)


def changes_and_print(settings: Settings, access: ClusterAccess, name: str, *, output: OutputFormat) -> None:
    """Prints the stored history of the workload *name*.

    Raises:
        ProfilerError: it does not exist, or has no CPU or memory profile.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    workload, manifests = run(_read(settings, access, name))
    history = read_changes(manifests, workload)
    if not (history.present or history.changes):
        raise ProfilerError(f"{workload} has no profile: job-profiler status has the reason")
    print_out(changes_printout(workload, history), output)


async def _read(settings: Settings, access: ClusterAccess, name: str) -> tuple[Workload, list[Object]]:
    async with opened(settings, access) as objects:
        wanted = parse_workload(name, only_namespace(objects.namespaces))
        profiles = await objects.profiles()
        workload = await find_workload(objects, wanted, profiles)
    return workload, [manifest for resource in Resource for manifest in profiles[resource.profile_kind]]


def changes_printout(wanted: Workload, history: ChangeHistory) -> Printout:
    """The table of the changes, newest first."""
    rows = [_row(change) for change in history.changes]
    title = f"Changes of {wanted.namespace}/{wanted.name}, newest first"
    document = {
        "apiVersion": API_VERSION,
        "kind": "Changes",
        "changes": [_item(change) for change in history.changes],
    }
    return Printout(document, [Table(title, _COLUMNS, rows)], after=list(_sentences(history)))


def _row(change: NeedChange) -> Row:
    old, new = (amount(change.resource, one) for one in (change.old, change.new))
    return {
        "time": format_time(change.time),
        "kind": change.workload.kind,
        "resource": change.resource.value,
        "need": f"{old}{ARROW}{new}",
        "old": number(change.old),
        "new": number(change.new),
        "change": float((change.new - change.old) / change.old) if change.old else None,
        "words": change.words,
    }


def _item(change: NeedChange) -> dict[str, Any]:
    return identity("", change.workload) | {
        "resource": change.resource.value,
        "time": format_time(change.time),
        "old": number(change.old),
        "new": number(change.new),
        "reason": change.reason,
    }


def _sentences(history: ChangeHistory) -> Iterable[str]:
    changed = {(change.workload, change.resource) for change in history.changes}
    for workload, resource, need, since in history.present:
        moment = f" since {format_time(since)}" if since else ""
        end = "" if (workload, resource) in changed else "; no change is stored"
        yield f"{workload.kind} {workload.name} needs {amount(resource, need)} of {resource}{moment}{end}."
