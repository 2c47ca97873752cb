"""The watches of workloads in one leader's term, from which cycles read in memory.

A kind that can't be read, in one namespace or in all, is unknown, and stops no cycle: the owner reference of
a Pod names its workload, and the object adds the init containers, the CronJob of a Job, and workloads without
a Pod. Pods that can't be read leave the owners to other sources.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, cycle
from time import monotonic
from typing import Any

from app.domain.namespaces import NamespaceSelection
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB, POD, READ_KINDS, Workload
from app.errors import ClusterError, NotFoundError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector, run_reflectors
from app.kubernetes.workloads import (
    WORKLOAD_KINDS,
    WorkloadDecoder,
    cron_job_selections,
    workload_selection,
)
from app.periodic import wait_synced
from app.profiler.cluster_snapshot import ClusterSnapshot, UnreadKinds
from app.profiler.registries.namespace_metadata import NamespaceMetadataRegistry
from app.profiler.registries.workloads import WorkloadRegistry, WorkloadSink
from app.runtime.watches.namespace_metadata import NamespaceMetadataWatches
from app.runtime.watches.pods import PodWatches

_LISTED_WITHIN_SECONDS = 60.0


class WorkloadWatches:
    """Keeps the workloads of the profiled namespaces in sync while `run` and the watch of Pods run.

    Without *metadata* of namespaces, their policies are not known.
    """

    def __init__(
        self,
        client: ClusterClient,
        namespaces: Sequence[str],
        pods: PodWatches,
        metadata: NamespaceMetadataWatches | None = None,
    ) -> None:
        self._client, self._pods = client, pods
        self._metadata = metadata.registry if metadata else NamespaceMetadataRegistry()
        self._metadata_reflectors: Sequence[Reflector[Any]] = metadata.reflectors if metadata else ()
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self.registry = WorkloadRegistry(monotonic)
        self._required = {
            kind: [
                self._reflector(kind, workload_selection(kind, namespace), namespace)
                for namespace in self._namespaces
            ]
            for kind in WORKLOAD_KINDS
        }
        self._cron_jobs = [self._cron_job_reflector(namespace) for namespace in self._namespaces]
        self._by_place: dict[tuple[str, str], list[Reflector[WorkloadRecord]]] = {}
        for kind, watches in {**self._required, CRON_JOB: self._cron_jobs}.items():
            for watch in watches:
                self._by_place.setdefault((kind, watch.selection.namespace), []).append(watch)

    @property
    def reflectors(self) -> list[Reflector[WorkloadRecord]]:
        """One per kind and namespace."""
        return [*chain.from_iterable(self._required.values()), *self._cron_jobs]

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)

    async def snapshot(self) -> ClusterSnapshot:
        """The running and the recently removed workloads, as far as they can be read.

        Raises:
            UnavailableError: some watches neither have a list nor are known to fail after 60 s.
        """
        try:
            await wait_synced(lambda: not self._awaited(), within_seconds=_LISTED_WITHIN_SECONDS)
        except TimeoutError as error:
            raise UnavailableError(f"not listed yet: {', '.join(self._awaited())}") from error
        pods = self._pods.registry
        snapshot = self.registry.snapshot(pods.owners(), pods.running_workloads())
        return replace(
            snapshot,
            listed=self._listed(),
            unread=self._unread(),
            ephemeral=pods.ephemeral_containers(),
            namespace_policies=self._metadata.policies(),
            known_namespaces=self._metadata.known(),
        )

    def knows(self, workload: Workload) -> bool:
        """True if its object exists or does not: objects of its kind are listed there, and watched.

        It is asked for each VerticalPodAutoscaler in each pass, so it looks at no other watch.
        """
        places = ((workload.kind, ""), (workload.kind, workload.namespace))
        return workload.kind in READ_KINDS and not any(
            _is_unread(watch) for place in places for watch in self._by_place.get(place, ())
        )

    def _listed(self) -> NamespaceSelection:
        """The namespaces of which all Pods and workloads are known: each of their watches is in sync."""
        unknown = frozenset(place for kind, place in self._unread() if kind != CRON_JOB)
        if "" in unknown:
            return NamespaceSelection(frozenset())
        return NamespaceSelection(frozenset(filter(None, self._namespaces)) or None, unknown)

    def _unread(self) -> UnreadKinds:
        """The kinds and namespaces of the watches that are not in sync."""
        watches: dict[str, Sequence[Reflector[Any]]] = {
            POD: self._pods.reflectors,
            **self._required,
            CRON_JOB: self._cron_jobs,
        }
        return frozenset(
            (kind, watch.selection.namespace)
            for kind, of_kind in watches.items()
            for watch in of_kind
            if _is_unread(watch)
        )

    def _awaited(self) -> list[str]:
        """The resources to wait for. CronJobs are not among them: Jobs name their CronJob."""
        required: Iterable[Reflector[Any]] = chain(
            self._pods.reflectors, self._metadata_reflectors, *self._required.values()
        )
        return list(dict.fromkeys(watch.selection.resource for watch in required if not watch.has_settled))

    def _reflector(
        self, kind: str, selection: ListOptions, namespace: str | None
    ) -> Reflector[WorkloadRecord]:
        sink = WorkloadSink(self.registry, kind, namespace)
        return Reflector(self._client, selection, sink, transform=WorkloadDecoder(kind).decode)

    def _cron_job_reflector(self, namespace: str | None) -> Reflector[WorkloadRecord]:
        """The watch of CronJobs in the version that the API server serves: after a 404, the other one."""
        versions = cycle(cron_job_selections(namespace))
        reflector = self._reflector(CRON_JOB, next(versions), namespace)

        def take_other_version(error: ClusterError) -> None:
            if isinstance(error, NotFoundError):
                reflector.selection = next(versions)

        reflector.on_error = take_other_version
        return reflector


def _is_unread(watch: Reflector[Any]) -> bool:
    return bool(watch.fault) or not watch.is_synced
