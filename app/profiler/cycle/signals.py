"""The state of each signal (CPU, memory, connections), derived from the query results of a cycle."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.profiles import PRESSURE_OF, Pressure, ProfileKind, Resource
from app.domain.quantities import format_time
from app.errors import NoNamespacesError, SourceError
from app.history.samples import STEP_SECONDS, StepRange

PAST_UNREAD, NAMESPACES_FAILED, LATE_SAMPLES = "PastUnread", "NamespacesFailed", "LateSamples"
_MAX_NAMED = 5
_METRICS = {
    Resource.CPU: "container_cpu_usage_seconds_total",
    Resource.MEMORY: "container_memory_working_set_bytes",
}
_PRESSURE_METRICS = {
    Pressure.CPU_THROTTLING: "container_cpu_cfs_throttled_periods_total",
    Pressure.OOM_KILLED: "kube_pod_container_status_last_terminated_reason",
}


class Signal(StrEnum):
    """CPU, memory or connections, as a cycle collects them; each signal feeds one kind of profile."""

    CPU = "cpu"
    MEMORY = "memory"
    CONNECTIONS = "connections"

    @property
    def profile_kind(self) -> ProfileKind:
        """The kind of the profiles that are derived from the signal."""
        return _PROFILE_KINDS[self]

    @staticmethod
    def of(resource: Resource) -> "Signal":
        """The signal of a resource's usage."""
        return _SIGNALS[resource]


_SIGNALS = {Resource.CPU: Signal.CPU, Resource.MEMORY: Signal.MEMORY}
_PROFILE_KINDS = {
    Signal.CPU: ProfileKind.CPU,
    Signal.MEMORY: ProfileKind.MEMORY,
    Signal.CONNECTIONS: ProfileKind.CONNECTION,
}


class Health(StrEnum):
    """The health of a signal; `Failing`, `Empty` and `Degraded` need attention."""

    OK = "Ok"
    DEGRADED = "Degraded"
    EMPTY = "Empty"
    FAILING = "Failing"
    ABSENT = "Absent"
    OFF = "Off"

    @property
    def is_fault(self) -> bool:
        """True if the state needs attention."""
        return self in {Health.DEGRADED, Health.EMPTY, Health.FAILING}


@dataclass(frozen=True, slots=True)
class SignalState:
    """The state of one signal after a cycle; *reason* is one CamelCase word."""

    signal: Signal
    health: Health
    reason: str
    message: str

    def has_same_reason(self, other: "SignalState") -> bool:
        """True if the change, if any, is not worth a log line or an Event."""
        return (self.health, self.reason) == (other.health, other.reason)


class SignalStates:
    """The latest state of each signal, and when it began."""

    def __init__(self) -> None:
        self._states: dict[Signal, tuple[SignalState, datetime]] = {}

    def update(self, states: list[SignalState], now: datetime) -> list[SignalState]:
        """Store the states of a cycle; returns those that changed. A first `Ok` is no change."""
        changed = []
        for state in states:
            before, since = self._states.get(state.signal, (None, now))
            same = before is not None and state.has_same_reason(before)
            if not same and (before is not None or state.health is not Health.OK):
                changed.append(state)
            # The first message stays: a fault that persists is no change.
            self._states[state.signal] = (before, since) if before and same else (state, now)
        return changed

    def as_report(self) -> list[dict[str, Any]]:
        """The states as the status report has them."""
        return [
            {
                "signal": state.signal.value,
                "state": state.health.value,
                "reason": state.reason,
                "message": state.message,
                "since": format_time(since),
            }
            for state, since in self._states.values()
        ]


@dataclass(slots=True)
class SignalResults:
    """A summary of one signal's query results in a cycle."""

    only_older_steps: bool = False  # the newest step is known already
    series_counts: list[int] = field(default_factory=list)  # of each result, newest steps first
    folded: bool = False  # at least one result
    is_stalled: bool = False  # no newer samples came for longer than they may be late
    unusable: int = 0
    off: bool = False
    error: SourceError | None = None
    newest_failed: bool = False
    unanswered_provider: str = ""
    unseen: str = ""  # what the metrics of the newest steps lack, in words
    failed: dict[str, str] = field(default_factory=dict)  # the reason for each namespace without a result

    @property
    def newest_is_empty(self) -> bool:
        """True if the newest steps have no samples: not any more, or not yet."""
        is_empty = self.series_counts[:1] == [0] or self.is_stalled
        return not self.only_older_steps and not self.newest_failed and is_empty

    @property
    def has_newest(self) -> bool:
        """True if the newest steps are known, even if older ones are not."""
        return self.only_older_steps or (self.folded and not self.newest_failed and not self.newest_is_empty)

    def note(self, steps: StepRange, part: StepRange, failed: Mapping[str, str]) -> None:
        """Record one result on *steps* of the queried *part*, before its series are counted."""
        self.newest_failed |= not self.series_counts and not self.only_older_steps and steps.last < part.last
        self.failed |= failed


def usage_state(resource: Resource, results: SignalResults) -> SignalState:
    """The state of a resource's signal after its queries."""
    if results.error:
        return _failure_state(Signal.of(resource), results.error, results)
    if results.newest_is_empty:
        message = (
            f"Prometheus has no new {_METRICS[resource]} samples: does it scrape the kubelets' cAdvisor?"
        )
        return SignalState(Signal.of(resource), Health.EMPTY, "NoSamples", message)
    return _success_state(Signal.of(resource), results)


def pressure_unknown_state(resource: Resource, error: str) -> SignalState:
    """The state of a resource's signal if only the query for its pressure failed."""
    reason = PRESSURE_OF[resource]
    message = f"the query for {_PRESSURE_METRICS[reason]} failed, earlier samples of it still count: {error}"
    return SignalState(Signal.of(resource), Health.DEGRADED, f"{reason}Unknown", message)


def connection_state(results: SignalResults, *, mesh_seen: bool) -> SignalState:
    """The state of the connections signal after its queries."""
    if results.off:
        return SignalState(Signal.CONNECTIONS, Health.OFF, "Off", "connections are not queried")
    if results.error:
        return _failure_state(Signal.CONNECTIONS, results.error, results)
    if not mesh_seen:
        message = "Prometheus holds no metrics that count connections: CPU and memory profiles only"
        return SignalState(Signal.CONNECTIONS, Health.ABSENT, "NoMesh", message)
    if results.newest_is_empty:
        message = "Prometheus has no new samples of what counts connections: is it still scraped?"
        return SignalState(Signal.CONNECTIONS, Health.EMPTY, "NoSamples", message)
    state = _success_state(Signal.CONNECTIONS, results)
    if results.unseen and state.health is Health.OK:
        return SignalState(Signal.CONNECTIONS, Health.OK, "BytesNotSeen", results.unseen)
    return state


def _failure_state(signal: Signal, error: SourceError, results: SignalResults) -> SignalState:
    if isinstance(error, NoNamespacesError):
        return SignalState(signal, Health.EMPTY, error.reason, str(error))
    if results.has_newest:
        message = f"the newest samples were read, but not all older ones: {error}"
        return SignalState(signal, Health.DEGRADED, PAST_UNREAD, message)
    return SignalState(signal, Health.FAILING, error.reason, str(error))


def state_without(state: SignalState, failed: Mapping[str, str]) -> SignalState:
    """The *state* if some namespaces failed: `Degraded` instead of `Ok`.

    They are listed as faults, since they may change while the state lasts.
    """
    if not failed or state.health is not Health.OK:
        return state
    message = "the query fails for some namespaces, which are listed as faults; all others are up to date"
    return SignalState(state.signal, Health.DEGRADED, NAMESPACES_FAILED, message)


def late_samples_state(
    state: SignalState, lost: Counter[str], open_steps: int, hours_late: Collection[str] = ()
) -> SignalState:
    """The *state* if samples came too late to count: `Degraded` instead of `Ok`.

    *lost* has the number of these samples by namespace; *hours_late* are the namespaces with samples that
    came more than an hour late.
    """
    if not (lost or hours_late) or state.health is not Health.OK:
        return state
    names = [*sorted(lost, key=lambda name: (-lost[name], name)), *hours_late]
    names = list(dict.fromkeys(names))
    listed = ", ".join([*names[:_MAX_NAMED], *("…" for _ in names[_MAX_NAMED : _MAX_NAMED + 1])])
    message = f"samples reached Prometheus too late to count, in the namespaces {listed}"
    if hours_late:
        message += "; some came more than an hour late"
    message += f"; those up to {open_steps * STEP_SECONDS // 60} minutes late count"
    return SignalState(state.signal, Health.DEGRADED, LATE_SAMPLES, message)


def _success_state(signal: Signal, results: SignalResults) -> SignalState:
    if results.unanswered_provider:
        message = f"what counts connections does not answer together: {results.unanswered_provider}"
        return SignalState(signal, Health.DEGRADED, "MeshFailed", message)
    if results.unusable:
        message = "samples that were NaN, infinite or negative were left out"
        return SignalState(signal, Health.DEGRADED, "UnusableSamples", message)
    return SignalState(signal, Health.OK, "Answered", "")
