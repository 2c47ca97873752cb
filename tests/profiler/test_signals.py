"""The board of signals: what counts as a change, and since when a state holds."""

from datetime import UTC, datetime, timedelta

import pytest

from app.profiler.signals import SignalBoard, SignalState, State

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
OK = SignalState("cpu", State.OK, "Answered", "")
TIMED_OUT = SignalState("cpu", State.FAILING, "TimedOut", "no answer within 60 s")


def board(*states: SignalState) -> SignalBoard:
    """A board that took one state a minute, the last one at noon."""
    filled = SignalBoard()
    for index, state in enumerate(states):
        filled.update([state], NOON - timedelta(minutes=len(states) - 1 - index))
    return filled


def test_a_first_ok_is_no_change_and_a_first_fault_is_one() -> None:
    """A start that finds all well is no news."""
    assert SignalBoard().update([OK], NOON) == []
    assert SignalBoard().update([TIMED_OUT], NOON) == [TIMED_OUT]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(OK, id="another-state"),
        pytest.param(SignalState("cpu", State.FAILING, "HTTPError", "500"), id="another-reason"),
    ],
)
def test_another_state_or_reason_is_a_change(after: SignalState) -> None:
    """Told once, and again not."""
    filled = board(TIMED_OUT)

    assert filled.update([after], NOON) == [after]
    assert filled.update([after], NOON) == []


def test_another_message_alone_is_no_change() -> None:
    """A fault that goes on is no news, however its text varies; the first text and time stay."""
    filled = board(TIMED_OUT, TIMED_OUT)
    varied = SignalState("cpu", State.FAILING, "TimedOut", "no answer within 61 s")

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
    """Failing at 11:59, well again at 12:00."""
    (told,) = board(TIMED_OUT, OK).as_report()

    assert (told["state"], told["since"]) == ("Ok", "2026-03-04T12:00:00Z")


def test_only_what_a_person_should_look_at_is_a_fault() -> None:
    """No mesh, or connections switched off, asks for nobody's attention."""
    faults = {state for state in State if state.is_fault}

    assert faults == {State.DEGRADED, State.EMPTY, State.FAILING}


def test_signals_are_told_apart() -> None:
    """A change of one is no change of another."""
    memory = SignalState("memory", State.OK, "Answered", "")
    filled = board(OK)
    filled.update([memory], NOON)

    assert filled.update([TIMED_OUT, memory], NOON) == [TIMED_OUT]
