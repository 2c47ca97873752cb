"""`job-profiler export patch`: the planned requests of one workload as a patch."""

import json
from dataclasses import dataclass, replace
from typing import Any

import typer
import yaml

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.cluster_workloads import CLUSTER, find_workload
from app.command_line.clusters import opened
from app.command_line.plan import read_cluster
from app.command_line.plan_report import reason_of
from app.command_line.scaling_report import scaling_sentence
from app.command_line.terminal import print_error, run
from app.command_line.workload_names import only_namespace, parse_workload, select_workload
from app.decisions.patches import PatchForm, autoscaler_patch, patch
from app.decisions.plan import WorkloadPlan
from app.decisions.templates import WorkloadObject
from app.domain.profiles import RiskLevel
from app.domain.workloads import CRON_JOB, Workload, is_named
from app.errors import ProfilerError, SettingsError
from app.kubernetes.workloads import WORKLOAD_KINDS
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_PATCHED_KINDS = (*WORKLOAD_KINDS, CRON_JOB)


@dataclass(frozen=True, slots=True)
class PatchQuestion:
    """The options of the command.

    *with_scaled* also counts requests that an autoscaler scales on; *autoscaler* is the name of one, whose
    patch it is then.
    """

    form: str
    risk: RiskLevel | None = None
    with_scaled: bool = False
    autoscaler: str = ""


def patch_and_print(settings: Settings, access: ClusterAccess, name: str, question: PatchQuestion) -> None:
    """Prints the patch of the workload *name*, and on standard error why amounts stay."""
    configure_logs("warning", LogFormat.CONSOLE)
    if question.form not in set(PatchForm):
        raise SettingsError([f"--output is {question.form!r}: use strategic, kustomize or json6902"])
    form = PatchForm(question.form)
    plan, found = run(_plan(settings, access, name, question))
    if question.autoscaler:
        _print_autoscaler_patch(plan, question.autoscaler, form)
        return
    typer.echo(_as_text(patch(plan, found, form), form), nl=False)
    for container in plan.containers:
        if reason := reason_of(container):
            print_error(f"{container.name} stays: {reason}")
    if not plan.containers:
        print_error(f"nothing changes: {plan.reason}")
    for added in plan.added:
        print_error(f"{added} is left out: it is not in the Pod template")
    if plan.scaling and not question.with_scaled:
        names = " or ".join(sorted({pair.autoscaler.name for pair in plan.scaling}))
        print_error(f"--with-scaled prints it too, and --autoscaler {names} its target")
    for pair in plan.scaling if question.with_scaled else ():
        print_error(scaling_sentence(plan.workload, pair))


def _print_autoscaler_patch(plan: WorkloadPlan, name: str, form: PatchForm) -> None:
    """Prints the patch of the targets that go with the planned requests."""
    own = [pair for pair in plan.scaling if pair.autoscaler.name == name]
    if not own:
        others = ", ".join(sorted({pair.autoscaler.name for pair in plan.scaling})) or "none"
        raise ProfilerError(
            f"no HorizontalPodAutoscaler {name} has a target that these requests of"
            f" {plan.workload.namespace}/{plan.workload.name} would change; those that have: {others}."
        )
    typer.echo(_as_text(autoscaler_patch(own[0].autoscaler, own, form), form), nl=False)
    for pair in own:
        print_error(scaling_sentence(plan.workload, pair))


def _as_text(document: Any, form: PatchForm) -> str:
    """JSON for a list of operations, as kubectl wants it; else YAML."""
    if form is PatchForm.JSON6902:
        return f"{json.dumps(document, indent=2)}\n"
    return yaml.safe_dump(document, sort_keys=False)


async def _plan(
    settings: Settings, access: ClusterAccess, name: str, question: PatchQuestion
) -> tuple[WorkloadPlan, WorkloadObject]:
    async with opened(settings, access) as objects:
        wanted = parse_workload(name, only_namespace(objects.namespaces))
        objects.namespaces = (wanted.namespace,)
        found = await find_object(objects, wanted)
        cluster = await read_cluster(settings, objects, question.risk)
        for note in objects.notes:
            print_error(note)
        plan = cluster.plan(found)
        if question.with_scaled:
            plan = replace(cluster.plan_unscaled(found), scaling=plan.scaling)
        return plan, found


async def find_object(objects: ClusterObjects, wanted: Workload) -> WorkloadObject:
    """The object of the workload.

    Raises:
        ProfilerError: there is none, or there are several of this name, or they can't be listed.
    """
    kinds = [wanted.kind] if wanted.kind in _PATCHED_KINDS else _PATCHED_KINDS
    listed = {found.workload: found for found in await objects.workloads(kinds)}
    if any(is_named(workload, wanted) for workload in listed):
        return listed[select_workload(wanted, listed, CLUSTER)]
    workload = await find_workload(objects, wanted, {})
    raise ProfilerError(" ".join([f"no Pod template of {workload} was found.", *objects.notes]))
