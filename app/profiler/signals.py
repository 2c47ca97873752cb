"""The state of each signal (CPU, memory, connections) as one cycle found it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.quantities import format_time

CONNECTIONS = "connections"


class State(StrEnum):
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
        return self in {State.DEGRADED, State.EMPTY, State.FAILING}


@dataclass(frozen=True, slots=True)
class SignalState:
    """What one cycle found of one signal; *reason* is one CamelCase word."""

    signal: str
    state: State
    reason: str
    message: str

    def is_like(self, other: "SignalState") -> bool:
        """True where nothing changed that is worth a log line or an Event."""
        return (self.state, self.reason) == (other.state, other.reason)


class SignalBoard:
    """The latest state of each signal, and since when it is so."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[SignalState, datetime]] = {}

    def update(self, states: list[SignalState], now: datetime) -> list[SignalState]:
        """Take the states of a cycle; returns those that changed. A first `Ok` is no change."""
        changed = []
        for state in states:
            before, since = self._states.get(state.signal, (None, now))
            like = before is not None and state.is_like(before)
            if not like and (before is not None or state.state is not State.OK):
                changed.append(state)
            # The first message stays: a fault that goes on is no news.
            self._states[state.signal] = (before, since) if before and like else (state, now)
        return changed

    def as_report(self) -> list[dict[str, Any]]:
        """The states as they stand in the status report."""
        return [
            {
                "signal": state.signal,
                "state": state.state.value,
                "reason": state.reason,
                "message": state.message,
                "since": format_time(since),
            }
            for state, since in self._states.values()
        ]
