"""The states of signals: which differences are changes, and when a state began."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.profiles import Resource
from app.errors import NoNamespacesError, SourceError
from app.profiler.cycle.signals import (
    Health,
    Signal,
    SignalResults,
    SignalState,
    SignalStates,
    connection_state,
    usage_state,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
OK = SignalState(Signal.CPU, Health.OK, "Answered", "")
TIMED_OUT = SignalState(Signal.CPU, Health.FAILING, "TimedOut", "no answer within 60 s")


def board(*states: SignalState) -> SignalStates:
    """The states after one update per minute, the last one at noon."""
    filled = SignalStates()
    for index, state in enumerate(states):
        filled.update([state], NOON - timedelta(minutes=len(states) - 1 - index))
    return filled


def test_a_first_ok_is_no_change_and_a_first_fault_is_one() -> None:
    """A start without a fault is no change."""
    assert SignalStates().update([OK], NOON) == []
    assert SignalStates().update([TIMED_OUT], NOON) == [TIMED_OUT]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(OK, id="another-state"),
        pytest.param(SignalState(Signal.CPU, Health.FAILING, "HTTPError", "500"), id="another-reason"),
    ],
)
def test_another_state_or_reason_is_a_change(after: SignalState) -> None:
    """The second update with the same state is no change."""
    filled = board(TIMED_OUT)

    assert filled.update([after], NOON) == [after]
    assert filled.update([after], NOON) == []


def test_another_message_alone_is_no_change() -> None:
    """A persisting fault is no change although its text varies; the first text and time stay."""
    filled = board(TIMED_OUT, TIMED_OUT)
    varied = SignalState(Signal.CPU, Health.FAILING, "TimedOut", "no answer within 61 s")

    assert filled.update([varied], NOON + timedelta(hours=1)) == []
    assert filled.as_report() == [
        {
            "signal": "cpu",
            "state": "Failing",
            "reason": "TimedOut",
            "message": "no answer within 60 s",
            "since": "2026-03-04T11:59:00Z",
        }
    ]


def test_since_is_the_moment_of_the_change() -> None:
    """Failing at 11:59, Ok again at 12:00."""
    (entry,) = board(TIMED_OUT, OK).as_report()

    assert (entry["state"], entry["since"]) == ("Ok", "2026-03-04T12:00:00Z")


def test_states_that_need_attention_are_faults() -> None:
    """No mesh, or disabled connections, need no attention."""
    faults = {state for state in Health if state.is_fault}

    assert faults == {Health.DEGRADED, Health.EMPTY, Health.FAILING}


def test_signals_change_independently() -> None:
    """A change of one signal is no change of another."""
    memory = SignalState(Signal.MEMORY, Health.OK, "Answered", "")
    filled = board(OK)
    filled.update([memory], NOON)

    assert filled.update([TIMED_OUT, memory], NOON) == [TIMED_OUT]


LOST = SourceError("HTTPError", "500")
FAILING, PAST_UNREAD = (Health.FAILING, "HTTPError"), (Health.DEGRADED, "PastUnread")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(SignalResults(error=LOST), FAILING, id="nothing was answered"),
        pytest.param(
            SignalResults(series_counts=[5], error=LOST), FAILING, id="answered, but not attributed"
        ),
        pytest.param(
            SignalResults(series_counts=[5], folded=True, error=LOST), PAST_UNREAD, id="older steps failed"
        ),
        pytest.param(
            SignalResults(series_counts=[0, 5], folded=True, error=LOST),
            FAILING,
            id="nothing new, and older steps failed",
        ),
        pytest.param(
            SignalResults(only_older_steps=True, error=LOST), PAST_UNREAD, id="only older steps were asked"
        ),
        pytest.param(SignalResults(series_counts=[0]), (Health.EMPTY, "NoSamples"), id="nothing new"),
        pytest.param(
            SignalResults(only_older_steps=True, series_counts=[0]),
            (Health.OK, "Answered"),
            id="nothing older, and the new known",
        ),
        pytest.param(
            SignalResults(only_older_steps=True, error=NoNamespacesError("NoNamespaces", "none")),
            (Health.EMPTY, "NoNamespaces"),
            id="nothing in scope",
        ),
    ],
)
def test_results_decide_the_state(results: SignalResults, expected: tuple[Health, str]) -> None:
    """An error means Failing only if the newest steps are unknown, for usage and for connections."""
    for state in (usage_state(Resource.CPU, results), connection_state(results, mesh_seen=True)):
        assert (state.health, state.reason) == expected


def test_the_message_of_an_unread_past_has_the_servers_error() -> None:
    """The server's text is at the end of the message."""
    state = usage_state(Resource.CPU, SignalResults(only_older_steps=True, error=LOST))

    assert state.message == "the newest samples were read, but not all older ones: 500"
