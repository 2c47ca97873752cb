"""`job-profiler export vpa`: VerticalPodAutoscalers as manifests, for a repository."""

import asyncio

import typer
import yaml

from app.command_line.cluster_access import ClusterAccess
from app.command_line.clusters import opened
from app.command_line.export import find_object
from app.command_line.releases import with_variables
from app.command_line.terminal import print_error
from app.command_line.workload_names import only_namespace, parse_workload
from app.decisions.exported_autoscalers import ExportedAutoscalers, export_autoscalers
from app.errors import SettingsError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.task_group import task_group
from app.vpa.autoscaler import read_autoscaler
from app.vpa.labels import MODES
from app.vpa.update_mode import UpdateMode


def autoscalers_and_print(settings: Settings, access: ClusterAccess, name: str, *, mode: str | None) -> None:
    """Prints an object for the workload *name*, or for all, and on standard error which have none."""
    configure_logs("warning", LogFormat.CONSOLE)
    if mode is not None and mode not in MODES:
        raise SettingsError([f"--mode is {mode!r}: use {', '.join(MODES[:-1])} or {MODES[-1]}"])
    exported = asyncio.run(_export(settings, access, name, UpdateMode(mode) if mode else None))
    typer.echo(yaml.safe_dump_all(exported.manifests, sort_keys=False), nl=False)
    for note in exported.notes:
        print_error(note)


async def _export(
    settings: Settings, access: ClusterAccess, name: str, mode: UpdateMode | None
) -> ExportedAutoscalers:
    async with opened(settings, access) as objects:
        if name:
            wanted = parse_workload(name, only_namespace(objects.namespaces))
            objects.namespaces = (wanted.namespace,)
            workloads = [await find_object(objects, wanted)]
        else:
            workloads = await objects.workloads()
        async with task_group() as tasks:
            labels = tasks.create_task(objects.namespace_labels())
            autoscalers = tasks.create_task(objects.vertical_autoscalers())
        for note in objects.notes:
            print_error(note)
        recommender = with_variables(settings, objects.variables, ("vpa_recommender_name",))
        return export_autoscalers(
            workloads,
            labels.result(),
            map(read_autoscaler, autoscalers.result()),
            recommender.vpa_recommender_name,
            mode,
        )
