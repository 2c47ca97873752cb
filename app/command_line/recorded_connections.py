"""`job-profiler connections --history`: the peers of a workload, computed as `profile --history` does."""

from pathlib import Path

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_workloads import subjects
from app.command_line.connections import print_peers
from app.command_line.printout import OutputFormat
from app.command_line.profile import compute
from app.command_line.prometheus_access import Reached
from app.command_line.terminal import run
from app.command_line.workload_names import only_namespace, parse_workload, select_workload
from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.errors import ProfilerError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat


def recorded_connections_and_print(
    settings: Settings, name: str, history: Path, *, output: OutputFormat
) -> None:
    """Prints the peers of the workload *name* in the file.

    Raises:
        ProfilerError: it is not in the file, or has no connections there.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    wanted = parse_workload(name, only_namespace(settings.profiling_namespace))
    _, manifests = run(compute(Reached(settings), ClusterAccess(), history, apply=False))
    profiles = {
        kind: [one for one in manifests if one["kind"] == resource.kind] for kind, resource in KINDS.items()
    }
    workload = select_workload(wanted, subjects(profiles), str(history))
    if not print_peers(workload, profiles[ProfileKind.CONNECTION], output):
        raise ProfilerError(f"{workload} has no connections in {history}")
