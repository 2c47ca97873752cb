"""The facts of a cluster of three workloads, and a source that serves them without a cluster."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.charts.downsampling import Samples
from app.dashboard.curves import UsageCurve
from app.dashboard.facts import (
    ClusterHealth,
    Edges,
    Facts,
    Needs,
    SignalHealth,
    UsageNow,
    index_edges,
    read_needs,
)
from app.dashboard.readings import Curves
from app.dashboard.workload import PlannedPatch
from app.decisions.figures import Manifest, read_workloads
from app.decisions.savings import Prices
from app.domain.profiles import PRESSURE_OF, ProfileKind, Resource
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.history.samples import STEP_SECONDS, StepRange
from app.rightsizing.governors import Governor, GovernorKind
from tests.command_line.decided_cluster import MIB, PROFILES
from tests.decisions.manifests import Object

WEB, API, OLD = Workload("shop", "web"), Workload("shop", "api"), Workload("attic", "old")
HOSTILE = '<img src=x onerror="alert(1)">&{{ 7*7 }}'
USAGE: UsageNow = {WEB: {Resource.CPU: 0.013, Resource.MEMORY: 300.0 * MIB}}
PATCH = PlannedPatch("spec: {}\n", "kubectl patch deployment web", ["app keeps its CPU request: HPA."])


def needs(*more: Object, prices: Prices = Prices()) -> Needs:  # noqa: B008 - frozen
    """The needs in the stored profiles, and in *more* of them."""
    return needs_of(*PROFILES[ProfileKind.CPU], *PROFILES[ProfileKind.MEMORY], *more, prices=prices)


def needs_of(*manifests: Object, prices: Prices = Prices()) -> Needs:  # noqa: B008 - frozen
    """The needs in *manifests*; an autoscaler acts on web."""
    governors = {WEB: [Governor(GovernorKind.HORIZONTAL, WEB, frozenset({Resource.CPU}))]}
    return read_needs(read_workloads(manifests), governors, manifests, prices)


def edges(*more: Object) -> Edges:
    """The edges web → api and bot → web, and *more*."""
    return index_edges([*PROFILES[ProfileKind.CONNECTION], *more])


def facts(*more: Object) -> Facts:
    """All parts, read without a fault."""
    return Facts("test", None, needs(*more), edges(), ClusterHealth("a leader", "reachable"), USAGE)


def curve(resource: Resource, amount: float = 0.01) -> UsageCurve:
    """An hour of usage that stays the same, under pressure in its first step."""
    steps = StepRange(1, 12)
    times = np.arange(1, 13, dtype=np.float64) * STEP_SECONDS
    samples = Samples.of(times, np.full(12, amount))
    return UsageCurve(resource, steps, samples, {PRESSURE_OF[resource]: [1]})


@dataclass
class FakeSource:
    """The facts, or a fault for the parts in *faults*; counts how often each part is read."""

    more: Sequence[Object] = ()
    name: str = "test"
    faults: dict[str, ProfilerError] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    async def needs(self) -> Needs:
        """All figures."""
        self._count("needs")
        return needs(*self.more)

    async def edges(self) -> Edges:
        """Two edges."""
        self._count("edges")
        return edges(*(one for one in self.more if one["kind"] == "ConnectionProfile"))

    async def health(self) -> ClusterHealth:
        """A healthy profiler."""
        self._count("health")
        return ClusterHealth("a leader", "reachable", [SignalHealth("cpu", "Ok", "2026-03-01T08:00:00Z", "")])

    async def usage(self, _known: Collection[Workload]) -> UsageNow:
        """The usage of web."""
        self._count("usage")
        return USAGE

    async def curves(self, containers: Mapping[Workload, Sequence[str]]) -> Mapping[Workload, Curves]:
        """An hour of each."""
        self._count("curves")
        return {one: {resource: curve(resource) for resource in Resource} for one in containers}

    async def patch(self, _workload: Workload, _profiles: Mapping[Resource, Manifest]) -> PlannedPatch:
        """The same for each workload."""
        self._count("patch")
        return PATCH

    def _count(self, part: str) -> None:
        self.read.append(part)
        if part in self.faults:
            raise self.faults[part]
