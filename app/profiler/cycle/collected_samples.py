"""The outcome of a cycle's queries."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload
from app.history.samples import DroppedEdges
from app.profiler.cycle.need_limits import AbsurdNeed, NeedLimits
from app.profiler.cycle.signals import Health, Signal, SignalState


@dataclass(frozen=True, slots=True)
class CollectionLimits:
    """The edges and the usage in memory, and the largest usage that is trusted."""

    max_edges: int = 30_000
    needs: NeedLimits = field(default_factory=NeedLimits)
    max_history_bytes: int = 512 * 2**20


@dataclass(slots=True)
class CollectedSamples:
    """The outcome of one cycle's queries: the state of each signal and what could not be attributed.

    `unheard_namespaces` ask for requests while the webhook sets none. `policy_faults` has the annotations of
    workloads and namespaces that have no effect.
    """

    states: list[SignalState] = field(default_factory=list)
    samples: int = 0
    unread_past: set[ProfileKind] = field(default_factory=set)  # kinds of profiles that wait for their past
    unattributed_namespaces: set[str] = field(default_factory=set)
    distrusted_owners: AbstractSet[str] = frozenset()
    past_owner_source: str = ""
    dropped_edges: DroppedEdges = field(default_factory=dict)  # in the result for the newest steps
    absurd_needs: list[AbsurdNeed] = field(default_factory=list)
    forgotten_workloads: set[Workload] = field(default_factory=set)  # since the memory for usage was full
    found_servers: Mapping[str, str] = field(default_factory=dict)
    container_jobs: Collection[str] = ()
    own_clusters: Collection[str] = ()  # this one's label, where a server has several clusters
    failed: dict[Signal, dict[str, str]] = field(default_factory=dict)  # the reason for each namespace
    frozen: set[tuple[ProfileKind, str]] = field(
        default_factory=set
    )  # of namespaces that wait for their past
    lags_seconds: dict[Signal, int] = field(default_factory=dict)  # of the samples' arrival in the source
    unheard_namespaces: Collection[str] = ()
    policy_faults: Mapping[Workload, str] = field(default_factory=dict)

    def is_answered(self, identity: Identity) -> bool:
        """True if the query for this profile's samples succeeded."""
        failed = next(
            (names for signal, names in self.failed.items() if signal.profile_kind is identity.kind), {}
        )
        return identity.kind in self.answered_kinds and _namespace_of(identity) not in failed

    def is_frozen(self, identity: Identity) -> bool:
        """True if a stored profile stays as it is, since its past was not read again yet."""
        return (identity.kind, _namespace_of(identity)) in self.frozen

    @property
    def answered_kinds(self) -> set[ProfileKind]:
        """The kinds of profiles with successful queries."""
        return {
            state.signal.profile_kind for state in self.states if state.health in {Health.OK, Health.DEGRADED}
        }

    @property
    def usage_queries_answered(self) -> bool:
        """True unless the queries for CPU and memory both fail."""
        usage = (state for state in self.states if state.signal is not Signal.CONNECTIONS)
        return any(state.health is not Health.FAILING for state in usage)


def _namespace_of(identity: Identity) -> str:
    """The namespace whose query has the profile's samples: of a connection, that of its source."""
    subject = identity.subject
    return subject.source.namespace if isinstance(subject, Connection) else subject.namespace
