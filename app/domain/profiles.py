"""The three profiles and what they rest on; their form as custom resources is in `resources`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from app.domain.workloads import Connection, Workload


class Resource(StrEnum):
    """A resource that one replica needs: CPU in cores, memory in bytes."""

    CPU = "cpu"
    MEMORY = "memory"

    @property
    def profile_kind(self) -> "ProfileKind":
        """The kind of the profiles of this resource."""
        return ProfileKind(self.value)


class ProfileKind(StrEnum):
    """The three kinds of profiles."""

    CPU = "cpu"
    MEMORY = "memory"
    CONNECTION = "connection"


class Identity(msgspec.Struct, frozen=True, order=True, gc=False):
    """The subject of a profile: a workload has one of each resource, a connection has one."""

    kind: ProfileKind
    subject: Workload | Connection


class RiskLevel(StrEnum):
    """How much risk of exceeding a value its user takes for less slack."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Pressure(StrEnum):
    """A sign that a container needed more than its usage shows."""

    CPU_THROTTLING = "CPUThrottling"
    OOM_KILLED = "OOMKilled"


PRESSURE_OF: Mapping[Resource, Pressure] = {
    Resource.CPU: Pressure.CPU_THROTTLING,
    Resource.MEMORY: Pressure.OOM_KILLED,
}


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """How a container's value is made: 'the *rank*-th largest of the days' quantiles at *level*', and more.

    *margin* and, while little was seen, *little_history* are the shares by which that is raised. Where
    *siblings* is not 0, the value is that of so many containers of the same name elsewhere.
    """

    rank: int
    level: float
    margin: float
    days: int
    little_history: float
    siblings: int = 0


@dataclass(frozen=True, slots=True)
class StatedRisk:
    """What a value's user has to expect of the coming day, all containers apart.

    CPU: `expected` is the share of time above the value, and nine days of ten keep to `at_most`. Memory:
    `expected` is the chance that the day's maximum is above it.
    """

    level: RiskLevel
    expected: float
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a published value rests on.

    `coverage` is the share of the window's 5-minute steps that hold samples, `confidence` a figure in
    [0, 1) that grows with the hours that were seen.
    """

    window_start: datetime
    window_end: datetime
    samples: int
    coverage: float
    confidence: float


@dataclass(frozen=True, slots=True)
class SlotNeed:
    """The need in one time slot of the day (UTC), `start` and `end` as `HH:MM`."""

    start: str
    end: str
    value: str
    samples: int


@dataclass(frozen=True, slots=True)
class ContainerNeed:
    """The need of one long-running container of one replica.

    `role` is empty for a container of the application itself, else `Sidecar` or `MeshProxy`.
    """

    name: str
    value: str
    samples: int
    role: str = ""
    rule: ChosenRule | None = None


@dataclass(frozen=True, slots=True)
class PressureSignal:
    """What was seen of one container; `raised_by` is the share by which it raises the container's value now.

    It decays with time.
    """

    container: str
    reason: Pressure
    last_seen: datetime
    raised_by: float


@dataclass(frozen=True, slots=True)
class ResourceProfile:
    """What one replica of `workload` needs: the value in the contract's own spelling.

    It is the sum of the values of `containers`, in which `signals` are contained. `newest` is what would be
    chosen now, where the value stays because moving would save too little; else it is empty.
    """

    workload: Workload
    resource: Resource
    value: str
    basis: Basis
    slots: tuple[SlotNeed, ...] = ()
    containers: tuple[ContainerNeed, ...] = ()
    signals: tuple[PressureSignal, ...] = ()
    risk: StatedRisk | None = None
    newest: str = ""

    @property
    def identity(self) -> Identity:
        """The profile's subject."""
        return Identity(self.resource.profile_kind, self.workload)


@dataclass(frozen=True, slots=True)
class ConnectionProfile:
    """Mean requests and responses per minute over one directed edge, summed over all replicas.

    Bytes per second stand beside them where they were measured.
    """

    connection: Connection
    value: str
    requests_per_minute: str
    responses_per_minute: str
    basis: Basis
    request_bytes_per_second: str | None = None
    response_bytes_per_second: str | None = None

    @property
    def identity(self) -> Identity:
        """The profile's subject."""
        return Identity(ProfileKind.CONNECTION, self.connection)


Profile = ResourceProfile | ConnectionProfile


class StoredProfile(msgspec.Struct, frozen=True, gc=False):
    """What is read back from a custom resource: enough to index it and to decide on the next write."""

    name: str
    kind: ProfileKind
    subject: Workload | Connection
    value: str
    updated_at: datetime | None = None
    status_refreshed_at: datetime | None = None
    window_end: datetime | None = None
    is_stale: bool = False
    confidence: float = 0.0
    containers: Mapping[str, str] = msgspec.field(default_factory=dict)  # name to value, where it is used

    @property
    def identity(self) -> Identity:
        """The profile's subject; built on access, since an index keeps tens of thousands of profiles."""
        return Identity(self.kind, self.subject)
