"""`job-profiler doctor`: asks Prometheus what it has, and prints what follows from that."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import typer

from app.command_line.cluster import uses_cluster
from app.command_line.cluster_access import ClusterAccess
from app.command_line.doctor_report import as_json, show
from app.command_line.name_resolution import resolution_fault
from app.command_line.plain_console import console
from app.command_line.printout import OutputFormat
from app.command_line.prometheus_access import check_namespaces, reach_prometheus
from app.command_line.terminal import run
from app.command_line.webhook_check import check_webhook
from app.diagnosis.catalogue import MESHES, Exporter
from app.diagnosis.diagnosis import Diagnosis, diagnose
from app.diagnosis.examination import MAX_QUERIES, MAX_SECONDS, examine
from app.diagnosis.observations import Answer, Observations
from app.diagnosis.questions import MetricQuestion
from app.diagnosis.target import Target
from app.domain.connection_providers import AUTO
from app.errors import ClusterError, SourceError
from app.runtime.logs import configure_logs
from app.runtime.prometheus import check_access, open_api
from app.runtime.scope import namespace_scope, query_scope
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.sources.prometheus import ForwardedBy
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import ClusterName
from app.sources.row_limit import RowLimit

_QUERY_SECONDS = 10.0
_SIGNAL = "doctor"
_MAX_ROWS = 20_000  # namespaces and scrape jobs of a query


def examine_and_print(settings: Settings, access: ClusterAccess, *, output: OutputFormat) -> None:
    """Prints the diagnosis, and that of the webhook where there is a kubeconfig.

    The exit code is 1 if CPU or memory can't be profiled, or if the webhook is not reached.
    """
    configure_logs("error", LogFormat.CONSOLE)
    check_access(settings)
    has_cluster = bool(access.kubeconfig) and uses_cluster(settings, access)
    diagnosis = run(_diagnose(settings, access, time.time(), has_cluster=has_cluster))
    webhook = run(check_webhook(settings, access)) if has_cluster else None
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(as_json(diagnosis, webhook), indent=2))
    else:
        show(console(), diagnosis, webhook)
    if not diagnosis.is_healthy or (webhook and webhook.has_failed):
        sys.exit(1)


async def _diagnose(settings: Settings, access: ClusterAccess, now: float, *, has_cluster: bool) -> Diagnosis:
    if has_cluster:
        with suppress(ClusterError):  # the check of the webhook says so
            await check_namespaces(settings, access)
    async with reach_prometheus(settings, access) as reached:
        return await diagnose_servers(reached.settings, now, reached.forwarded_by)


async def diagnose_servers(
    settings: Settings, now: float, forwarded_by: ForwardedBy = lambda _: None
) -> Diagnosis:
    """The diagnosis of the Prometheus of the settings at the Unix time *now*, and of the mesh's own."""
    timeout_seconds = min(settings.prometheus_timeout, _QUERY_SECONDS)
    url, mesh_url = settings.prometheus_base_url, settings.connections_base_url
    async with AsyncExitStack() as stack:
        # A query is not sent again: the number of queries is limited.
        apis = {
            each: await stack.enter_async_context(
                open_api(settings, each, timeout_seconds=timeout_seconds, tries=1, forwarded_by=forwarded_by)
            )
            for each in dict.fromkeys(filter(None, (url, mesh_url)))
        }
        server = apis[url]
        deadline = asyncio.get_running_loop().time() + MAX_SECONDS
        dialled = [api for api in apis.values() if not forwarded_by(api.url)]
        faults = await asyncio.gather(*(resolution_fault(api.url, timeout_seconds) for api in dialled))
        unresolved = dict(zip(dialled, faults, strict=True))
        servers = _Servers(server, apis.get(mesh_url, server), unresolved, deadline)
        seen, retention_seconds = await _examine(servers, _target(settings), now)
    return diagnose(server.url, seen, retention_seconds)


def _target(settings: Settings) -> Target:
    scope = query_scope(settings, namespace_scope(settings).current())
    providers = settings.network_metric_provider
    meshes = [mesh for mesh in MESHES if not {AUTO, mesh.value}.isdisjoint(providers)]
    cluster = (
        ClusterName(settings.connections_prometheus_cluster, settings.connections_prometheus_cluster_label)
        if settings.connections_base_url
        else None
    )
    exporters = (Exporter.KUBELET, Exporter.KUBE_STATE_METRICS, *meshes)
    return Target(scope, cluster, exporters, providers, has_sampling=settings.service_graph_sampling > 0)


@dataclass(slots=True)
class _Servers:
    """Both Prometheus servers, those of unknown names, and what is left of the limits on queries and time."""

    containers: PrometheusApi
    mesh: PrometheusApi
    unresolved: Mapping[PrometheusApi, SourceError | None]
    deadline: float
    queries_left: int = MAX_QUERIES - 1  # one is the question on the retention

    async def answer(self, question: MetricQuestion) -> Answer:
        """The answer to a question; an error if it has none within the limits."""
        api, batch = self.mesh if question.of_connections else self.containers, question.batch
        if fault := self.unresolved.get(api):
            return fault
        if not self.queries_left:
            return SourceError("NotAsked", f"{MAX_QUERIES} queries were sent, and no more are")
        self.queries_left -= 1
        try:
            async with asyncio.timeout_at(self.deadline):
                result = await api.query_range(
                    batch.query,
                    batch.labels,
                    batch.steps,
                    batch.optional,
                    signal=_SIGNAL,
                    limit=RowLimit(_MAX_ROWS),
                )
        except TimeoutError:
            return SourceError("TimedOut", f"{MAX_SECONDS} s are over")
        except SourceError as error:
            return error
        return question.read(result)

    async def retention_seconds(self) -> float | None:
        """The retention time of the containers' server; None if the limit is over before."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self.deadline):
                return await self.containers.retention_seconds()
        return None

    async def answers(self, questions: Sequence[MetricQuestion]) -> list[Answer]:
        """The answers to all *questions*, in order."""
        return list(await asyncio.gather(*map(self.answer, questions)))


async def _examine(servers: _Servers, target: Target, now: float) -> tuple[Observations, float | None]:
    """What is seen, and the retention time, which is asked of a server that has answered."""
    examination = examine(target, now)
    batch, retention = next(examination), None
    async with asyncio.TaskGroup() as tasks:
        while True:
            answers = await servers.answers(batch)
            try:
                batch = examination.send(answers)
            except StopIteration as end:
                seen: Observations = end.value
                return seen, await retention if retention else None
            retention = retention or tasks.create_task(servers.retention_seconds())
