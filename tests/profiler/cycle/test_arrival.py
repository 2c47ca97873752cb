"""Which steps have settled, and how late samples were, for answers on any steps of a signal."""

from collections.abc import Mapping

import numpy as np
import pytest

from app.domain.namespaces import NamespaceSelection
from app.history.open_steps import Settlement
from app.history.samples import StepRange
from app.profiler.cycle.arrival import Arrival
from app.profiler.cycle.signals import Signal

NOW = 1_000


def arrival(open_steps: int = 0) -> Arrival:
    return Arrival(Signal.CPU, {"cpu": open_steps} if open_steps else {})


def read(
    measured: Arrival,
    newest: int,
    *steps: StepRange,
    lags: Mapping[str, int],
    answered: NamespaceSelection | None = None,
) -> None:
    """One cycle as of *newest*, with what has arrived in *steps*; *lags* are in steps, by namespace."""
    for part in steps:
        present = np.array(
            [[step <= newest - lag for step in range(part.first, part.last + 1)] for lag in lags.values()]
        ).reshape(len(lags), len(part))
        measured.note(newest, part, [*lags], present, answered or NamespaceSelection())
    measured.finish(newest)


def follow(measured: Arrival, newest: int, cycles: int, **lags: int) -> int:
    """So many cycles from *newest* on, on the open steps or on those of a review; returns the last one."""
    for step in range(newest, newest + cycles):
        missing = [StepRange(step - measured.open_steps, step)]
        read(measured, step, *measured.with_review(missing, step), lags=lags)
    return newest + cycles - 1


@pytest.mark.parametrize(
    ("lag", "settled"),
    [
        pytest.param(0, NOW - 2, id="on time"),
        pytest.param(1, NOW - 2, id="newest step empty"),
        pytest.param(2, NOW - 3, id="the last step with samples may have a part of them"),
        pytest.param(5, NOW - 6, id="25 minutes behind"),
    ],
)
def test_a_step_settles_once_a_later_one_has_samples(lag: int, settled: int) -> None:
    """It is at least ten minutes old, and not the last one with samples if newer ones are empty."""
    measured = arrival()

    read(measured, NOW, StepRange(NOW - 20, NOW), lags={"shop": lag})

    assert measured.settlement(NOW) == Settlement(NOW, settled)
    assert measured.lag_seconds == lag * 300


def test_without_a_sample_nothing_settles() -> None:
    """Neither in an answer without any, nor before the first answer as of a step."""
    measured = arrival()
    assert measured.settlement(NOW) is None

    read(measured, NOW, StepRange(NOW - 2, NOW), lags={"shop": 3})
    assert measured.settlement(NOW) is None

    read(measured, NOW, StepRange(NOW - 20, NOW - 3), lags={"shop": 3})
    assert measured.settlement(NOW) == Settlement(NOW, NOW - 4)
    assert measured.settlement(NOW + 1) is None


def test_steps_older_than_a_failed_part_settle() -> None:
    """The query on the newest steps failed: nothing shows that the others are not complete."""
    measured = arrival()

    read(measured, NOW, StepRange(NOW - 40, NOW - 20), lags={"shop": 0})

    assert measured.settlement(NOW) == Settlement(NOW, NOW - 20)


def test_samples_that_end_are_not_only_late() -> None:
    """After three steps without a new sample; a store whose newest sample moves on is late at most."""
    measured = arrival()
    newest = follow(measured, NOW, 10, shop=2)
    assert not measured.is_stalled(newest)

    stalls = [measured.is_stalled(newest + step) for step in (1, 2, 3)]

    assert stalls == [False, False, True]


def test_late_samples_of_one_writer_show_as_its_lag() -> None:
    """Those of `late` are first seen in the second answer on each step."""
    measured = arrival()

    follow(measured, NOW, 3, shop=0, late=1)

    assert (measured.lag_seconds, measured.open_steps, measured.lost) == (300, 2, {})


def test_a_namespace_that_was_not_answered_before_is_not_late() -> None:
    """The query on `other` failed at first, and succeeds apart."""
    measured = arrival()
    steps, others = StepRange(NOW - 2, NOW), NamespaceSelection(excluded=frozenset({"other"}))

    read(measured, NOW, steps, lags={"shop": 0}, answered=others)
    read(measured, NOW, steps, lags={"other": 0}, answered=NamespaceSelection(frozenset({"other"})))
    read(measured, NOW + 1, StepRange(NOW - 1, NOW + 1), lags={"shop": 0, "other": 0})

    assert measured.lag_seconds == 0


def test_the_review_finds_samples_that_came_too_late_and_later_steps_wait() -> None:
    """`late` is five steps behind: after an hour steps stay open for six.

    Three steps settled before that, and had no sample of `late` yet: they are lost too. Later none is.
    """
    measured = arrival()

    review = follow(measured, NOW, 13, shop=0, late=5)
    assert (measured.open_steps, measured.lag_seconds) == (6, 5 * 300)
    assert measured.lost == {"late": 12 - 5}

    review = follow(measured, review + 1, 12, shop=0, late=5)
    assert (measured.open_steps, measured.lost) == (6, {"late": 3})
    review = follow(measured, review + 1, 12, shop=0, late=5)
    assert (measured.open_steps, measured.lost, measured.lag_seconds) == (6, {}, 5 * 300)

    review = follow(measured, review + 1, 12, shop=0, late=0)
    assert measured.lag_seconds == 5 * 300
    follow(measured, review + 1, 12, shop=0, late=0)
    assert (measured.open_steps, measured.lag_seconds) == (2, 0)


def test_a_review_is_part_of_the_query_on_the_newest_steps() -> None:
    """Once an hour, and only if the newest step is read anyway; steps of the past stay a part of theirs."""
    measured = arrival()
    follow(measured, NOW, 1, shop=0)
    newest, past = StepRange(NOW + 10, NOW + 12), StepRange(NOW - 300, NOW - 200)

    assert measured.with_review([StepRange(NOW + 9, NOW + 11), past], NOW + 11) == [
        StepRange(NOW + 9, NOW + 11),
        past,
    ]
    assert measured.with_review([newest, past], NOW + 12) == [StepRange(NOW + 1, NOW + 12), past]
    assert measured.with_review([newest, StepRange(NOW - 5, NOW + 8)], NOW + 12) == [
        StepRange(NOW - 5, NOW + 12)
    ]
    assert measured.with_review([past], NOW + 12) == [past]
    assert measured.with_review([], NOW + 12) == []


@pytest.mark.parametrize(("stored", "steps"), [(-5, 2), (0, 2), (6, 6), (10**9, 11)])
def test_a_stored_number_of_open_steps_is_bounded(stored: int, steps: int) -> None:
    """A check-point may have any number."""
    assert arrival(stored).open_steps == steps
