"""`job-profiler export patch`: the planned requests of one workload as a patch."""

import json
from typing import Any

import typer
import yaml

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.cluster_workloads import CLUSTER, find_workload
from app.command_line.clusters import opened
from app.command_line.plan import read_cluster
from app.command_line.plan_report import reason_of
from app.command_line.terminal import print_error, run
from app.command_line.workload_names import only_namespace, parse_workload, select_workload
from app.decisions.patches import PatchForm, patch
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


def patch_and_print(
    settings: Settings, access: ClusterAccess, name: str, *, form: str, risk: RiskLevel | None
) -> None:
    """Prints the patch of the workload *name*, and on standard error why amounts stay."""
    configure_logs("warning", LogFormat.CONSOLE)
    if form not in set(PatchForm):
        raise SettingsError([f"--output is {form!r}: use strategic, kustomize or json6902"])
    plan, found = run(_plan(settings, access, name, risk))
    typer.echo(_as_text(patch(plan, found, PatchForm(form)), PatchForm(form)), nl=False)
    for container in plan.containers:
        if reason := reason_of(container):
            print_error(f"{container.name} stays: {reason}")
    if not plan.containers:
        print_error(f"nothing changes: {plan.reason}")
    for added in plan.added:
        print_error(f"{added} is left out: it is not in the Pod template")


def _as_text(document: Any, form: PatchForm) -> str:
    """JSON for a list of operations, as kubectl wants it; else YAML."""
    if form is PatchForm.JSON6902:
        return f"{json.dumps(document, indent=2)}\n"
    return yaml.safe_dump(document, sort_keys=False)


async def _plan(
    settings: Settings, access: ClusterAccess, name: str, risk: RiskLevel | None
) -> tuple[WorkloadPlan, WorkloadObject]:
    async with opened(settings, access) as objects:
        wanted = parse_workload(name, only_namespace(objects.namespaces))
        objects.namespaces = (wanted.namespace,)
        found = await find_object(objects, wanted)
        cluster = await read_cluster(settings, objects, risk)
        for note in objects.notes:
            print_error(note)
        return cluster.plan(found), found


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
