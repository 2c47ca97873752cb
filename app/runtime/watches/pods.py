"""The Pods of one leader's term: watched once, for the cycles and for back-fill.

Only the leader watches them. A follower would hold the same for nothing (40 MB at 150,000 Pods), and a new
leader's first list takes seconds; of the Pods that left before, owner metrics and names tell.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import PodAnnotationWriter, running_pods
from app.kubernetes.reflector import Reflector
from app.kubernetes.workloads import PodReader
from app.profiler.backfill.job import Backfill, ProfileChanges
from app.profiler.backfill.plan import RepairPlanner
from app.profiler.cycle.metrics import BackfillMetrics
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.namespaces import NamespaceScope
from app.profiler.registries.pods import PodRegistry, PodSink
from app.settings.environment import Settings


class PodWatches:
    """The Pods of the profiled namespaces, as long as `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str]) -> None:
        self.registry = PodRegistry(monotonic)
        keep = PodReader().read
        self.reflectors = [
            Reflector(client, running_pods(namespace), PodSink(self.registry, namespace), keep=keep)
            for namespace in namespaces or (None,)
        ]

    def are_listed(self) -> bool:
        """True once each namespace was listed."""
        return all(reflector.is_synced for reflector in self.reflectors)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as watches:
            for reflector in self.reflectors:
                watches.create_task(reflector.run())


class BackfillFactory:
    """Makes the back-fill of each term; what follows the stored profiles lives as long as the process."""

    def __init__(
        self, settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, metrics: BackfillMetrics
    ) -> None:
        self._settings, self._metrics = settings, metrics
        self._annotator = PodAnnotationWriter(client)
        self._index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
        self._changes = ProfileChanges(catalogue)

    async def run(self, pods: PodWatches, namespaces: NamespaceScope) -> None:
        """One term, until cancelled."""
        backfill = Backfill(
            pods.registry,
            RepairPlanner(self._index, namespaces.covers),
            self._annotator,
            self._changes,
            self._metrics,
            pace=RateLimiter(self._settings.backfill_rate),
            period_seconds=self._settings.background_routine_update_time,
        )
        await backfill.run(lambda: pods.are_listed() and namespaces.is_listed)
