"""The commands that say what to change, for `root`: options and help; each module below does the work."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.command_line.cluster_access import ClusterAccess
from app.command_line.options import Output, examples, takes_settings
from app.command_line.workload_names import WORKLOAD_HELP
from app.domain.profiles import RiskLevel
from app.errors import SettingsError
from app.settings.environment import Settings, read_settings

if TYPE_CHECKING:
    from app.decisions.savings import SortKey

_CLUSTER = ("profiling_namespace", "kubeconfig", "own_namespace", "profiles_namespace")
_SHOWN = ("profiling_namespace", "kubeconfig", "risk", "cpu_price", "memory_price")
_PROFILED = "profiling_namespace"
_SCHEDULING = tuple(name for name in Settings.model_fields if name.startswith("scheduling_"))
_PROMETHEUS = tuple(
    name
    for name in Settings.model_fields
    if (name.startswith(("prometheus_", "connections_prometheus_")) and name != "prometheus_url")
)
_ESTIMATION = ("history_days", "min_samples", "container_metrics_matcher", "state_metrics_matcher")
_Workload = Annotated[
    str,
    typer.Argument(metavar="WORKLOAD", help=WORKLOAD_HELP),
]
_Risk = Annotated[
    str | None,
    typer.Option("--risk", metavar="LEVEL", help="Take the stored needs at low, normal or high risk"),
]


@takes_settings(
    (*_CLUSTER, "cpu_price", "memory_price", "excluded_namespaces", *_ESTIMATION),
    also_read=_PROMETHEUS,
    shown=_SHOWN,
    namespace=_PROFILED,
    several_contexts=True,
)
def savings(  # noqa: PLR0913, PLR0917 - the options of the command
    settings: Settings,
    access: ClusterAccess,
    contexts: tuple[str, ...],
    output: Output = "table",
    sort: Annotated[
        str, typer.Option(help="Largest first: cpu, memory, money or risk", show_default=False)
    ] = "",
    top: Annotated[int, typer.Option(help="Rows of each table; 0 shows all")] = 0,
    ignore: Annotated[
        str, typer.Option(help="Workloads to leave out: NAMESPACE or NAMESPACE/NAME, with *, by commas")
    ] = "",
    fail_over: Annotated[
        str | None,
        typer.Option("--fail-over", metavar="N%", help="Exit code 1 if more of the requests is not needed"),
    ] = None,
    risk: _Risk = None,
    prometheus_url: Annotated[
        str | None, typer.Option("--prometheus-url", help="Compute from this Prometheus, without profiles")
    ] = None,
    history: Annotated[Path | None, typer.Option(help="Compute from this history file (.npz)")] = None,
) -> None:
    """Show what is requested and not needed, and what is needed and not requested.

    From the stored profiles of one or several clusters, which needs no Prometheus.
    """
    from app.command_line.clusters import ClusterContexts
    from app.command_line.savings import SavingsQuestion, save_and_print
    from app.command_line.terminal import output_format

    if prometheus_url is not None:
        given = settings.model_dump(include=settings.model_fields_set)
        settings = read_settings(given | {"prometheus_url": prometheus_url})
    if level := _risk(risk):
        settings = settings.model_copy(update={"risk": level})
    question = SavingsQuestion(
        output_format(output),
        _sort_key(sort),
        top,
        tuple(part.strip() for part in ignore.split(",") if part.strip()),
        _percent(fail_over),
        history,
        prometheus_url is not None,
        level,
    )
    save_and_print(settings, ClusterContexts(access, contexts), question)


@takes_settings((*_CLUSTER, "excluded_namespaces", *_SCHEDULING), shown=_SHOWN, namespace=_PROFILED)
def plan(settings: Settings, access: ClusterAccess, output: Output = "table", risk: _Risk = None) -> None:
    """Show the requests that the webhook would set, and why others stay.

    As if scheduling were on in all these namespaces; the webhook's own code decides.
    """
    from app.command_line.plan import plan_and_print
    from app.command_line.terminal import output_format

    plan_and_print(settings, access, output=output_format(output), risk=_risk(risk))


@takes_settings(_CLUSTER, namespace=_PROFILED)
def connections(
    settings: Settings, access: ClusterAccess, workload: _Workload, output: Output = "table"
) -> None:
    """Show the workloads that a workload talks to, and the share of each."""
    from app.command_line.connections import connections_and_print
    from app.command_line.terminal import output_format

    connections_and_print(settings, access, workload, output=output_format(output))


@takes_settings(_CLUSTER, namespace=_PROFILED)
def changes(settings: Settings, access: ClusterAccess, workload: _Workload, output: Output = "table") -> None:
    """Show the last changes of a workload's values, and why they changed."""
    from app.command_line.changes import changes_and_print
    from app.command_line.terminal import output_format

    changes_and_print(settings, access, workload, output=output_format(output))


@takes_settings((*_CLUSTER, "excluded_namespaces", *_SCHEDULING), shown=_SHOWN, namespace=_PROFILED)
def export(  # noqa: PLR0913, PLR0917 - the options of the command
    settings: Settings,
    access: ClusterAccess,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="What to export: patch or vpa")],
    workload: Annotated[
        str, typer.Argument(metavar="[WORKLOAD]", help=f"{WORKLOAD_HELP}; for vpa all, if none is given")
    ] = "",
    output: Annotated[
        str, typer.Option("--output", "-o", help="Form of a patch: strategic, kustomize or json6902")
    ] = "strategic",
    risk: _Risk = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Mode of a vpa, in place of its labels: Off, Initial, InPlaceOrRecreate, Recreate"),
    ] = None,
) -> None:
    """Print a patch for kubectl or Kustomize with the planned requests of a workload, or objects for VPA."""
    if what == "vpa":
        from app.command_line.export_autoscalers import autoscalers_and_print

        autoscalers_and_print(settings, access, workload, mode=mode)
    elif what == "patch":
        from app.command_line.export import patch_and_print

        if not workload:
            raise SettingsError([f"export patch: name a workload: {WORKLOAD_HELP}"])
        patch_and_print(settings, access, workload, form=output, risk=_risk(risk))
    else:
        raise SettingsError([f"export {what}: use export patch or export vpa"])


def diff(
    before: Annotated[
        Path, typer.Argument(help="JSON output of savings, plan or profile; - is standard input")
    ],
    after: Annotated[Path, typer.Argument(help="A later one of the same command")],
    output: Output = "table",
    fail_over: Annotated[
        str | None,
        typer.Option("--fail-over", metavar="N%", help="Exit code 1 if a sum grew by more than this share"),
    ] = None,
) -> None:
    """Show what differs between two JSON outputs of savings, plan or profile."""
    from app.command_line.diff import diff_and_print
    from app.command_line.terminal import output_format

    diff_and_print(before, after, output=output_format(output), fail_over=_percent(fail_over))


def _percent(text: str | None) -> float | None:
    """The number in `20%` or `20`."""
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingsError([f"--fail-over is {text!r}: use a share such as 20%"])
    return number


def _sort_key(text: str) -> "SortKey | None":
    from app.decisions.savings import SortKey

    if not text:
        return None
    if text not in set(SortKey):
        raise SettingsError([f"--sort is {text!r}: use cpu, memory, money or risk"])
    return SortKey(text)


def _risk(text: str | None) -> RiskLevel | None:
    if text is None:
        return None
    if text not in set(RiskLevel):
        raise SettingsError([f"--risk is {text!r}: use low, normal or high"])
    return RiskLevel(text)


_EXAMPLES = {
    savings: ("savings -A --cpu-price 20 --memory-price 3", "savings -n shop -o markdown --fail-over 40%"),
    plan: ("plan -n shop", "plan -A --risk low -o json"),
    connections: ("connections shop/web", "connections deploy/web -n shop -o csv"),
    changes: ("changes shop/web", "changes sts/db -n shop"),
    export: (
        "export patch shop/web -o json6902",
        "export vpa -n shop --mode InPlaceOrRecreate",
    ),
    diff: ("diff before.json after.json", "diff before.json after.json --fail-over 10%"),
}


def register(program: typer.Typer) -> None:
    """Adds the commands to *program*."""
    for command, lines in _EXAMPLES.items():
        program.command(epilog=examples(*(f"job-profiler {line}" for line in lines)))(command)
