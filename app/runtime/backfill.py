"""Factory of the back-fill, which is rebuilt for each term of a leader."""

from collections.abc import Callable

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import PodAnnotationWriter
from app.profiler.backfill.job import Backfill, ProfileChanges
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.backfill.plan import RepairPlanner
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.namespaces import NamespaceScope
from app.profiler.registries.workloads import WorkloadRegistry
from app.runtime.watches.pods import PodWatches
from app.settings.environment import Settings


class BackfillFactory:
    """Builds the back-fill of each term; the index of stored profiles lives as long as the process."""

    def __init__(
        self, settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, metrics: BackfillMetrics
    ) -> None:
        self._settings, self._metrics = settings, metrics
        self._annotator = PodAnnotationWriter(client)
        self._index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
        self._changes = ProfileChanges(catalogue)
        self._running: Backfill | None = None

    def faults(self) -> dict[str, str]:
        """The reason for each namespace with a Pod whose last repair failed, in this term."""
        return self._running.faults() if self._running else {}

    async def run(
        self,
        pods: PodWatches,
        workloads: WorkloadRegistry,
        namespaces: NamespaceScope,
        have_profiles_settled: Callable[[], bool],
    ) -> None:
        """Run the back-fill of one term, until cancelled."""
        self._running = Backfill(
            pods.registry,
            RepairPlanner(self._index, namespaces.covers, workloads.owner_of_job),
            self._annotator,
            self._changes,
            self._metrics,
            rate_limiter=RateLimiter(self._settings.backfill_rate),
            period_seconds=self._settings.background_routine_update_time,
        )
        await self._running.run(
            lambda: pods.have_settled() and namespaces.is_settled and have_profiles_settled()
        )
