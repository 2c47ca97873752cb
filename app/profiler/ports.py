"""The protocols that the profiler uses; `app.sources`, `app.kubernetes` and the demo implement them."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.catalogue import ProfileCatalogue
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.pod_record import PodRecord
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import ProfileKind, Resource, StoredProfile
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
from app.vpa.autoscaler import VerticalAutoscaler


class UsageSource(Protocol):
    """A source of samples: a Prometheus, or a recorded history."""

    def container_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[ContainerSamples]]:
        """Complete results for parts of *steps*, newest part first, each split into days, newest day first.

        Only *namespaces* are queried. The iterator may leave out parts that fail, and may end before all of
        *steps* is covered: older steps are too much for one cycle. Instead of a result that would be
        incomplete for another namespace than those in `failed`, and at the end if a part was left out, it
        raises SourceError; results yielded before remain valid.
        """

    @property
    def found_servers(self) -> Mapping[str, str]:
        """The URLs of servers that were searched for, by what they serve; empty if they were given."""

    @property
    def container_jobs(self) -> Collection[str]:
        """The scrape jobs of the containers' series, as far as they are known."""

    @property
    def own_clusters(self) -> Collection[str]:
        """This cluster's label among those of others in the same server, as far as there are others."""

    def late_namespaces(self, kind: ProfileKind) -> Collection[str]:
        """The namespaces with samples for *kind* that came more than an hour late, as last counted."""

    async def retention_seconds(self) -> float | None:
        """The retention of the source; None if it is unknown. Raises nothing."""

    def pressure_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[PressureSamples]]:
        """The same for every kind of pressure on *resource*; without pressure if there is no such metric."""

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The owners that the source knows of Pods that ran in *steps*; raises SourceError."""

    def connection_samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """The same for connections from *namespaces*; yields nothing if no service mesh is configured."""


class WorkloadLister(Protocol):
    """Lists the Pods and workloads of the cluster."""

    async def snapshot(self) -> ClusterSnapshot:
        """The current Pods and workloads; raises ClusterError."""


class ClusterWatches(Protocol):
    """The watches of the cluster, of which some may fail."""

    def faults(self) -> Mapping[str, str]:
        """The reason of each failing watch, by what it watches."""

    def unlisted_namespaces(self) -> Mapping[str, str]:
        """The reason for each namespace that can't be read; its usage can't be attributed to workloads."""


class ProfileStore(Protocol):
    """The store of profiles."""

    @property
    def known_kinds(self) -> frozenset[ProfileKind]:
        """The kinds of which all stored profiles are known; no other is written, marked or removed."""

    async def stored(self) -> ProfileCatalogue:
        """The stored profiles, once they are listed; raises ClusterError if no kind can be."""

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Carry out one write; raises ClusterError."""

    async def set_policy(self, profile: StoredProfile, rules: Sequence[PolicyRule]) -> None:
        """Replace the rules of its policy; raises ClusterError."""

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Set or clear the condition `Stale`; raises ClusterError."""

    async def remove(self, profile: StoredProfile) -> None:
        """Delete an expired profile; raises ClusterError."""


class ReportSink(Protocol):
    """Receives the status report and Events on it."""

    async def write(self, report: Mapping[str, Any]) -> None:
        """Store the status report, unless the stored one is equal; raises ClusterError."""

    async def write_faults(self, faults: Mapping[str, str]) -> None:
        """Replace only the faults in the status report; raises ClusterError."""

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """Record one change of state as an Event; the sink logs a failure instead of raising it."""


class AutoscalerStatusWriter(Protocol):
    """Writes the status of VerticalPodAutoscalers."""

    async def write_status(self, autoscaler: VerticalAutoscaler, status: Mapping[str, Any]) -> None:
        """Replace what this program wrote of the status of an existing object.

        Raises:
            ClusterError: it was not written, since the object is gone or was replaced, or it is refused.
        """


class AutoscalerWriter(Protocol):
    """Writes the VerticalPodAutoscalers that the profiler keeps; all methods raise ClusterError."""

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Create the object, or replace what this program wrote of it."""

    async def delete(self, autoscaler: VerticalAutoscaler) -> None:
        """Delete exactly this version of the object."""


class WorkloadEventSink(Protocol):
    """Receives Events on workloads."""

    async def record(self, event: WorkloadEvent) -> None:
        """Record one Event; the sink logs a failure instead of raising it."""


class PodAnnotator(Protocol):
    """Patches annotations of running Pods."""

    async def annotate(self, pod: PodRecord, changes: Mapping[str, str | None]) -> None:
        """Change annotations of exactly this Pod (None removes one).

        Raises:
            NotFoundError: the Pod does not exist any more.
            ConflictError: another Pod has the same name now.
            ClusterError: the API server rejected the patch or is unreachable.
        """


class CheckpointStore(Protocol):
    """Stores shards of check-points by name; all methods raise ClusterError."""

    async def versions(self) -> Mapping[str, str]:
        """The version of each shard by name; ForbiddenError if the account may not list them."""

    async def read(self, name: str) -> bytes | None:
        """A shard; None if it does not exist."""

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Replace *version* (None: create) by *data*; returns the new version.

        Raises:
            ConflictError: the stored version is another one; nothing was written.
        """

    async def remove(self, name: str, version: str) -> None:
        """Delete a shard if it still has that *version*; raises ConflictError as above."""


@dataclass(frozen=True, slots=True)
class ClusterPorts:
    """The parts of the cluster that a cycle uses.

    Without `events`, no Events on workloads are recorded; without `checkpoints`, a restart reads the whole
    history again; without `watches`, none of them fails. `asking_namespaces` returns the namespaces with the
    label that asks for requests from profiles.
    """

    lister: WorkloadLister
    store: ProfileStore
    sink: ReportSink
    events: WorkloadEventSink | None = None
    checkpoints: CheckpointStore | None = None
    watches: ClusterWatches | None = None
    asking_namespaces: Callable[[], Collection[str]] = frozenset
