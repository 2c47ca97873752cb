"""What the profiler asks of the world; `app.sources`, `app.kubernetes` and the demo provide it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from app.domain.catalogue import ProfileCatalogue
from app.domain.container_roles import InitContainers
from app.domain.pods import PodRecord
from app.domain.profiles import NeedReason, Resource, StoredProfile
from app.domain.workloads import Workload
from app.estimation.samples import (
    ConnectionSamples,
    ContainerSamples,
    NeedSamples,
    PastOwners,
    StepRange,
)
from app.profiler.news import News
from app.profiler.publication import Write


class UsageSource(Protocol):
    """Where measurements come from: a Prometheus, or a recorded history."""

    async def container_samples(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        """A whole answer over *steps* (at most a day); raises SourceError where it would not be whole."""

    async def need_signals(self, reason: NeedReason, steps: StepRange) -> NeedSamples:
        """Where a sign of need was seen in *steps*, nowhere where nobody tells it; raises SourceError."""

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The owners of Pods that ran in *steps*, as far as the source knows them; raises SourceError."""

    async def connection_samples(self, steps: StepRange) -> ConnectionSamples | None:
        """The same for connections; None where no mesh is to be asked."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Who runs now: each Pod's owner (None: nobody), lasting workloads, the CronJob of each Job.

    `uids` tells which objects are there, `init_containers` of those lasting workloads that have some.
    """

    pods: Mapping[tuple[str, str], Workload | None] = field(default_factory=dict)
    workloads: tuple[Workload, ...] = ()
    cron_jobs: Mapping[Workload, Workload] = field(default_factory=dict)
    uids: Mapping[Workload, str] = field(default_factory=dict)
    init_containers: Mapping[Workload, InitContainers] = field(default_factory=dict)


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

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Set or clear the condition `Stale`; raises ClusterError."""

    async def remove(self, profile: StoredProfile) -> None:
        """Delete a profile that has expired; raises ClusterError."""


class ReportSink(Protocol):
    """Where the state of the sources is told."""

    async def tell(self, report: Mapping[str, Any]) -> None:
        """Keep the newest report where a person finds it; raises ClusterError."""

    async def announce(self, reason: str, message: str, *, warning: bool) -> None:
        """Tell of one change of state as an Event; raises ClusterError."""


class NewsSink(Protocol):
    """Where a person who looks at a workload learns what became of its profiles."""

    async def record(self, news: News) -> None:
        """Tell it; nothing depends on that, so a failure is the sink's own to log."""


class PodAnnotator(Protocol):
    """How annotations reach a Pod that runs."""

    async def annotate(self, pod: PodRecord, changes: Mapping[str, str | None]) -> None:
        """Change annotations of just this Pod (None removes one).

        Raises:
            NotFoundError: the Pod is gone.
            ConflictError: another Pod has its name by now.
            ClusterError: it was refused, or could not be tried.
        """


@dataclass(frozen=True, slots=True)
class Cluster:
    """The ways in which a cycle meets the cluster; without `news` nothing is told of single workloads."""

    lister: WorkloadLister
    store: ProfileStore
    sink: ReportSink
    news: NewsSink | None = None
