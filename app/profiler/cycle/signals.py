"""The state of each signal (CPU, memory, connections) as one cycle found it, and how answers tell it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.profiles import PRESSURE_OF, Pressure, ProfileKind, Resource
from app.domain.quantities import format_time
from app.errors import NoNamespacesError, SourceError

PAST_UNREAD = "PastUnread"
_METRICS = {
    Resource.CPU: "container_cpu_usage_seconds_total",
    Resource.MEMORY: "container_memory_working_set_bytes",
}
_METRICS_OF_SIGNS = {
    Pressure.CPU_THROTTLING: "container_cpu_cfs_throttled_periods_total",
    Pressure.OOM_KILLED: "kube_pod_container_status_last_terminated_reason",
}


class Signal(StrEnum):
    """What a cycle collects; each signal feeds one kind of profile."""

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
    """How a signal stands; only `Failing`, `Empty` and `Degraded` ask for somebody's attention."""

    OK = "Ok"
    DEGRADED = "Degraded"
    EMPTY = "Empty"
    FAILING = "Failing"
    ABSENT = "Absent"
    OFF = "Off"

    @property
    def is_fault(self) -> bool:
        """True where a person should look."""
        return self in {Health.DEGRADED, Health.EMPTY, Health.FAILING}


@dataclass(frozen=True, slots=True)
class SignalState:
    """What one cycle found of one signal; *reason* is one CamelCase word."""

    signal: Signal
    health: Health
    reason: str
    message: str

    def is_like(self, other: "SignalState") -> bool:
        """True where nothing changed that is worth a log line or an Event."""
        return (self.health, self.reason) == (other.health, other.reason)


class SignalBoard:
    """The latest state of each signal, and since when it is so."""

    def __init__(self) -> None:
        self._states: dict[Signal, tuple[SignalState, datetime]] = {}

    def update(self, states: list[SignalState], now: datetime) -> list[SignalState]:
        """Take the states of a cycle; returns those that changed. A first `Ok` is no change."""
        changed = []
        for state in states:
            before, since = self._states.get(state.signal, (None, now))
            like = before is not None and state.is_like(before)
            if not like and (before is not None or state.health is not Health.OK):
                changed.append(state)
            # The first message stays: a fault that goes on is no news.
            self._states[state.signal] = (before, since) if before and like else (state, now)
        return changed

    def as_report(self) -> list[dict[str, Any]]:
        """The states as they stand in the status report."""
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
class Answers:
    """What the answers to one signal's questions had in common."""

    newest_was_known: bool = False  # nothing but older steps is asked for
    series: list[int] = field(default_factory=list)  # in each answer; that on the newest steps comes first
    folded: bool = False  # one of them at least
    unusable: int = 0
    off: bool = False
    error: SourceError | None = None

    @property
    def newest_is_empty(self) -> bool:
        """True where nothing new is measured any more, or not yet."""
        return not self.newest_was_known and self.series[:1] == [0]

    @property
    def has_newest(self) -> bool:
        """True where the newest steps are known, whatever became of older ones."""
        return self.newest_was_known or (self.folded and not self.newest_is_empty)

    @property
    def has_samples(self) -> bool:
        """True where anything is measured: then what is empty before it stays so."""
        return self.newest_was_known or any(self.series)


def usage_state(resource: Resource, answers: Answers) -> SignalState:
    """How the questions on a resource ended."""
    if answers.error:
        return _unanswered(Signal.of(resource), answers.error, answers)
    if answers.newest_is_empty:
        message = (
            f"Prometheus has no new {_METRICS[resource]} samples: does it scrape the kubelets' cAdvisor?"
        )
        return SignalState(Signal.of(resource), Health.EMPTY, "NoSamples", message)
    return _answered(Signal.of(resource), answers)


def signs_unknown(resource: Resource, error: SourceError) -> SignalState:
    """The question on the sign of need of a resource failed, while its usage is known."""
    reason = PRESSURE_OF[resource]
    message = f"{_METRICS_OF_SIGNS[reason]} is not known, so that what was seen before counts: {error}"
    return SignalState(Signal.of(resource), Health.DEGRADED, f"{reason}Unknown", message)


def connection_state(answers: Answers, *, mesh_seen: bool) -> SignalState:
    """How the questions on connections ended."""
    if answers.off:
        return SignalState(Signal.CONNECTIONS, Health.OFF, "Off", "connections are not asked for")
    if answers.error:
        return _unanswered(Signal.CONNECTIONS, answers.error, answers)
    if not mesh_seen:
        message = "Prometheus holds no service mesh metrics: CPU and memory profiles only"
        return SignalState(Signal.CONNECTIONS, Health.ABSENT, "NoMesh", message)
    if answers.newest_is_empty:
        message = "Prometheus has no new samples of the mesh's proxies: are they still scraped?"
        return SignalState(Signal.CONNECTIONS, Health.EMPTY, "NoSamples", message)
    return _answered(Signal.CONNECTIONS, answers)


def _unanswered(signal: Signal, error: SourceError, answers: Answers) -> SignalState:
    if isinstance(error, NoNamespacesError):
        return SignalState(signal, Health.EMPTY, error.reason, str(error))
    if answers.has_newest:
        message = f"what is new is known, but not all that is older: {error}"
        return SignalState(signal, Health.DEGRADED, PAST_UNREAD, message)
    return SignalState(signal, Health.FAILING, error.reason, str(error))


def _answered(signal: Signal, answers: Answers) -> SignalState:
    if answers.unusable:
        message = "samples that were NaN, infinite or negative were left out"
        return SignalState(signal, Health.DEGRADED, "UnusableSamples", message)
    return SignalState(signal, Health.OK, "Answered", "")
