"""The watches of workloads in one leader's term, from which cycles read in memory.

A kind that can't be listed, in one namespace or in all, is left out: the owner reference of a Pod names its
workload, and the object adds the init containers, the CronJob of a Job, and workloads without a Pod. Without
any list of Pods there is no snapshot.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import structlog

from app.domain.namespaces import NamespaceSelection
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB
from app.errors import ClusterError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector, run_reflectors
from app.kubernetes.workloads import WORKLOAD_KINDS, WorkloadDecoder, cron_job_selection, workload_selection
from app.outage_log import contact_log
from app.periodic import Backoff, wait_synced
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.registries.workloads import WorkloadRegistry, WorkloadSink
from app.runtime.watches.pods import PodWatches

log = structlog.get_logger(__name__)

_LISTED_WITHIN_SECONDS = 60.0


class WorkloadWatches:
    """Keeps the workloads of the profiled namespaces in sync while `run` and the watch of Pods run."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str], pods: PodWatches) -> None:
        self._client, self._pods = client, pods
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._registry = WorkloadRegistry(monotonic)
        self._required = [
            self._reflector(kind, workload_selection(kind, namespace), namespace)
            for kind in WORKLOAD_KINDS
            for namespace in self._namespaces
        ]
        self._cron_jobs: list[Reflector[WorkloadRecord]] = []

    @property
    def reflectors(self) -> list[Reflector[WorkloadRecord]]:
        """One per kind and namespace; those of CronJobs once the version of their API is known."""
        return [*self._required, *self._cron_jobs]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as watches:
            watches.create_task(run_reflectors(self._required))
            watches.create_task(self._watch_cron_jobs())

    async def snapshot(self) -> ClusterSnapshot:
        """The running and the recently removed workloads.

        Raises:
            UnavailableError: some watches have no list yet after 60 s, or no Pods can be listed.
        """
        try:
            await wait_synced(lambda: not self._awaited(), within_seconds=_LISTED_WITHIN_SECONDS)
        except TimeoutError as error:
            raise UnavailableError(f"not listed yet: {', '.join(self._awaited())}") from error
        pods = self._pods.registry
        snapshot = self._registry.snapshot(pods.owners(), pods.running_workloads())
        return replace(snapshot, listed=self._listed())

    def _listed(self) -> NamespaceSelection:
        """The namespaces of which all Pods and workloads are known: each of their watches is in sync."""
        watches: list[Reflector[Any]] = [*self._pods.reflectors, *self._required]
        unknown = frozenset(
            watch.selection.namespace for watch in watches if watch.fault or not watch.is_synced
        )
        if "" in unknown:
            return NamespaceSelection(frozenset())
        return NamespaceSelection(frozenset(filter(None, self._namespaces)) or None, unknown)

    def _awaited(self) -> list[str]:
        """The resources to wait for. CronJobs are not among them: Jobs name their CronJob."""
        resources = ["pods"] if not self._pods.have_settled() else []
        resources += [watch.selection.resource for watch in self._required if not watch.has_settled]
        return list(dict.fromkeys(resources))

    async def _watch_cron_jobs(self) -> None:
        select = await self._cron_job_selection()
        self._cron_jobs = [
            self._reflector(CRON_JOB, select(namespace), namespace) for namespace in self._namespaces
        ]
        await run_reflectors(self._cron_jobs)

    async def _cron_job_selection(self) -> Callable[[str | None], ListOptions]:
        contact, backoff = contact_log(log, "the version of CronJobs"), Backoff()
        while True:
            try:
                return await cron_job_selection(self._client)
            except ClusterError as error:
                contact.failed(error)
                await asyncio.sleep(backoff.next_pause())

    def _reflector(
        self, kind: str, selection: ListOptions, namespace: str | None
    ) -> Reflector[WorkloadRecord]:
        sink = WorkloadSink(self._registry, kind, namespace)
        return Reflector(self._client, selection, sink, transform=WorkloadDecoder(kind).decode)
