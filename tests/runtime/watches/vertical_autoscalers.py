"""The watch and the recommender of VerticalPodAutoscalers on an API server, without the rest of a leader."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from app.kubernetes.client import ClusterClient
from app.kubernetes.vertical_autoscalers import AutoscalerClient, AutoscalerStatusClient
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.namespace_metadata import NamespaceMetadataRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.job import AutoscalerRecommender
from app.profiler.vpa.keeper import AutoscalerKeeper
from app.profiler.vpa.paced_writes import PacedWrites
from app.profiler.workload_event import EventReason, WorkloadEvent
from app.runtime.watches.vertical_autoscalers import AutoscalerWatches
from tests.kubernetes.polling import until
from tests.vpa.objects import POLICY, RECOMMENDER, catalogue_of


class NoEvents:
    """Drops all Events."""

    async def record(self, event: WorkloadEvent) -> None:
        """Drops one."""


def recommender_of(
    client: ClusterClient,
    watches: AutoscalerWatches,
    workloads: WorkloadRegistry,
    profiles: Iterable[dict[str, Any]],
) -> AutoscalerRecommender:
    """A recommender with these stored profiles, which writes as fast as the API server answers."""
    return AutoscalerRecommender(
        RECOMMENDER,
        watches.registry,
        catalogue_of(*profiles),
        workloads,
        AutoscalerStatusClient(client),
        POLICY,
        FaultAnnouncer(NoEvents(), EventReason.LIMIT_BELOW_NEED),
        writes=PacedWrites(RateLimiter(100_000), "status"),
        period_seconds=5,
    )


def keeper_of(
    client: ClusterClient,
    watches: AutoscalerWatches,
    workloads: WorkloadRegistry,
    namespaces: NamespaceMetadataRegistry,
) -> AutoscalerKeeper:
    """A keeper of own objects for these workloads, which writes as fast as the API server answers."""
    return AutoscalerKeeper(
        RECOMMENDER,
        watches.registry,
        workloads,
        namespaces,
        AutoscalerClient(client),
        FaultAnnouncer(NoEvents(), EventReason.INVALID_VPA_LABEL),
        writes=PacedWrites(RateLimiter(100_000), "object"),
        period_seconds=5,
    )


@asynccontextmanager
async def watching(client: ClusterClient, namespace: str) -> AsyncIterator[AutoscalerWatches]:
    """The watches of one namespace, once they are in sync."""
    watches = AutoscalerWatches(client, [namespace])
    task = asyncio.create_task(watches.run())
    try:
        await until(lambda: all(reflector.is_synced for reflector in watches.reflectors))
        yield watches
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task})
