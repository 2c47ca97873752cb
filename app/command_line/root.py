"""The program `job-profiler`: its commands, error messages and exit codes."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.completion import get_completion_inspect_parameters

from app.command_line.cluster_access import ClusterAccess
from app.command_line.completion import COMPLETE_VARIABLE, Shell, script
from app.command_line.dashboard_commands import register as register_dashboard
from app.command_line.decision_commands import register
from app.command_line.export_commands import register as register_exports
from app.command_line.options import Output, examples, takes_settings
from app.command_line.workload_names import WORKLOAD_HELP
from app.errors import HistoryFileError, ProfilerError, SettingsError
from app.printable import printable
from app.settings.environment import Settings
from app.version import VERSION

program = typer.Typer(
    name="job-profiler",
    help="Learns CPU, memory and connections of workloads from Prometheus, and annotates their Pods.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_CLUSTER = ("kubeconfig", "own_namespace", "profiles_namespace")
_ESTIMATION = (
    "prometheus_url",
    "prometheus_namespaces",
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
    "service_graph_sampling",
    "profiling_namespace",
    "excluded_namespaces",
    "profiling_namespace_selector",
    "history_days",
    "timeslots",
    "min_samples",
    "risk",
)
# For commands that read only past CPU and memory usage of namespaces that are listed by name.
_USAGE = (
    "kubeconfig",
    *(name for name in _ESTIMATION if name.startswith("prometheus_")),
    "profiling_namespace",
    "excluded_namespaces",
    "own_namespace",
)
# Prometheus alone, that of the mesh too.
_SERVERS = (
    "kubeconfig",
    *(name for name in _ESTIMATION if name.startswith("prometheus_") and name != "prometheus_sample_budget"),
    "connections_prometheus_url",
    "connections_prometheus_cluster",
    "connections_prometheus_cluster_label",
    "container_metrics_matcher",
    "state_metrics_matcher",
    "network_metric_provider",
    "service_graph_sampling",
    "profiling_namespace",
    "excluded_namespaces",
    "own_namespace",
)
# These commands read no labels of namespaces, and report a selector that would need them.
_REFUSED = ("profiling_namespace_selector",)
# Of a written profile.
_STORED = ("max_profiles", "profile_write_rate", "stale_after_days", "expire_after_days")
# The settings that the help of a command has at once; --help-all has the others too.
_SHOWN = ("prometheus_url", "profiling_namespace", "kubeconfig", "risk")
_SHOWN_OF_SERVE = (
    "role",
    "prometheus_url",
    "own_namespace",
    "profiles_namespace",
    "kubeconfig",
    "profiling_namespace",
    "excluded_namespaces",
    "risk",
    "operating_mode",
    "log_level",
)
_PROFILED, _RELEASE = "profiling_namespace", "own_namespace"
_DAYS = 29  # 14 to learn from, 15 to evaluate
# What a command imports and reads has few reference cycles: looking for them took a tenth of its time.
_COLLECTION_THRESHOLDS = 100_000, 50, 100


def _show_version(*, value: bool) -> None:
    if value:
        typer.echo(f"job-profiler {VERSION}")
        raise typer.Exit


@program.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Learns CPU, memory and connections of workloads from Prometheus, and annotates their Pods."""
    if context.invoked_subcommand != serve.__name__:  # which runs for long, and has its own way
        gc.set_threshold(*_COLLECTION_THRESHOLDS)


@program.command(
    epilog=examples(
        "job-profiler serve --role webhook",
        "job-profiler serve --role profiler --prometheus-url prometheus.monitoring",
    )
)
@takes_settings(Settings.model_fields, shown=_SHOWN_OF_SERVE)
def serve(settings: Settings) -> None:
    """Run the webhook, the profiler, or both; used by the Pods."""
    from app.runtime.serving import serve as run

    run(settings)


@program.command(
    epilog=examples(
        "job-profiler profile -n shop",
        "job-profiler profile -n shop --prometheus-url http://localhost:9090 -o yaml",
    )
)
@takes_settings((*_ESTIMATION, *_CLUSTER), also_read=_STORED, shown=_SHOWN, namespace=_PROFILED)
def profile(
    settings: Settings,
    access: ClusterAccess,
    history: Annotated[
        Path | None, typer.Option(help="History file (.npz) to read instead of Prometheus")
    ] = None,
    output: Output = "table",
    apply: Annotated[bool, typer.Option("--apply", help="Write the profiles to the cluster")] = False,
) -> None:
    """Compute the profiles once and print them.

    Without --prometheus-url, Prometheus is that of the installed release, or is searched for in the cluster.
    """
    from app.command_line.profile import compute_and_print
    from app.command_line.terminal import output_format

    compute_and_print(settings, access, history=history, output=output_format(output), apply=apply)


@program.command(
    epilog=examples(
        "job-profiler status",
        "job-profiler status -n profiling -o json",
    )
)
@takes_settings((*_CLUSTER, "lease"), namespace=_RELEASE)
def status(
    settings: Settings,
    access: ClusterAccess,
    output: Output = "table",
) -> None:
    """Show leader, data sources, and workloads without a profile.

    The exit code is 1 if a source fails.
    """
    from app.command_line.status import print_status
    from app.command_line.terminal import output_format

    print_status(settings, access, output=output_format(output))


@program.command(
    epilog=examples(
        "job-profiler doctor",
        "job-profiler doctor --prometheus-url http://localhost:9090 -o json",
    )
)
@takes_settings(_SERVERS, shown=_SHOWN, namespace=_PROFILED)
def doctor(
    settings: Settings,
    access: ClusterAccess,
    output: Annotated[str, typer.Option("--output", "-o", help="Output format: table or json")] = "table",
) -> None:
    """Check what Prometheus has for the profiler, what is missing, and what to do.

    Sends at most 40 queries within 30 s. Where there is a kubeconfig, also checks that the API server reaches
    the webhook. The exit code is 1 if CPU or memory can't be profiled, or if that check fails.
    """
    from app.command_line.doctor import examine_and_print
    from app.command_line.printout import OutputFormat
    from app.command_line.terminal import output_format

    form = output_format(output, (OutputFormat.TABLE, OutputFormat.JSON))
    examine_and_print(settings, access, output=form)


@program.command(
    epilog=examples(
        "job-profiler probe",
        "job-profiler probe --context production -n profiling",
    )
)
@takes_settings(
    ("kubeconfig", "own_namespace", "webhook_configuration", "expected_webhook"), namespace=_RELEASE
)
def probe(settings: Settings, access: ClusterAccess) -> None:
    """Check that the API server can call the webhook; doctor does this too.

    Prints one line per check. The exit code is 1 if a check fails.
    """
    from app.command_line.probe import probe_and_print

    probe_and_print(settings, access)


@program.command(
    epilog=examples(
        "job-profiler backtest -n shop",
        "job-profiler backtest --history usage.npz --plot plots",
    )
)
@takes_settings(_USAGE, also_read=_REFUSED, shown=_SHOWN, namespace=_PROFILED)
def backtest(
    settings: Settings,
    access: ClusterAccess,
    history: Annotated[
        Path | None, typer.Option(help="History file (.npz) to read instead of Prometheus")
    ] = None,
    days: Annotated[int, typer.Option(help="Number of past whole UTC days to read from Prometheus")] = _DAYS,
    output: Output = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as -o json")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Folder for plots, or a file (.svg, .png) for slack against risk alone"),
    ] = None,
) -> None:
    """Compare this policy and other tools' rules on past usage."""
    from app.command_line.backtest import backtest_and_print
    from app.command_line.terminal import output_format

    form = output_format("json" if json else output)
    backtest_and_print(settings, access, history=history, days=days, output=form, plot=plot)


@program.command(
    epilog=examples(
        "job-profiler record -n shop -o usage.npz",
        "job-profiler record -A -o usage.npz --anonymous",
    )
)
@takes_settings(_USAGE, also_read=_REFUSED, shown=_SHOWN, namespace=_PROFILED)
def record(
    settings: Settings,
    access: ClusterAccess,
    output: Annotated[Path, typer.Option("--output", "-o", help="History file (.npz) to write")],
    days: Annotated[int, typer.Option(help="Number of past whole UTC days to record, besides today")] = _DAYS,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Replace names by hashes")] = False,
) -> None:
    """Record usage from Prometheus in a history file.

    Other commands read the file with --history instead of Prometheus.
    """
    from app.command_line.record import record_and_print

    record_and_print(settings, access, output=output, days=days, anonymous=anonymous)


@program.command(
    epilog=examples(
        "job-profiler explain shop/web",
        "job-profiler explain deploy/web -n shop --history usage.npz --plot web.svg",
    )
)
@takes_settings(
    (*_USAGE, "history_days", "risk", "profiles_namespace"),
    also_read=_REFUSED,
    shown=_SHOWN,
    namespace=_PROFILED,
)
def explain(
    settings: Settings,
    access: ClusterAccess,
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help=WORKLOAD_HELP)],
    history: Annotated[
        Path | None, typer.Option(help="History file (.npz) to read instead of Prometheus")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Plot file (.svg, .png) to write")] = None,
) -> None:
    """Explain the CPU and memory values of one workload.

    Shows the days and the values of other policies for each container. Where a cluster is read, also
    compares the values with the stored profiles.
    """
    from app.command_line.explain import explain_and_print

    explain_and_print(settings, access, workload, history=history, plot=plot)


@program.command(
    epilog=examples(
        "job-profiler demo",
        "job-profiler demo --keep",
    )
)
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the webhook running until Ctrl-C")] = False,
) -> None:
    """Show profiles and an annotated Pod; needs no cluster."""
    from app.command_line.demo import run_demo

    run_demo(keep=keep)


@program.command(
    epilog=examples(
        "source <(job-profiler completion bash)",
        "job-profiler completion fish | source",
    )
)
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that reads the script")],
) -> None:
    """Print a script that completes commands and options in a shell."""
    typer.echo(script(shell))


register(program)
register_exports(program)
register_dashboard(program)


def main() -> None:
    """Runs the program. Exit code 2: a setting or file is invalid; 1: any other known error."""
    if COMPLETE_VARIABLE in os.environ:
        get_completion_inspect_parameters()  # registers the shells with Typer
    try:
        # kubectl runs `kubectl-job_profiler` for `kubectl job-profiler`.
        is_plugin = Path(sys.argv[0]).name.startswith("kubectl-")
        program(
            prog_name="kubectl job-profiler" if is_plugin else "job-profiler", complete_var=COMPLETE_VARIABLE
        )
    except SettingsError as error:
        for fault in error.faults:
            _print_fault(fault)
        sys.exit(2)
    except HistoryFileError as error:
        _print_fault(error)
        sys.exit(2)
    except ProfilerError as error:
        _print_fault(error)
        sys.exit(1)


def _print_fault(fault: object) -> None:
    typer.echo(f"job-profiler: {printable(str(fault))}", err=True)
