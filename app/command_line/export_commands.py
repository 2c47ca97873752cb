"""`job-profiler export`, for `root`: the commands that print objects for kubectl, Kustomize and GitOps."""

from typing import Annotated

import typer

from app.command_line.cluster_access import ClusterAccess
from app.command_line.options import Risk, examples, risk_level, takes_settings
from app.command_line.workload_names import WORKLOAD_HELP
from app.settings.environment import Settings

exports = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_CLUSTER = ("profiling_namespace", "kubeconfig", "own_namespace", "profiles_namespace")
_SHOWN = ("profiling_namespace", "kubeconfig")
_PROFILED = "profiling_namespace"
_SCHEDULING = tuple(name for name in Settings.model_fields if name.startswith("scheduling_"))


@takes_settings((*_CLUSTER, "excluded_namespaces", *_SCHEDULING), shown=_SHOWN, namespace=_PROFILED)
def patch(
    settings: Settings,
    access: ClusterAccess,
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help=WORKLOAD_HELP)],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Form: strategic, kustomize or json6902")
    ] = "strategic",
    risk: Risk = None,
    with_scaled: Annotated[
        bool,
        typer.Option("--with-scaled", help="Also requests that a HorizontalPodAutoscaler scales on"),
    ] = False,
    autoscaler: Annotated[
        str,
        typer.Option(
            "--autoscaler",
            metavar="NAME",
            help="Patch of this HorizontalPodAutoscaler of the workload: targets that keep the replicas",
        ),
    ] = "",
) -> None:
    """Print the planned requests of a workload as a patch for kubectl or Kustomize."""
    from app.command_line.export import PatchQuestion, patch_and_print

    question = PatchQuestion(output, risk_level(risk), with_scaled, autoscaler)
    patch_and_print(settings, access, workload, question)


@takes_settings(_CLUSTER, namespace=_PROFILED)
def quota(
    settings: Settings,
    access: ClusterAccess,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Form: resource-quota or resource-slice (of Liqo)")
    ] = "resource-quota",
    provider: Annotated[
        str,
        typer.Option(metavar="ID", help="ID of the Liqo cluster that provides the slice", show_default=False),
    ] = "",
    risk: Risk = None,
) -> None:
    """Print what the Pods of a namespace need together, as ResourceQuota or Liqo ResourceSlice.

    At the replicas of now; standard error says what more replicas need.
    """
    from app.command_line.export_quota import QuotaQuestion, quota_and_print

    quota_and_print(settings, access, QuotaQuestion(output, provider, risk_level(risk)))


@takes_settings((*_CLUSTER, "excluded_namespaces"), namespace=_PROFILED)
def network_policy(
    settings: Settings,
    access: ClusterAccess,
    output: Annotated[str, typer.Option("--output", "-o", help="Form: yaml or json")] = "yaml",
    ignore: Annotated[
        str,
        typer.Option(
            help="Workloads on the host network that call none here, besides those of kube-system:"
            " NAMESPACE or NAMESPACE/NAME, with *, by commas"
        ),
    ] = "",
) -> None:
    """Print NetworkPolicies that allow the connections that were seen.

    A warning stands in place of a policy that could cut traffic.
    """
    from app.command_line.export_network_policy import PolicyQuestion, policies_and_print

    patterns = ("kube-system", *(part.strip() for part in ignore.split(",") if part.strip()))
    policies_and_print(settings, access, PolicyQuestion(output, patterns))


@takes_settings((*_CLUSTER, "excluded_namespaces"), namespace=_PROFILED)
def vpa(
    settings: Settings,
    access: ClusterAccess,
    workload: Annotated[
        str, typer.Argument(metavar="[WORKLOAD]", help=f"{WORKLOAD_HELP}; all, if none is given")
    ] = "",
    mode: Annotated[
        str | None,
        typer.Option(help="Mode in place of that of labels: Off, Initial, InPlaceOrRecreate, Recreate"),
    ] = None,
) -> None:
    """Print VerticalPodAutoscalers that take recommendations of the profiler."""
    from app.command_line.export_autoscalers import autoscalers_and_print

    autoscalers_and_print(settings, access, workload, mode=mode)


_EXAMPLES = {
    patch: (
        "export patch deploy/web -n shop -o json6902",
        "export patch shop/web --autoscaler web",
    ),
    network_policy: (
        "export network-policy -n shop",
        "export network-policy -n shop --ignore 'monitoring/node-*'",
    ),
    quota: ("export quota -n shop", "export quota -n shop -o resource-slice --provider milan"),
    vpa: ("export vpa -n shop --mode InPlaceOrRecreate", "export vpa deploy/web -n shop"),
}


def register(program: typer.Typer) -> None:
    """Adds `export` with its commands to *program*."""
    for command, lines in _EXAMPLES.items():
        exports.command(epilog=examples(*(f"job-profiler {line}" for line in lines)))(command)
    program.add_typer(exports, name="export", help="Print what profiles say as objects to apply.")
