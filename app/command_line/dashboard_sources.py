"""What the dashboard reads: a cluster with its stored profiles, or recorded usage without a cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.clusters import opened
from app.command_line.computed_figures import ComputedFigures
from app.command_line.export import find_object
from app.command_line.plan import read_cluster
from app.command_line.prometheus_access import Reached, reach_prometheus
from app.command_line.recorded_usage import UsageInput
from app.command_line.status import read_status
from app.command_line.stored_figures import prices_of, read_stored_figures, with_prices
from app.command_line.usage_input import open_usage
from app.command_line.workload_usage import narrowed, read_curves, read_usage
from app.dashboard.curves import CURVE_DAYS, UsageCurve
from app.dashboard.facts import (
    ClusterHealth,
    Edges,
    Needs,
    UsageNow,
    index_edges,
    newest_sample,
    read_health,
    read_needs,
)
from app.dashboard.workload import PlannedPatch, planned_patch
from app.decisions.figures import Manifest
from app.decisions.savings import Prices
from app.domain.profiles import ProfileKind, Resource
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.kubernetes.credentials import context_name
from app.settings.environment import Settings

_PATCH_NEEDS_CLUSTER = "A patch needs the objects of a cluster, which recorded usage does not have."


@dataclass
class ClusterFacts:
    """The parts of a cluster, each read with one client; use it as an asynchronous context manager."""

    settings: Settings
    access: ClusterAccess
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reaching: asyncio.Lock = field(default_factory=asyncio.Lock)
    _objects: ClusterObjects | None = None
    _reached: Reached | None = None

    @property
    def name(self) -> str:
        """The context, named so, and the namespaces if not all are shown."""
        namespaces = self._objects.namespaces if self._objects else ()
        return f"{self._context}, {', '.join(namespaces)}" if namespaces else self._context

    @cached_property
    def _context(self) -> str:
        access = self.access
        if not access.kubeconfig:
            return "this cluster"
        return f"context {context_name(access.kubeconfig, access.overrides)}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def needs(self) -> Needs:
        """The figures of the stored profiles in the namespaces that are asked for."""
        objects = await self._listed()
        stored = await read_stored_figures(objects)
        prices = prices_of(with_prices(self.settings, objects))
        return read_needs(stored.figures, stored.governors, stored.manifests, prices, objects.notes)

    async def edges(self) -> Edges:
        """The edges of the stored profiles with an end in the namespaces that are asked for."""
        objects = await self._listed()
        listed = await objects.profiles([ProfileKind.CONNECTION])
        return index_edges(listed[ProfileKind.CONNECTION], objects.namespaces)

    async def health(self) -> ClusterHealth:
        """The last report of the profiler on these namespaces, and the Lease of its leader."""
        objects = await self._listed()
        stored = await read_status(objects.client, objects.own_namespace, self.settings.lease)
        report = stored.report or {}
        return read_health(report, stored.leader(datetime.now(UTC)), stored.webhook, objects.namespaces)

    async def usage(self, known: Collection[Workload]) -> UsageNow:
        """The usage that Prometheus has of the last minutes."""
        reached = await self._prometheus()
        namespaces = (await self._listed()).namespaces
        settings = reached.settings.model_copy(update={"profiling_namespace": tuple(namespaces)})
        async with open_usage(replace(reached, settings=settings), None, days=1, with_today=True) as usage:
            return await read_usage(usage, known)

    async def curves(
        self, containers: Mapping[Workload, Sequence[str]]
    ) -> Mapping[Workload, Mapping[Resource, UsageCurve]]:
        """The usage that Prometheus has of some workloads."""
        reached = await self._prometheus()
        reached = replace(reached, settings=narrowed(reached, list(containers)))
        async with open_usage(reached, None, days=CURVE_DAYS, with_today=True) as usage:
            return await read_curves(usage, containers, with_pressure=True)

    async def patch(self, workload: Workload, profiles: Mapping[Resource, Manifest]) -> PlannedPatch:
        """The patch that `export patch` prints."""
        objects = await self._listed()
        objects.namespaces = (workload.namespace,)
        found = await find_object(objects, workload)
        given = {resource.profile_kind: [manifest] for resource, manifest in profiles.items()}
        cluster = await read_cluster(self.settings, objects, profiles=given)
        patch = planned_patch(cluster.plan(found), found)
        return replace(patch, reasons=(*patch.reasons, *objects.notes))

    async def _listed(self) -> ClusterObjects:
        """The objects with notes of their own: those of one reading are not those of the next."""
        async with self._opening:
            if self._objects is None:
                self._objects = await self._stack.enter_async_context(opened(self.settings, self.access))
        return replace(self._objects, notes=[])

    async def _prometheus(self) -> Reached:
        async with self._reaching:  # the search may take long, and no other part waits for it
            if self._reached is None:
                self._reached = await self._stack.enter_async_context(
                    reach_prometheus(self.settings, self.access)
                )
        return self._reached


OpenInput = Callable[[], AbstractAsyncContextManager[UsageInput]]


@dataclass(frozen=True)
class RecordedFacts:
    """The parts of recorded usage: *compute* returns its profiles, and *open_input* its usage."""

    name: str
    prices: Prices
    compute: Callable[[], Awaitable[ComputedFigures]]
    open_input: OpenInput

    async def needs(self) -> Needs:
        """The figures of the computed profiles."""
        computed = await self.compute()
        needs = read_needs(computed.figures, {}, computed.manifests, self.prices, computed.notes)
        return replace(needs, recorded_until=newest_sample(needs.profiles.values()))

    async def edges(self) -> Edges:
        """The edges in the computed profiles."""
        return index_edges((await self.compute()).manifests)

    async def health(self) -> ClusterHealth:
        """The workloads without a profile: a file has neither leader nor webhook."""
        reasons = (await self.compute()).reasons
        return ClusterHealth(without_profile=reasons, without_profile_total=len(reasons))

    async def usage(self, known: Collection[Workload]) -> UsageNow:
        """The usage in the last minutes of the record."""
        async with self.open_input() as usage:
            return await read_usage(usage, known)

    async def curves(
        self, containers: Mapping[Workload, Sequence[str]]
    ) -> Mapping[Workload, Mapping[Resource, UsageCurve]]:
        """The usage of some workloads in the last days of the record, which has no pressure."""
        async with self.open_input() as usage:
            return await read_curves(usage, containers, with_pressure=False)

    async def patch(self, _workload: Workload, _profiles: Mapping[Resource, Manifest]) -> PlannedPatch:
        """None.

        Raises:
            ProfilerError: always.
        """
        raise ProfilerError(_PATCH_NEEDS_CLUSTER)


@asynccontextmanager
async def recorded_input(settings: Settings, history: Path) -> AsyncIterator[UsageInput]:
    """The usage in a history file."""
    async with open_usage(Reached(settings), history, days=CURVE_DAYS, with_today=True) as usage:
        yield usage
