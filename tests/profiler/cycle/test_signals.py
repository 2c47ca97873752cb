"""The board of signals: what counts as a change, and since when a state holds."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.profiles import Resource
from app.errors import NoNamespacesError, SourceError
from app.profiler.cycle.signals import (
    Answers,
    Health,
    Signal,
    SignalBoard,
    SignalState,
    connection_state,
    usage_state,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
OK = SignalState(Signal.CPU, Health.OK, "Answered", "")
TIMED_OUT = SignalState(Signal.CPU, Health.FAILING, "TimedOut", "no answer within 60 s")


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
        pytest.param(SignalState(Signal.CPU, Health.FAILING, "HTTPError", "500"), id="another-reason"),
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
    """Failing at 11:59, well again at 12:00."""
    (told,) = board(TIMED_OUT, OK).as_report()

    assert (told["state"], told["since"]) == ("Ok", "2026-03-04T12:00:00Z")


def test_only_what_a_person_should_look_at_is_a_fault() -> None:
    """No mesh, or connections switched off, asks for nobody's attention."""
    faults = {state for state in Health if state.is_fault}

    assert faults == {Health.DEGRADED, Health.EMPTY, Health.FAILING}


def test_signals_are_told_apart() -> None:
    """A change of one is no change of another."""
    memory = SignalState(Signal.MEMORY, Health.OK, "Answered", "")
    filled = board(OK)
    filled.update([memory], NOON)

    assert filled.update([TIMED_OUT, memory], NOON) == [TIMED_OUT]


LOST = SourceError("HTTPError", "500")
FAILING, PAST_UNREAD = (Health.FAILING, "HTTPError"), (Health.DEGRADED, "PastUnread")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param(Answers(error=LOST), FAILING, id="nothing was answered"),
        pytest.param(Answers(series=[5], error=LOST), FAILING, id="answered, but not attributed"),
        pytest.param(Answers(series=[5], folded=True, error=LOST), PAST_UNREAD, id="older steps failed"),
        pytest.param(
            Answers(series=[0, 5], folded=True, error=LOST), FAILING, id="nothing new, and older steps failed"
        ),
        pytest.param(
            Answers(newest_was_known=True, error=LOST), PAST_UNREAD, id="only older steps were asked"
        ),
        pytest.param(Answers(series=[0]), (Health.EMPTY, "NoSamples"), id="nothing new"),
        pytest.param(
            Answers(newest_was_known=True, series=[0]),
            (Health.OK, "Answered"),
            id="nothing older, and the new known",
        ),
        pytest.param(
            Answers(newest_was_known=True, error=NoNamespacesError("NoNamespaces", "none")),
            (Health.EMPTY, "NoNamespaces"),
            id="nothing in scope",
        ),
    ],
)
def test_how_answers_tell_the_state(answers: Answers, expected: tuple[Health, str]) -> None:
    """An error counts against what is new only where that is not known; usage and connections alike."""
    for told in (usage_state(Resource.CPU, answers), connection_state(answers, mesh_seen=True)):
        assert (told.health, told.reason) == expected


def test_a_past_that_is_unread_is_told_in_the_servers_words() -> None:
    """They stand at the end of the message."""
    told = usage_state(Resource.CPU, Answers(newest_was_known=True, error=LOST))

    assert told.message == "what is new is known, but not all that is older: 500"
