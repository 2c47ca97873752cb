"""The commands that show pages, for `root`: options and help; the modules below do the work."""

from pathlib import Path
from typing import Annotated

import typer

from app.command_line.cluster_access import ClusterAccess
from app.command_line.options import examples, takes_settings
from app.settings.environment import Settings

_PROMETHEUS = tuple(
    name for name in Settings.model_fields if name.startswith(("prometheus_", "connections_prometheus_"))
)
_NAMES = (
    *("profiling_namespace", "kubeconfig", "own_namespace", "profiles_namespace", "lease"),
    *("cpu_price", "memory_price", "excluded_namespaces"),
    *_PROMETHEUS,
    *("history_days", "min_samples", "risk", "container_metrics_matcher", "state_metrics_matcher"),
)
_SCHEDULING = tuple(name for name in Settings.model_fields if name.startswith("scheduling_"))
_SHOWN = ("profiling_namespace", "kubeconfig", "prometheus_url", "cpu_price", "memory_price")
_PROFILED = "profiling_namespace"
_History = Annotated[Path | None, typer.Option(help="History file (.npz) to show instead of a cluster")]


@takes_settings(_NAMES, also_read=_SCHEDULING, shown=_SHOWN, namespace=_PROFILED)
def dashboard(
    settings: Settings,
    access: ClusterAccess,
    history: _History = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one")] = 0,
) -> None:
    """Serve a page with all profiles on this machine, until Ctrl-C.

    From the stored profiles, with your own rights. Usage is shown where Prometheus is reachable.
    """
    from app.command_line.dashboard_extra import require_dashboard_extra

    require_dashboard_extra("dashboard")
    from app.command_line.dashboard import serve_dashboard

    serve_dashboard(settings, access, history=history, port=port)


@takes_settings(_NAMES, also_read=_SCHEDULING, shown=_SHOWN, namespace=_PROFILED)
def report(
    settings: Settings,
    access: ClusterAccess,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="HTML file to write")],
    history: _History = None,
) -> None:
    """Write the pages of the dashboard as one file, for a mail or a ticket.

    It has all workloads, and curves of the 50 with the largest waste or risk. It loads nothing.
    """
    from app.command_line.dashboard_extra import require_dashboard_extra

    require_dashboard_extra("report")
    from app.command_line.report import write_report

    write_report(settings, access, file, history=history)


_EXAMPLES = {
    dashboard: ("dashboard -A", "dashboard --history usage.npz --port 8080"),
    report: ("report profiles.html -A", "report shop.html -n shop --cpu-price 20"),
}


def register(program: typer.Typer) -> None:
    """Adds the commands to *program*."""
    for command, lines in _EXAMPLES.items():
        program.command(epilog=examples(*(f"job-profiler {line}" for line in lines)))(command)
