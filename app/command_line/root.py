"""The program `job-profiler`: its commands, and how a fault becomes a message and an exit code."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.command_line.options import takes_settings
from app.errors import HistoryFileError, ProfilerError, SettingsError
from app.settings.environment import Settings

program = typer.Typer(
    name="job-profiler",
    help="Learns what every micro-service needs and whom it talks to, and writes it on every Pod.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_CLUSTER = ("kubeconfig", "own_namespace", "profiles_namespace")
_ESTIMATION = (
    "prometheus_url",
    "prometheus_port",
    "connections_prometheus_url",
    "prometheus_timeout",
    "prometheus_concurrency",
    "prometheus_sample_budget",
    "prometheus_bearer_token_file",
    "prometheus_username",
    "prometheus_password_file",
    "prometheus_ca_file",
    "prometheus_certificate_file",
    "prometheus_key_file",
    "prometheus_tenant",
    "prometheus_sigv4_region",
    "prometheus_cluster",
    "prometheus_cluster_label",
    "network_metric_provider",
    "profiling_namespace",
    "excluded_namespaces",
    "profiling_namespace_selector",
    "history_days",
    "timeslots",
    "min_samples",
)
# What reads the past alone: CPU and memory of the namespaces that are named.
_PAST = (
    *(name for name in _ESTIMATION if name.startswith("prometheus_")),
    "profiling_namespace",
    "excluded_namespaces",
    "own_namespace",
)
_DAYS = 29  # 14 to learn from, 15 to judge


@program.command()
@takes_settings(Settings.model_fields)
def serve(settings: Settings) -> None:
    """Run in the cluster: the webhook, the profiler, or both in one process."""
    # structlog loads rich where it finds it, and typer brings it along: 4 MB for colours that nobody sees.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # as the import system has it: not to be found
    from app.runtime.serving import serve as run  # noqa: PLC0415 - see the package's docstring

    run(settings)


@program.command()
@takes_settings((*_ESTIMATION, *_CLUSTER))
def profile(
    settings: Settings,
    history: Annotated[
        Path | None, typer.Option(help="File of recorded usage (.npz) to read in place of Prometheus")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table, yaml or json")] = "table",
    apply: Annotated[bool, typer.Option("--apply", help="Write the profiles to the cluster")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Compute the profiles once and print them."""
    from app.command_line.profile import compute_and_print  # noqa: PLC0415 - needs numpy

    if output not in {"table", "yaml", "json"}:
        raise SettingsError([f"--output is {output!r}: use table, yaml or json"])
    compute_and_print(settings, history=history, output=output, apply=apply)


@program.command()
@takes_settings((*_CLUSTER, "lease"))
def status(
    settings: Settings,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json")] = "table",
) -> None:
    """Show how the sources of usage stand, who leads, and why a workload has no profile."""
    from app.command_line.status import print_status  # noqa: PLC0415 - see the package's docstring

    if output not in {"table", "json"}:
        raise SettingsError([f"--output is {output!r}: use table or json"])
    print_status(settings, output=output)


@program.command()
@takes_settings(("kubeconfig", "own_namespace", "webhook_configuration", "expected_webhook"))
def probe(settings: Settings) -> None:
    """Ask through the API server if the webhook answers, and say what was checked."""
    from app.command_line.probe import probe_and_print  # noqa: PLC0415 - see the package's docstring

    probe_and_print(settings)


@program.command()
@takes_settings(_PAST)
def backtest(
    settings: Settings,
    history: Annotated[
        Path | None, typer.Option(help="File of recorded usage (.npz) to read in place of Prometheus")
    ] = None,
    days: Annotated[int, typer.Option(help="Whole UTC days of Prometheus to read")] = _DAYS,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table")] = False,  # noqa: FBT002 - a flag
    plot: Annotated[
        Path | None, typer.Option(help="Folder to write plots to (.svg): slack beside risk, and workloads")
    ] = None,
) -> None:
    """Replay the past: how our policy and those of other tools would have held."""
    from app.command_line.backtest import backtest_and_print  # noqa: PLC0415 - needs numpy

    backtest_and_print(settings, history=history, days=days, as_json=json, plot=plot)


@program.command()
@takes_settings(_PAST)
def record(
    settings: Settings,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (.npz)")],
    days: Annotated[int, typer.Option(help="Whole UTC days before today to record")] = _DAYS,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Write hashes in place of names")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Write the usage that Prometheus knows to a file that stands in its place."""
    from app.command_line.record import record_and_tell  # noqa: PLC0415 - needs numpy

    record_and_tell(settings, output=output, days=days, anonymise=anonymous)


@program.command()
@takes_settings((*_PAST, "risk", "kubeconfig", "profiles_namespace"))
def explain(
    settings: Settings,
    workload: Annotated[str, typer.Argument(help="NAMESPACE/NAME or KIND/NAMESPACE/NAME")],
    history: Annotated[
        Path | None, typer.Option(help="File of recorded usage (.npz) to read in place of Prometheus")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="File to write a plot to (.svg)")] = None,
) -> None:
    """Tell where the numbers of one workload come from, and what other rules would give.

    With --kubeconfig, the stored profiles stand beside them.
    """
    from app.command_line.explain import explain_and_print  # noqa: PLC0415 - needs numpy

    explain_and_print(settings, workload, history=history, plot=plot)


@program.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep serving until Ctrl-C")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Do the main job with no cluster: recorded usage in, an annotated Pod out."""
    from app.command_line.demo import run_demo  # noqa: PLC0415 - needs numpy

    run_demo(keep=keep)


def main() -> None:
    """Run the program; 2 is a wrong setting or file, 1 any other fault that we can name."""
    try:
        program()
    except SettingsError as error:
        for fault in error.faults:
            typer.echo(f"job-profiler: {fault}", err=True)
        sys.exit(2)
    except HistoryFileError as error:
        typer.echo(f"job-profiler: {error}", err=True)
        sys.exit(2)
    except ProfilerError as error:
        typer.echo(f"job-profiler: {error}", err=True)
        sys.exit(1)
