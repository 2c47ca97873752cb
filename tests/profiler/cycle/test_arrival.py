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
    assert measured.lost == {"late": 13 - 5}

    review = follow(measured, review + 1, 12, shop=0, late=5)
    assert (measured.open_steps, measured.lost) == (6, {"late": 3})
    review = follow(measured, review + 1, 12, shop=0, late=5)
    assert (measured.open_steps, measured.lost, measured.lag_seconds) == (6, {}, 5 * 300)

    review = follow(measured, review + 1, 12, shop=0, late=0)
    assert measured.lag_seconds == 5 * 300
    follow(measured, review + 1, 12, shop=0, late=0)
    assert (measured.open_steps, measured.lag_seconds) == (2, 0)


def test_a_review_is_part_of_the_query_on_the_newest_steps() -> None:
    """Once an hour, and only if the newest step is read anyway; steps of the past stay a part of theirs.

    It begins with the first of the twelve steps that were the newest in the cycle before.
    """
    measured = arrival()
    follow(measured, NOW, 12, shop=0)
    newest, past = StepRange(NOW + 10, NOW + 12), StepRange(NOW - 300, NOW - 200)

    assert measured.with_review([StepRange(NOW + 9, NOW + 11), past], NOW + 11) == [
        StepRange(NOW + 9, NOW + 11),
        past,
    ]
    assert measured.with_review([newest, past], NOW + 12) == [StepRange(NOW, NOW + 12), past]
    assert measured.with_review([newest, StepRange(NOW - 5, NOW + 8)], NOW + 12) == [
        StepRange(NOW - 5, NOW + 12)
    ]
    assert measured.with_review([past], NOW + 12) == [past]
    assert measured.with_review([], NOW + 12) == []


@pytest.mark.parametrize(("stored", "steps"), [(-5, 2), (0, 2), (6, 6), (10**9, 11)])
def test_a_stored_number_of_open_steps_is_bounded(stored: int, steps: int) -> None:
    """A check-point may have any number."""
    assert arrival(stored).open_steps == steps


def settled_step(measured: Arrival, newest: int) -> int:
    settlement = measured.settlement(newest)
    assert settlement
    return settlement.settled_step


def read_what_is_open(measured: Arrival, newest: int, cycles: int, lags: Mapping[str, int]) -> int:
    """So many cycles from *newest* on, each on the steps that have not settled; returns the last one."""
    for step in range(newest, newest + cycles):
        missing = [StepRange(settled_step(measured, step - 1) + 1, step)]
        read(measured, step, *measured.with_review(missing, step), lags=lags)
    return newest + cycles - 1


def teams(count: int, lag: int = 0) -> dict[str, int]:
    """So many namespaces, and their lag."""
    return {f"team-{number}": lag for number in range(count)}


@pytest.mark.parametrize("lag", [1, 5])
def test_samples_of_one_tenant_that_come_late_keep_no_step_open(lag: int) -> None:
    """The tenant has 2 % of the samples, in one of 50 namespaces: neither lag nor open steps change.

    Before, the smallest number of late samples showed as the lag of all. What is lost is named.
    """
    measured = arrival()

    follow(measured, NOW, 13, **teams(49), evil=lag)

    assert (measured.lag_seconds, measured.open_steps) == (0, 2)
    assert measured.lost.keys() <= {"evil"}


def test_late_samples_of_a_small_tenant_in_a_small_cluster() -> None:
    """One late sample of 301 is below half a percent, although it is of one of two namespaces."""
    measured = arrival()
    namespaces = [*["shop"] * 300, "evil"]
    for newest in (NOW, NOW + 1):
        part = StepRange(newest - 2, newest)
        lag = np.array([*[0] * 300, 1]).reshape(-1, 1)
        present = np.arange(part.first, part.last + 1) <= newest - lag
        measured.note(newest, part, namespaces, present)
        measured.finish(newest)

    assert measured.lag_seconds == 0


@pytest.mark.parametrize("late", [3, 10])
def test_a_writer_has_some_namespaces(late: int) -> None:
    """A node's agent has three of 50 namespaces, or ten: its lag is that of samples, as before."""
    measured = arrival()

    follow(measured, NOW, 13, **teams(50 - late), **{f"late-{number}": 5 for number in range(late)})

    assert (measured.lag_seconds, measured.open_steps) == (5 * 300, 6)


@pytest.mark.parametrize("newest_of_tenant", [0, -2], ids=["on time", "timestamps ahead"])
def test_a_tenant_on_time_settles_no_step_of_a_store_that_is_late(newest_of_tenant: int) -> None:
    """All other samples are 20 minutes behind: the last step with samples of theirs waits, as without it.

    Before, the tenant's newest sample settled steps that had none of all others, which then were lost.
    """
    measured = arrival()
    lags = {**teams(49, lag=4), "evil": newest_of_tenant}
    read(measured, NOW, StepRange(NOW - 20, NOW), lags=lags)
    newest = read_what_is_open(measured, NOW + 1, 14, lags)

    assert measured.settlement(newest) == Settlement(newest, newest - 5)
    assert (measured.lag_seconds, measured.lost) == (4 * 300, {})


def test_most_namespaces_may_end() -> None:
    """Of 50 namespaces one is left: after an hour its samples alone settle steps; nothing has stalled."""
    measured = arrival()
    end = follow(measured, NOW, 14, **teams(50))
    settled = []
    for newest in range(end + 1, end + 20):
        read_what_is_open(measured, newest, 1, teams(1))
        settled.append(newest - settled_step(measured, newest))
        assert not measured.is_stalled(newest)

    assert max(settled) <= 13
    assert settled[-1] == 2


PERIODS = [
    1,
    2,
    4,
    6,
    11,
    12,
    13,
    72,
    288,
]  # in steps: 300 s to a day; shorter ones have cycles without a step


def cycles_of(measured: Arrival, period: int, cycles: int, lag: int) -> list[tuple[int, set[str]]]:
    """Of each cycle: how many steps settled without the samples of `late`, and which namespaces were named.

    `late` is *lag* steps behind.
    """
    settled, seen = NOW - 1, []
    for newest in range(NOW + 1, NOW + 1 + period * cycles, period):
        parts = measured.with_review([StepRange(settled + 1, newest)], newest)
        read(measured, newest, *parts, lags={"shop": 0, "late": lag})
        before, settled = settled, settled_step(measured, newest)
        lost = sum(newest - step < lag for step in range(before + 1, settled + 1))
        seen.append((lost, set(measured.lost)))
    return seen


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_ten_minutes_are_no_loss_at_any_period(period: int, lag: int) -> None:
    """A step settles two steps after its end; the lag is that of the samples, not of the rare readings."""
    measured = arrival()

    cycles = cycles_of(measured, period, 30, lag)

    assert sum(lost for lost, _ in cycles) == 0
    assert (measured.lag_seconds, measured.lost) == (lag * 300, {})


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("lag", [3, 5, 10])
def test_a_writer_less_than_an_hour_late_is_waited_for_at_any_period(period: int, lag: int) -> None:
    """The first review names it, and steps stay open for longer: none is lost from the second review on.

    A review is due after twelve steps, or in each cycle if the period is longer.
    """
    measured, review = arrival(), -(-12 // period)

    cycles = cycles_of(measured, period, 5 * review, lag)

    assert cycles[2 * review][1] == {"late"}
    assert sum(lost for lost, _ in cycles[2 * review + 1 :]) == 0
    assert (measured.lag_seconds, measured.open_steps, measured.lost) == (lag * 300, lag + 1, {})


@pytest.mark.parametrize(("period", "lag"), [(12, 15), (12, 23), (72, 30), (72, 72), (288, 200)])
def test_a_writer_later_than_an_hour_is_named_again_and_again(period: int, lag: int) -> None:
    """Steps are not kept open for it; its lag is at most the age at which the review found its samples."""
    measured = arrival()

    cycles_of(measured, period, 10, lag)

    assert measured.lost.keys() == {"late"}
    assert measured.open_steps == 2
    assert lag * 300 <= measured.lag_seconds <= (period + 11) * 300


def test_a_clock_that_went_ahead_and_back() -> None:
    """A day ahead there is no sample; back again, what comes on time is neither late nor lost."""
    measured = arrival()
    follow(measured, NOW, 14, shop=0)
    ahead = NOW + 300
    read(measured, ahead, StepRange(ahead - 20, ahead), lags={"shop": 0})

    newest = follow(measured, NOW + 14, 26, shop=0)

    assert (measured.lag_seconds, measured.lost) == (0, {})
    assert measured.settlement(newest) == Settlement(newest, newest - 2)
    assert measured.is_stalled(newest + 3)
