"""Factory of what a leader does with VerticalPodAutoscalers, which is rebuilt for each term."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder
from app.kubernetes.reflector import Reflector
from app.kubernetes.vertical_autoscalers import AutoscalerClient, AutoscalerStatusClient
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.rate_limiter import RateLimiter
from app.profiler.vpa.job import AutoscalerRecommender
from app.profiler.vpa.keeper import AutoscalerKeeper
from app.profiler.vpa.paced_writes import PacedWrites
from app.profiler.workload_event import EventReason
from app.runtime.adapters import ClusterEvents
from app.runtime.scheduling import scheduling_policy
from app.runtime.watches.namespace_metadata import NamespaceMetadataWatches
from app.runtime.watches.vertical_autoscalers import AutoscalerWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import Settings

_PERIOD_SECONDS = 5.0


class VpaFactory:
    """Builds the recommender and the keeper of each term."""

    def __init__(
        self, settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, events: EventRecorder
    ) -> None:
        self._settings, self._client, self._catalogue = settings, client, catalogue
        self._events = ClusterEvents(events)
        self._running: tuple[AutoscalerRecommender | AutoscalerKeeper, ...] = ()

    def faults(self) -> Mapping[str, str]:
        """The reason of each object and status that is not written, in this term."""
        return {subject: reason for job in self._running for subject, reason in job.faults().items()}

    def watches(self) -> AutoscalerWatches:
        """The watches of VerticalPodAutoscalers in one term."""
        return AutoscalerWatches(self._client, self._settings.profiling_namespace)

    async def run(
        self,
        autoscalers: AutoscalerWatches,
        metadata: NamespaceMetadataWatches,
        workloads: WorkloadWatches,
        in_scope: Callable[[str], bool],
    ) -> None:
        """Recommend, and keep objects if they are enabled, in one term, until cancelled."""
        needed: list[Reflector[Any]] = [
            *autoscalers.reflectors,
            *metadata.reflectors,
            *workloads.reflectors,
        ]
        rate_limiter = RateLimiter(self._settings.vpa_write_rate)
        self._running = (self._recommender(autoscalers, workloads, rate_limiter),)
        if self._settings.vpa_objects_enabled:
            keeper = self._keeper(autoscalers, metadata, workloads, rate_limiter, in_scope)
            self._running = (*self._running, keeper)
        async with asyncio.TaskGroup() as group:
            for job in self._running:
                group.create_task(job.run(lambda: all(watch.has_settled for watch in needed)))

    def _recommender(
        self, autoscalers: AutoscalerWatches, workloads: WorkloadWatches, rate_limiter: RateLimiter
    ) -> AutoscalerRecommender:
        return AutoscalerRecommender(
            self._settings.vpa_recommender_name,
            autoscalers.registry,
            self._catalogue,
            workloads.registry,
            AutoscalerStatusClient(self._client),
            scheduling_policy(self._settings),
            FaultAnnouncer(self._events, EventReason.LIMIT_BELOW_NEED),
            writes=PacedWrites(rate_limiter, "status"),
            period_seconds=_PERIOD_SECONDS,
            is_known=workloads.knows,
        )

    def _keeper(
        self,
        autoscalers: AutoscalerWatches,
        metadata: NamespaceMetadataWatches,
        workloads: WorkloadWatches,
        rate_limiter: RateLimiter,
        in_scope: Callable[[str], bool],
    ) -> AutoscalerKeeper:
        return AutoscalerKeeper(
            self._settings.vpa_recommender_name,
            autoscalers.registry,
            workloads.registry,
            metadata.registry,
            AutoscalerClient(self._client),
            FaultAnnouncer(self._events, EventReason.INVALID_VPA_LABEL),
            writes=PacedWrites(rate_limiter, "object"),
            period_seconds=_PERIOD_SECONDS,
            in_scope=lambda namespace: in_scope(namespace) and autoscalers.know(namespace),
            is_known=workloads.knows,
            is_served=lambda: autoscalers.are_served,
        )
