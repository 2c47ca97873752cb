"""Pauses after refused writes: each object by itself, longer each time, never over an hour."""

from datetime import UTC, datetime, timedelta

from app.profiler.refusals import Refusals

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_the_pause_doubles_up_to_an_hour() -> None:
    """After the first refusal none; then 5, 10, 20, 40, 60, 60 minutes."""
    refusals, now, pauses = Refusals(), NOON, []
    for _ in range(7):
        refusals.add("a", now)
        began = now
        while refusals.is_paused("a", now):
            now += timedelta(minutes=1)
        pauses.append((now - began) // timedelta(minutes=1))

    assert pauses == [0, 5, 10, 20, 40, 60, 60]


def test_others_are_not_paused() -> None:
    """Two refusals of `a` are none of `b`; an accepted write ends the pause."""
    refusals = Refusals()
    refusals.add("a", NOON)
    refusals.add("a", NOON)

    assert refusals.is_paused("a", NOON)
    assert not refusals.is_paused("b", NOON)
    refusals.discard("a")
    assert not refusals.is_paused("a", NOON)


def test_objects_without_a_write_are_forgotten() -> None:
    """The memory is that of the objects that are to be written."""
    refusals = Refusals()
    for number in range(1000):
        refusals.add(f"p{number}", NOON)
    refusals.keep_only({"p1"})

    assert ("p1" in refusals, len(refusals)) == (True, 1)
