"""Factory of the recommender of VerticalPodAutoscalers, which is rebuilt for each term of a leader."""

from collections.abc import Mapping
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder
from app.kubernetes.reflector import Reflector
from app.kubernetes.vertical_autoscalers import AutoscalerStatusClient
from app.profiler.rate_limiter import RateLimiter
from app.profiler.vpa.fault_announcer import FaultAnnouncer
from app.profiler.vpa.job import AutoscalerRecommender
from app.profiler.vpa.paced_writes import PacedWrites
from app.profiler.workload_event import EventReason
from app.runtime.adapters import ClusterEvents
from app.runtime.scheduling import scheduling_policy
from app.runtime.watches.vertical_autoscalers import AutoscalerWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import Settings

_PERIOD_SECONDS = 5.0


class RecommenderFactory:
    """Builds the recommender of each term."""

    def __init__(
        self, settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, events: EventRecorder
    ) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._events = ClusterEvents(events)
        self._writer = AutoscalerStatusClient(client)
        self._running: AutoscalerRecommender | None = None

    def faults(self) -> Mapping[str, str]:
        """The reason of each status that is not written, in this term."""
        return self._running.faults() if self._running else {}

    async def run(self, autoscalers: AutoscalerWatches, workloads: WorkloadWatches) -> None:
        """Run the recommender of one term, until cancelled."""
        watches: list[Reflector[Any]] = [*autoscalers.reflectors, *workloads.reflectors]
        self._running = AutoscalerRecommender(
            self._settings.vpa_recommender_name,
            autoscalers.registry,
            self._catalogue,
            workloads.registry,
            self._writer,
            scheduling_policy(self._settings),
            FaultAnnouncer(self._events, EventReason.LIMIT_BELOW_NEED),
            writes=PacedWrites(RateLimiter(self._settings.vpa_write_rate), "status"),
            period_seconds=_PERIOD_SECONDS,
            is_known=workloads.knows,
        )
        await self._running.run(lambda: all(watch.has_settled for watch in watches))
