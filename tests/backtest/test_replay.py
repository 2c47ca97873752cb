"""Evaluation period, scores, and the replay of the profiler."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.backtest.learning import DayFeatures, replay_profiler
from app.backtest.protocol import EvaluationPeriod, evaluation_mask, evaluation_period
from app.backtest.replay import Replay, replay
from app.backtest.report import document
from app.backtest.scores import build_scorers
from app.backtest.usage import Lanes
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.rules import rules_at
from tests.backtest.pasts import GIBIBYTE, MEBIBYTE, WEB, Day, day, lanes, usage

DAYS_OF_A_FULL_PAST = 29


@pytest.mark.parametrize(
    ("days", "period"),
    [
        pytest.param(1, None, id="nothing-to-judge"),
        pytest.param(2, EvaluationPeriod(1, 1), id="one-and-one"),
        pytest.param(5, EvaluationPeriod(2, 4), id="two-and-three"),
        pytest.param(14, EvaluationPeriod(7, 13), id="a-window-is-cut-in-half"),
        pytest.param(15, EvaluationPeriod(14, 14), id="first-full-one"),
        pytest.param(29, EvaluationPeriod(14, 28), id="full"),
        pytest.param(31, EvaluationPeriod(14, 28), id="what-is-more-is-left"),
    ],
)
def test_which_days_are_evaluated(days: int, period: EvaluationPeriod | None) -> None:
    """Fourteen days are history and fifteen are evaluated; shorter usage is split in half."""
    assert evaluation_period(days) == period


def test_a_day_counts_if_it_has_samples_usage_and_history() -> None:
    """Days 4 to 8 of nine are complete, of 199 steps, of 200 steps, idle, and complete.

    Four days before the first evaluated day need 4 * 200 = 800 steps. Days 0 to 2 have 288 + 288 + 223 = 799
    steps, and day 3 has one.
    """
    cpu: list[Day] = [
        1.0,
        1.0,
        day((223, 1.0)),
        day((1, 1.0)),
        1.0,
        day((199, 1.0)),
        day((200, 1.0)),
        0.0,
        1.0,
    ]
    less = [*cpu[:3], np.nan, *cpu[4:]]

    assert evaluation_mask(usage(cpu), EvaluationPeriod(4, 8))[0].tolist() == [
        *[False] * 4,
        True,
        False,
        True,
        False,
        True,
    ]
    assert not evaluation_mask(usage(less), EvaluationPeriod(4, 8))[0, 4]


def replayed(cpu: Sequence[Day], requests: tuple[float, float] | None = None) -> Replay:
    past = usage(cpu, requests=requests)
    period = evaluation_period(past.days)
    assert period
    return replay(past, period)


def test_the_scores_of_known_requests() -> None:
    """Requests are 2 cores and 2 GiB; usage is 1 GiB, and 1 or 3 cores for half of each day.

    P95 is 3 cores, so the slack is (2 - 3) / 2 = -0.5, clipped at zero 0. 144 of 288 samples (50 %) are
    above, so each day is mostly above. Unused is 1 core for half of the time. Memory has slack
    (2 - 1) / 2 = 0.5 and 1 GiB unused.
    """
    cpu: list[Day] = [day((144, 1.0), (144, 3.0))] * 15

    scores = replayed(cpu, requests=(2.0, 2 * GIBIBYTE)).policies["requests"].scores

    of_cpu, of_memory = scores[Resource.CPU], scores[Resource.MEMORY]
    assert of_cpu.relative_slack == pytest.approx(-0.5)
    assert of_cpu.relative_slack_clipped_at_zero == 0
    assert of_cpu.absolute_slack == pytest.approx(0.5)
    assert (of_cpu.time_above, of_cpu.days_mostly_above, of_cpu.days_above) == (0.5, 1, 1)
    assert of_memory.relative_slack == pytest.approx(0.5)
    assert of_memory.absolute_slack == pytest.approx(GIBIBYTE)
    assert (of_memory.time_above, of_memory.days_above, of_memory.changes_per_day) == (0, 0, 0)
    assert (of_cpu.container_days, of_memory.container_days) == (1, 1)


def test_what_is_wasted_and_what_is_overused_are_amounts_and_shares_of_use() -> None:
    """Requests are 2 cores and 0.95 GiB; usage is 1 GiB, and 1 or 3 cores for half of each day.

    CPU: 1 core unused for half of the time, 1 core over for the other half: 0.5 cores each, 25 % of the 2
    cores that are used. Half of P95 is 1.5 cores, below the value. Memory: nothing unused, 0.05 GiB over on
    every day (5 % of use), which is less than a tenth of the value.
    """
    cpu: list[Day] = [day((144, 1.0), (144, 3.0))] * 15

    scores = replayed(cpu, requests=(2.0, 0.95 * GIBIBYTE)).policies["requests"].scores

    of_cpu, of_memory = scores[Resource.CPU], scores[Resource.MEMORY]
    assert (of_cpu.absolute_slack, of_cpu.overuse) == pytest.approx((0.5, 0.5))
    assert (of_cpu.waste_share, of_cpu.overuse_share) == pytest.approx((0.25, 0.25))
    assert of_cpu.days_below_half_of_p95 == 0
    assert (of_memory.absolute_slack, of_memory.overuse / GIBIBYTE) == pytest.approx((0, 0.05), rel=1e-4)
    assert (of_memory.waste_share, of_memory.overuse_share) == pytest.approx((0, 0.05), rel=1e-4)
    assert (of_memory.days_above, of_memory.days_far_above, of_memory.containers_never_above) == (1, 0, 0)


@pytest.mark.parametrize(("cores", "is_below"), [(1.49, 1), (1.51, 0)])
def test_a_value_below_half_of_what_is_used_for_hours_is_counted(cores: float, is_below: int) -> None:
    """P95 of each day is 3 cores; half of it is 1.5."""
    cpu: list[Day] = [day((144, 1.0), (144, 3.0))] * 15

    scores = replayed(cpu, requests=(cores, GIBIBYTE)).policies["requests"].scores

    assert scores[Resource.CPU].days_below_half_of_p95 == is_below


@pytest.mark.parametrize(("gibibytes", "is_far"), [(0.90, 1), (0.92, 0)])
def test_a_day_far_above_has_a_sample_that_is_a_tenth_larger(gibibytes: float, is_far: int) -> None:
    """1 GiB is 11 % more than 0.90 GiB and 9 % more than 0.92 GiB."""
    scores = replayed([1.0] * 15, requests=(1.0, gibibytes * GIBIBYTE)).policies["requests"].scores

    assert scores[Resource.MEMORY].days_far_above == is_far


def test_a_container_is_never_above_if_no_evaluated_day_is() -> None:
    """Two containers ask for 1.5 cores; one uses 2 cores on one of 15 days, the other 1 core always."""
    calm, busy = [1.0] * DAYS_OF_A_FULL_PAST, [1.0] * 20 + [2.0] + [1.0] * 8
    past = usage(calm, requests=(1.5, GIBIBYTE))
    values = np.stack((past.lanes[Resource.CPU].values[0], lanes(busy).values[0]))
    memory = np.repeat(past.lanes[Resource.MEMORY].values, 2, axis=0)
    owner = np.arange(2)
    two = replace(
        past,
        containers=(WEB, replace(WEB, container="other")),
        lanes={Resource.CPU: Lanes(owner, values, 2), Resource.MEMORY: Lanes(owner, memory, 2)},
        requests={resource: np.repeat(amounts, 2) for resource, amounts in past.requests.items()},
    )

    scores = replay(two, EvaluationPeriod(14, 28)).policies["requests"].scores[Resource.CPU]

    assert scores.containers_never_above == 0.5
    assert scores.days_above == pytest.approx(1 / 30)


def test_slack_is_at_least_minus_one() -> None:
    """A value of 0.1 cores for usage of 1 core has slack (0.1 - 1) / 0.1 = -9, clipped to -1."""
    scores = replayed([1.0] * 15, requests=(0.1, GIBIBYTE)).policies["requests"].scores

    assert scores[Resource.CPU].relative_slack == -1


def test_without_known_requests_they_are_no_policy() -> None:
    """The policy is absent from the scores."""
    assert "requests" not in replayed([1.0] * 15).policies


def test_a_day_on_which_no_container_was_seen_for_long_is_left_out() -> None:
    """100 of 288 steps on day 7 and none on day 9: nothing is scored there, and the replay goes on."""
    cpu: list[Day] = [1.0] * DAYS_OF_A_FULL_PAST
    cpu[7], cpu[9], cpu[20] = day((100, 1.0)), np.nan, day((100, 1.0))

    scores = replayed(cpu).policies["normal"].scores[Resource.CPU]

    assert (scores.time_above, scores.container_days) == (0, 14)


def test_steady_usage_is_published_as_it_is_and_stays() -> None:
    """With 1 core and 1 GiB on all days, the CPU value is that of two days, raised by .5 / 3^3 = 1.9 %.

    Further days of equal usage save too little, so the values do not change, and usage never exceeds them.
    """
    ours = replayed([1.0] * DAYS_OF_A_FULL_PAST).policies["normal"]

    cpu, memory = ours.scores[Resource.CPU], ours.scores[Resource.MEMORY]
    assert ours.values[Resource.CPU][0, 14:] == pytest.approx(1 + 0.5 / 27)
    assert (cpu.time_above, cpu.changes_per_day, memory.days_above, memory.changes_per_day) == (0, 0, 0, 0)
    assert cpu.container_days == 15


def test_a_step_up_is_followed_within_the_day_and_counted_as_a_change() -> None:
    """Usage doubles after 20 days: the first day is far above; the value rises within it, to 2 cores."""
    result = replayed([1.0] * 20 + [2.0] * 9)
    values = result.policies["normal"].values[Resource.CPU][0]

    assert values[20] == pytest.approx(1 + 0.5 / 27)
    assert values[21:] == pytest.approx(2.0, rel=1e-3)
    scores = result.policies["normal"].scores[Resource.CPU]
    assert scores.days_far_above == pytest.approx(1 / 15)
    assert scores.overuse == pytest.approx(1 / 15, rel=0.2)
    assert 1 / 15 <= scores.changes_per_day <= 3 / 15


def test_a_value_rises_within_the_day_that_outgrows_it() -> None:
    """Usage doubles on day 20: the value rises on that day, not only at the next midnight."""
    past, period = usage([1.0] * 20 + [2.0]), EvaluationPeriod(14, 20)
    cpu, days = past.lanes[Resource.CPU], []
    above = build_scorers(past, evaluation_mask(past, period))[Resource.CPU].time_above_on

    published = replay_profiler(
        DayFeatures(cpu, GRIDS[Resource.CPU]),
        rules_at(RiskLevel.NORMAL)[Resource.CPU],
        period,
        above,
        lambda: days.append("day"),
    )

    assert published.changes[0, 14:20].sum() == 0
    assert published.changes[0, 20] >= 1
    assert published.values[0, 20] == pytest.approx(1.0, rel=0.05)
    assert len(days) == 20


def test_less_risk_reserves_more() -> None:
    """Slack rises and time above falls from risk `high` to `low`, if one hour of each day has a burst.

    12 of 288 samples (4.2 %) can be above 1 core, which is the day's P95.
    """
    random = np.random.default_rng(3)
    cpu: list[Day] = [day((276, 1.0), (12, float(height))) for height in random.uniform(1, 4, 29)]

    policies = replayed(cpu).policies

    high, normal, low = (policies[name].scores[Resource.CPU] for name in ("high", "normal", "low"))
    assert high.relative_slack <= normal.relative_slack <= low.relative_slack
    assert high.time_above >= normal.time_above >= low.time_above
    assert high.time_above > low.time_above


def test_replicas_are_evaluated_together() -> None:
    """With one replica at 1 core and one at 3 cores, half of all samples are above 2 cores."""
    past = usage([1.0] * 15, requests=(2.0, GIBIBYTE))
    two = replace(past, lanes={**past.lanes, Resource.CPU: lanes([1.0] * 15, [3.0] * 15)})

    scores = replay(two, EvaluationPeriod(14, 14)).policies["requests"].scores[Resource.CPU]

    assert (scores.time_above, scores.container_days) == (0.5, 1)


def test_progress_ends_at_its_total() -> None:
    """Progress increases from 0 to the total."""
    reports: list[tuple[int, int]] = []
    replay(usage([1.0] * 5), EvaluationPeriod(2, 4), lambda done, total: reports.append((done, total)))

    assert reports[0][0] == 0
    assert reports[-1][0] == reports[-1][1]
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_the_document_has_all_keys() -> None:
    """The document has all policies and keys, no NaN, and the evaluated dates; day 20,014 is 2024-10-18."""
    scores = document(replayed([1.0] * 15))

    assert scores["judged"] == {
        "first_day": "2024-10-18",
        "last_day": "2024-10-18",
        "containers": 1,
        "container_days": 1,
        "short_past": False,
    }
    assert list(scores["policies"]) == [
        *("low", "normal", "high", "krr", "krr-no-floor", "vpa", "vpa-no-floor", "autopilot", "clairvoyant")
    ]
    assert list(scores["updater"]) == ["normal", "vpa"]
    assert "actions_per_day" in scores["updater"]["vpa"]
    for policy_scores in scores["policies"].values():
        assert {
            "cpu_relative_slack",
            "cpu_relative_slack_clipped_at_zero",
            "cpu_time_above",
            "cpu_days_mostly_above",
            "memory_relative_slack",
            "memory_days_above",
            "changes_per_day",
            "cpu_overuse_cores",
            "cpu_waste_of_use",
            "cpu_overuse_of_use",
            "cpu_days_below_half_of_p95",
            "memory_overuse_bytes",
            "memory_waste_of_use",
            "memory_overuse_of_use",
            "memory_days_far_above",
            "memory_containers_never_above",
            "nodes",
            "unmet_core_hours_per_day",
        } <= policy_scores.keys()
        assert None not in policy_scores.values()


def test_a_rule_is_scored_with_its_tools_floor_and_without_it() -> None:
    """1 millicore and 1 MiB: KRR's rule gives 1m and 1.15 MiB, KRR itself its floors of 10m and 100 MB."""
    past = usage([0.001] * 15, memory=MEBIBYTE)
    policies = replay(past, EvaluationPeriod(14, 14)).policies

    of_tool, of_rule = policies["krr"].scores, policies["krr-no-floor"].scores
    assert of_tool[Resource.CPU].absolute_slack == pytest.approx(0.009)
    assert of_rule[Resource.CPU].absolute_slack == pytest.approx(0, abs=1e-9)
    assert of_tool[Resource.MEMORY].absolute_slack == pytest.approx(100e6 - MEBIBYTE)
    assert of_rule[Resource.MEMORY].absolute_slack == pytest.approx(0.15 * MEBIBYTE, rel=1e-3)


def test_a_day_with_hardly_any_memory_samples_is_not_evaluated() -> None:
    """Memory has 199 of 288 steps on day 16 and 200 on day 17: only the second can be scored.

    A day with CPU samples alone would have no share of memory, and no mean would have one.
    """
    memory: list[Day] = [GIBIBYTE] * 18
    memory[16], memory[17] = day((199, GIBIBYTE)), day((200, GIBIBYTE))

    scores = replay(usage([1.0] * 18, memory), EvaluationPeriod(14, 17)).policies["normal"].scores

    assert scores[Resource.MEMORY].container_days == scores[Resource.CPU].container_days == 3
    assert scores[Resource.MEMORY].waste_share >= 0
