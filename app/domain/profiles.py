"""The three kinds of profiles and their evidence; `custom_resources` converts them to objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from app.domain.connection_providers import NOT_KNOWN, Counting
from app.domain.policy_rule import PolicyRule
from app.domain.protocols import Protocol
from app.domain.reporters import Reporters, declaring_namespace
from app.domain.stored_state import StoredState
from app.domain.workload_state import WorkloadState
from app.domain.workloads import Connection, Workload


class Resource(StrEnum):
    """A resource that one replica needs: CPU in cores, memory in bytes."""

    CPU = "cpu"
    MEMORY = "memory"

    @property
    def profile_kind(self) -> "ProfileKind":
        """The kind of the profiles of this resource."""
        return _KIND_OF_RESOURCE[self]


class ProfileKind(StrEnum):
    """The three kinds of profiles."""

    CPU = "cpu"
    MEMORY = "memory"
    CONNECTION = "connection"


_KIND_OF_RESOURCE = {Resource.CPU: ProfileKind.CPU, Resource.MEMORY: ProfileKind.MEMORY}


class Identity(msgspec.Struct, frozen=True, order=True, gc=False):
    """The subject of a profile: a workload has one of each resource, a connection has one."""

    kind: ProfileKind
    subject: Workload | Connection


class RiskLevel(StrEnum):
    """The accepted risk that usage exceeds a value: `low` leaves more slack, `high` less."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Pressure(StrEnum):
    """Evidence that a container needed more than its usage shows."""

    CPU_THROTTLING = "CPUThrottling"
    OOM_KILLED = "OOMKilled"
    CPU_WAITING = "CPUWaiting"
    MEMORY_STALLED = "MemoryStalled"


# The kinds on each resource, which one query reads; the coverage of the first counts for all.
PRESSURES_OF: Mapping[Resource, tuple[Pressure, Pressure]] = {
    Resource.CPU: (Pressure.CPU_THROTTLING, Pressure.CPU_WAITING),
    Resource.MEMORY: (Pressure.OOM_KILLED, Pressure.MEMORY_STALLED),
}
PRESSURE_OF: Mapping[Resource, Pressure] = {resource: kinds[0] for resource, kinds in PRESSURES_OF.items()}


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """How a container's value relates to the `days` days that it was chosen from.

    `measure` is, for CPU, the share of their time that the value covers, recent days counting most; for
    memory, by what share the value is above the largest of their maxima (below it if negative). For a short
    past the share `short_past` is added. If `siblings` is not 0, the value is the median of that many
    containers of the same name in other namespaces.
    """

    days: int
    measure: float
    short_past: float
    siblings: int = 0


@dataclass(frozen=True, slots=True)
class StatedRisk:
    """The risk of the next day, for the container with the largest risk.

    CPU: `expected` is the share of time above the value, which is at most `at_most` on nine days of ten.
    Memory: `expected` is the chance that the daily peak is above the value.
    """

    level: RiskLevel
    expected: float
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """The evidence for a published value.

    `coverage` is the share of the window's 5-minute steps with samples; `confidence`, in [0, 1), grows with
    the hours that have samples.
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
class RiskValues:
    """The need at each risk level; at the level of the profile it is the value itself."""

    low: str
    normal: str
    high: str


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
    values: RiskValues | None = None


@dataclass(frozen=True, slots=True, order=True)
class RoleNeed:
    """The need of Pods with these containers, where the Pods of one workload differ."""

    containers: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True, order=True)
class LeftOutContainer:
    """A container that does not count: ephemeral, or not in the Pod template and in few Pods."""

    name: str
    samples: int


@dataclass(frozen=True, slots=True)
class PressureSignal:
    """Pressure on one container; `raised_by`, which decays with time, is the share now added to its value.

    `killed_at_bytes` is the highest limit at an OOM kill, if the value follows from it; with `is_last_raise`
    the container was killed after all raises, and another kill adds nothing.
    """

    container: str
    reason: Pressure
    last_seen: datetime
    raised_by: float
    killed_at_bytes: int | None = None
    is_last_raise: bool = False


@dataclass(frozen=True, slots=True)
class ResourceProfile:
    """The need of one replica of `workload`, in the format of the contract.

    `value` is the sum of the values of `containers`, which include the raises in `signals`. If Pods differ,
    it is the sum over those of the largest of `roles`. `newest` is the latest choice if it differs from a
    value that stays because a change would save too little; else it is empty. `left_out` are the containers
    of the last day that do not count. `workload_state` is None if the workload's object is not known.
    `policy` has the annotations of the workload that hold.
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
    roles: tuple[RoleNeed, ...] = ()
    left_out: tuple[LeftOutContainer, ...] = ()
    workload_state: WorkloadState | None = None
    policy: tuple[PolicyRule, ...] = ()

    @property
    def identity(self) -> Identity:
        """The identity of the profile; a workload has one profile for each resource."""
        return Identity(self.resource.profile_kind, self.workload)

    @property
    def tenant(self) -> str:
        """The namespace in whose share the profile counts."""
        return self.workload.namespace


@dataclass(frozen=True, slots=True)
class StepRates:
    """The 95th percentile and the maximum of a rate over 5-minute steps."""

    p95: str
    maximum: str


@dataclass(frozen=True, slots=True)
class ReplicaRates:
    """Mean rates divided by the ready replicas of the source; bytes if they were measured."""

    replicas: int
    messages_per_minute: str
    request_bytes_per_second: str | None = None
    response_bytes_per_second: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionProfile:
    """Mean requests and responses per minute over one directed edge, summed over all replicas.

    Bytes per second are set if they were measured. `reporters` are the ends that report the edge. `messages`
    has the steps of requests and responses together; `per_replica` is None without a ready replica.
    `counting` says what counts the connection.
    """

    connection: Connection
    value: str
    requests_per_minute: str
    responses_per_minute: str
    basis: Basis
    request_bytes_per_second: str | None = None
    response_bytes_per_second: str | None = None
    reporters: Reporters = Reporters.SOURCE
    protocol: Protocol = Protocol.HTTP
    messages: StepRates | None = None
    request_bytes: StepRates | None = None
    response_bytes: StepRates | None = None
    per_replica: ReplicaRates | None = None
    counting: Counting = NOT_KNOWN

    @property
    def identity(self) -> Identity:
        """The identity of the profile."""
        return Identity(ProfileKind.CONNECTION, self.connection)

    @property
    def tenant(self) -> str:
        """The namespace in whose share the profile counts: the one that declares the connection."""
        return declaring_namespace(self.connection, self.reporters)


Profile = ResourceProfile | ConnectionProfile


class StoredProfile(msgspec.Struct, frozen=True, gc=False):
    """The part of a stored custom resource that an index and the decision on the next write need."""

    name: str
    kind: ProfileKind
    subject: Workload | Connection
    value: str
    updated_at: datetime | None = None
    status_refreshed_at: datetime | None = None
    window_end: datetime | None = None
    is_stale: bool = False
    confidence: float = 0.0
    containers: Mapping[str, str] = msgspec.field(default_factory=dict)  # value by name, if read
    reporters: Reporters = Reporters.SOURCE  # of a connection, like the bytes per second
    request_bytes: float | None = None
    response_bytes: float | None = None
    state: StoredState | None = None  # of CPU and memory, where times are read
    policy: tuple[PolicyRule, ...] = ()  # the annotations of the workload that hold

    @property
    def identity(self) -> Identity:
        """The identity of the profile; computed on access, since an index keeps tens of thousands of them."""
        return Identity(self.kind, self.subject)

    @property
    def tenant(self) -> str:
        """The namespace in whose share the profile counts."""
        if isinstance(self.subject, Connection):
            return declaring_namespace(self.subject, self.reporters)
        return self.subject.namespace
