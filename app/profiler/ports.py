"""What the profiler asks of the world; `app.sources`, `app.kubernetes` and the demo provide it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Resource
from app.domain.workloads import PodNames, Workload
from app.estimation.samples import ConnectionSamples, ContainerSamples, StepRange
from app.profiler.publication import Write

PROFILED_KINDS = frozenset({"Deployment"})


class UsageSource(Protocol):
    """Where measurements come from: a Prometheus, or a recorded history."""

    async def container_samples(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        """A whole answer over *steps* (at most a day); raises SourceError where it would not be whole."""

    async def connection_samples(self, steps: StepRange) -> ConnectionSamples | None:
        """The same for connections; None where no mesh is to be asked."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The workloads that exist: who owns which Pod, and every Deployment."""

    pods: Mapping[tuple[str, str], Workload | None] = field(default_factory=dict)
    deployments: tuple[Workload, ...] = ()

    def attribution(self) -> "Attribution":
        """How the Pods of this moment and of the past find their workload."""
        return Attribution(self.pods, PodNames(self.deployments))


class Attribution:
    """Maps (namespace, Pod) to its workload: by owner where the Pod is known, by its exact name elsewhere."""

    def __init__(self, pods: Mapping[tuple[str, str], Workload | None], names: PodNames) -> None:
        self._pods = pods
        self._names = names

    def __call__(self, namespace: str, pod: str) -> Workload | None:
        """The workload, or None where nobody we know made the Pod."""
        known = (namespace, pod) in self._pods
        workload = self._pods[namespace, pod] if known else self._names.workload(namespace, pod)
        return workload if workload is not None and workload.kind in PROFILED_KINDS else None


class WorkloadLister(Protocol):
    """Who runs in the cluster."""

    async def directory(self) -> Directory:
        """The workloads of this moment; raises ClusterError."""


class ProfileStore(Protocol):
    """Where profiles are kept."""

    async def stored(self) -> ProfileCatalogue:
        """What is stored, once that is known; raises ClusterError where it can't be known."""

    async def write(self, write: Write, now: datetime) -> None:
        """Carry out one write; raises ClusterError."""


class ReportSink(Protocol):
    """Where the state of the sources is told."""

    async def tell(self, report: Mapping[str, Any]) -> None:
        """Keep the newest report where a person finds it; raises ClusterError."""

    async def announce(self, reason: str, message: str, *, warning: bool) -> None:
        """Tell of one change of state as an Event; raises ClusterError."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The three ways in which a cycle meets the cluster."""

    lister: WorkloadLister
    store: ProfileStore
    sink: ReportSink
