"""What was stated beside what came: by groups, and as our policies state it."""

import numpy as np
import pytest

from app.backtest.learning import DayFeatures
from app.backtest.protocol import EvaluationPeriod, judged, protocol_of
from app.backtest.reliability import GROUPS, reliability
from app.backtest.replay import Replay, replay
from app.backtest.report import document, scores_of
from app.backtest.scores import facts_of
from app.domain.profiles import Resource
from app.history.grid import GRIDS
from app.recommendation.rules import MAXIMUM
from tests.backtest.pasts import Day, day, lanes, usage


def test_groups_are_tenths_of_the_days_in_the_order_of_what_was_stated() -> None:
    """1 % to 100 % stated, shuffled, and twice as much came: ten groups of ten, the first one of 1 to 10 %.

    Its means are 5.5 % and 11 %, those of all days 50.5 % and 101 %.
    """
    stated = np.random.default_rng(1).permutation(np.arange(1, 101) / 100).reshape(4, 25)

    told = reliability(stated, 2 * stated)

    assert [group.container_days for group in told.groups] == [10] * GROUPS
    assert (told.groups[0].stated, told.groups[0].came) == pytest.approx((0.055, 0.11))
    assert [group.stated for group in told.groups] == sorted(group.stated for group in told.groups)
    assert (told.stated, told.came) == pytest.approx((0.505, 1.01))


def test_who_was_told_the_same_is_in_one_group() -> None:
    """95 days of 0.4 % and 5 of 2 %: two groups, however many were asked for."""
    stated = np.array([[0.004] * 95 + [0.02] * 5])
    came = np.array([[0.0] * 95 + [0.03] * 5])

    told = reliability(stated, came)

    assert [group.container_days for group in told.groups] == [95, 5]
    assert [group.came for group in told.groups] == pytest.approx([0, 0.03])


def test_only_what_is_known_on_both_sides_counts() -> None:
    """Of three days one was not stated, one was not judged; of nothing nothing can be said."""
    told = reliability(np.array([[0.1, np.nan, 0.3]]), np.array([[0.2, 0.2, np.nan]]))
    nothing = reliability(np.array([[np.nan]]), np.array([[0.2]]))

    assert (told.stated, told.came, told.groups[0].container_days) == (0.1, 0.2, 1)
    assert np.isnan(nothing.stated)
    assert nothing.groups == ()


def replayed(cpu: list[Day], memory: list[Day] | float = 2.0**30) -> Replay:
    past = usage(cpu, memory)
    protocol = protocol_of(past.days)
    assert protocol
    return replay(past, protocol)


STATED_OF_STEADY_CPU = 0.004 + 0.03 / 15**2


def test_what_our_policies_state_stands_beside_what_came() -> None:
    """1 core and 1 GiB on all 15 days; on the judged one 3 cores and 3 GiB for half of the time.

    No past day was above 1.0044 cores, so 0 * 1.1 + 0.4 % + 3 % / 15^2 = 0.4133 % is stated; 50 % came.
    Memory: some chance was stated, and a day above came. With 14 days seen the bound is
    .85 * (0 + .01) * 15 / 14 = 0.91 %, or what past statements make of it, and did not hold.
    """
    half: Day = day((144, 1.0), (144, 3.0))
    told = replayed([1.0] * 14 + [half], [*[2.0**30] * 14, np.asarray(half) * 2.0**30]).policies["normal"]

    assert told.statements
    assert told.statements.cpu_above.stated == pytest.approx(STATED_OF_STEADY_CPU)
    assert told.statements.cpu_above.came == pytest.approx(0.5)
    assert told.statements.memory_above.came == 1
    assert 0.002 < told.statements.memory_above.stated < 0.2
    assert told.statements.cpu_bound.came == 0
    assert told.statements.cpu_bound.stated <= 0.85 * 0.01 * 15 / 14 + 1e-6
    scores = scores_of(told)
    assert scores["cpu_expected_above"] == pytest.approx(STATED_OF_STEADY_CPU)
    assert scores["memory_expected_days_above"] == told.statements.memory_above.stated
    assert scores["cpu_bound_held"] == 0


def test_the_document_tells_groups_of_our_own_policies_alone() -> None:
    """Other tools state nothing."""
    result = replayed([1.0] * 15)
    told = document(result)

    assert list(told["reliability"]) == ["low", "normal", "high"]
    assert told["reliability"]["low"]["cpu_above"] == [
        {"stated": pytest.approx(STATED_OF_STEADY_CPU), "came": 0.0, "container_days": 1}
    ]
    assert "cpu_expected_above" not in scores_of(result.policies["krr"])


def test_facts_are_of_judged_days_alone() -> None:
    """Day 14 of 16 is judged: half of it is above 2, and a sample is; on the day after it nobody looks."""
    past = usage([1.0] * 14 + [day((144, 1.0), (144, 3.0)), 9.0])
    facts = facts_of(past, judged(past, EvaluationPeriod(14, 14)))[Resource.CPU]
    values = np.full((1, 16), 2.0)

    assert facts.time_above(values)[0, 14] == 0.5
    assert facts.exceeded(values)[0, 14] == 1
    assert np.isfinite(facts.time_above(values)).sum() == np.isfinite(facts.exceeded(values)).sum() == 1


@pytest.mark.parametrize(
    ("hours", "days"), [(1, [1 / 24]), (6, [6 / 24]), (24, [1]), (36, [0.5, 1]), (72, [1, 1, 1])]
)
def test_the_last_hours_before_a_day(hours: int, days: list[float]) -> None:
    """Of ten days, each hour with its own height, only so many hours: the newest days, the oldest in part.

    Day n is n + 1 cores and a hundredth more each hour: 8.23 is the maximum of the newest.
    """
    heights = [np.repeat(number + 1 + np.arange(24) / 100, 12) for number in range(10)]
    features = DayFeatures(lanes(heights), GRIDS[Resource.CPU])

    told = features.last(8, hours)

    seen = np.flatnonzero(told.share[0])
    assert told.share[0, seen] == pytest.approx(days)
    assert told.length[0] == pytest.approx(hours / 24)
    assert told.share[0, -1] == 0
    assert told.quantiles[0, seen[-1], MAXIMUM] == pytest.approx(8.23)
    least = told.quantiles[0, seen[0], 0]  # P50 of the last hours of the oldest day, or of all of it
    rest = hours % 24 or 24
    oldest = 8 - len(days) + 1
    assert least == pytest.approx(oldest + (24 - rest + (rest - 1) / 2) / 100, rel=0.05)
