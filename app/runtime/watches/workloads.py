"""The workloads of one leader's term, from watches alone: a cycle finds them in memory."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import structlog

from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB
from app.errors import ClusterError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector
from app.kubernetes.workloads import WORKLOAD_KINDS, WorkloadReader, served_cron_jobs, workload_selection
from app.outage_log import contact_log
from app.periodic import Backoff, wait_synced
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.registries.workloads import WorkloadRegistry, WorkloadSink
from app.runtime.watches.pods import PodWatches

log = structlog.get_logger(__name__)

_LISTED_WITHIN_SECONDS = 60.0


class WorkloadWatches:
    """Who runs in the profiled namespaces, as long as `run` runs, and the watch of the Pods does."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str], pods: PodWatches) -> None:
        self._client, self._pods = client, pods
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._registry = WorkloadRegistry(monotonic)
        self._reflectors = {
            kind: [
                self._reflector(kind, workload_selection(kind, namespace), namespace)
                for namespace in self._namespaces
            ]
            for kind in WORKLOAD_KINDS
        }

    @property
    def reflectors(self) -> list[Reflector[WorkloadRecord]]:
        """One for each kind in each namespace."""
        return [each for reflectors in self._reflectors.values() for each in reflectors]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as watches:
            for reflectors in self._reflectors.values():
                for reflector in reflectors:
                    watches.create_task(reflector.run())
            watches.create_task(self._watch_cron_jobs())

    async def snapshot(self) -> ClusterSnapshot:
        """Who runs now, and who left lately; raises UnavailableError while not all is listed."""
        try:
            await wait_synced(lambda: not self._unlisted(), within_seconds=_LISTED_WITHIN_SECONDS)
        except TimeoutError as error:
            raise UnavailableError(f"could not be listed yet: {', '.join(self._unlisted())}") from error
        return self._registry.snapshot(self._pods.registry.owners())

    def _unlisted(self) -> list[str]:
        """The kinds without which nobody can say who runs; a CronJob is told by its Jobs."""
        kinds = [kind for kind, each in self._reflectors.items() if not all(one.is_synced for one in each)]
        return kinds if self._pods.are_listed() else ["Pod", *kinds]

    async def _watch_cron_jobs(self) -> None:
        select = await self._served_cron_jobs()
        async with asyncio.TaskGroup() as watches:
            for namespace in self._namespaces:
                watches.create_task(self._reflector(CRON_JOB, select(namespace), namespace).run())

    async def _served_cron_jobs(self) -> Callable[[str | None], ListOptions]:
        contact, backoff = contact_log(log, "the version of CronJobs"), Backoff()
        while True:
            try:
                return await served_cron_jobs(self._client)
            except ClusterError as error:
                contact.failed(error)
                await asyncio.sleep(backoff.next_pause())

    def _reflector(
        self, kind: str, selection: ListOptions, namespace: str | None
    ) -> Reflector[WorkloadRecord]:
        sink = WorkloadSink(self._registry, kind, namespace)
        return Reflector(self._client, selection, sink, keep=WorkloadReader(kind).read)
