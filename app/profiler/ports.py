"""What the profiler asks of the world; `app.sources`, `app.kubernetes` and the demo provide it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.catalogue import ProfileCatalogue
from app.domain.pod_record import PodRecord
from app.domain.profiles import Pressure, Resource, StoredProfile
from app.history.samples import (
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PressureSamples,
    StepRange,
)
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.profile_write import ProfileWrite
from app.profiler.workload_event import WorkloadEvent


class UsageSource(Protocol):
    """Where measurements come from: a Prometheus, or a recorded history."""

    def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """Whole answers on parts of *steps*, the newest part first, each cut into days, the newest day first.

        It may end before all of *steps* is answered: what is older is too much for one cycle. Raises
        SourceError where an answer would not be whole; those that were given before stand.
        """

    async def retention_seconds(self) -> float | None:
        """How far back it remembers, None where it does not tell; raises nothing."""

    def pressure_samples(self, reason: Pressure, steps: StepRange) -> AsyncIterator[PressureSamples]:
        """The same for where a sign of need was seen: nowhere where nobody tells it."""

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The owners of Pods that ran in *steps*, as far as the source knows them; raises SourceError."""

    def connection_samples(self, steps: StepRange) -> AsyncIterator[ConnectionSamples]:
        """The same for connections; nothing at all where no mesh is to be asked."""


class WorkloadLister(Protocol):
    """Who runs in the cluster."""

    async def directory(self) -> ClusterSnapshot:
        """The workloads of this moment; raises ClusterError."""


class ProfileStore(Protocol):
    """Where profiles are kept."""

    async def stored(self) -> ProfileCatalogue:
        """What is stored, once that is known; raises ClusterError where it can't be known."""

    async def write(self, write: ProfileWrite, now: datetime) -> None:
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


class WorkloadEventSink(Protocol):
    """Where a person who looks at a workload learns what became of its profiles."""

    async def record(self, news: WorkloadEvent) -> None:
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


class CheckpointStore(Protocol):
    """Where pieces of what was learned are kept, by name; all raise ClusterError."""

    async def versions(self) -> Mapping[str, str]:
        """The names of all pieces, and the version of each; ForbiddenError where nobody may know."""

    async def read(self, name: str) -> bytes | None:
        """A piece, None where it is gone."""

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Put *data* in place of *version* (None: there is none yet); its own version.

        Raises:
            ConflictError: another version stands there; nothing was written.
        """

    async def remove(self, name: str, version: str) -> None:
        """Drop a piece, if it is still that *version*; raises ConflictError as above."""


@dataclass(frozen=True, slots=True)
class ClusterPorts:
    """The ways in which a cycle meets the cluster.

    Without `news` nothing is told of single workloads; without `checkpoints` a restart reads the past again.
    """

    lister: WorkloadLister
    store: ProfileStore
    sink: ReportSink
    news: WorkloadEventSink | None = None
    checkpoints: CheckpointStore | None = None
