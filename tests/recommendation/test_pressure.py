"""Pressure: it raises a value once, decays, is bounded, and never becomes part of the measured usage.

Without pressure, constant usage over 24 steps (1/12 day) gives CPU 1 + .5 / (1 + 1/12)^3 = 1.393264 times
itself, for so little history, and memory e^.24 = 1.271249 times itself: it is steady, so that its raise is 0,
and a margin of .24 costs least with the width .1 of a first day (test_choice).
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.pod_names import PodNames
from app.domain.profiles import Pressure, PressureSignal, Resource, ResourceProfile
from app.history.samples import STEPS_PER_DAY, StepRange, step_time
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from tests.recommendation.builders import DAY, MIDNIGHT, WEB_POD, WEB_POD_2, pressure, recommend, steps, usage

ATTRIBUTE = PodNames().workload
THROTTLING, KILLED = Pressure.CPU_THROTTLING, Pressure.OOM_KILLED
WHOLE_DAY = steps(1, STEPS_PER_DAY)
NEXT_DAY = steps(STEPS_PER_DAY + 1, 2 * STEPS_PER_DAY)


def measured(resource: Resource, of: StepRange, amount: float, *containers: str) -> UsageHistory:
    """A history in which each container (by default `app`) of one Pod of web used *amount*."""
    history = UsageHistory(timeslots=4, retained_days=29)
    rows = [(WEB_POD, container, amount) for container in containers or ("app",)]
    history.fold(usage(of, *rows, resource=resource), ATTRIBUTE)
    return history


def web(history: UsageHistory, resource: Resource, newest: int) -> ResourceProfile:
    """The profile as of *newest*, a step that is counted from midnight."""
    (profile,) = recommend(history, resource, EstimationPolicy(), newest_step=MIDNIGHT + newest).profiles
    return profile


def throttled(history: UsageHistory, of: StepRange, share: object, pod: str = WEB_POD) -> None:
    history.fold_pressure(pressure(THROTTLING, of, (pod, "app", share)), ATTRIBUTE)  # type: ignore[arg-type]


def killed(history: UsageHistory, of: StepRange, *at: int) -> None:
    """OOM kills of `app` at steps counted from midnight, in a query result on all of *of*."""
    shown = [
        float(step in {MIDNIGHT + step_of_day for step_of_day in at}) for step in range(of.first, of.last + 1)
    ]
    history.fold_pressure(pressure(KILLED, of, (WEB_POD, "app", shown)), ATTRIBUTE)


def raises(profile: ResourceProfile) -> list[float]:
    return [round(signal.raised_by, 4) for signal in profile.signals]


def test_throttling_raises_by_its_mean_share() -> None:
    """Observed in 24 steps, throttled by 40 % in 12 of them: a mean of 0.2, so 0.1393 * 1.2 = 0.1672.

    The last of those steps is the 12th.
    """
    history = measured(Resource.CPU, steps(1, 24), 0.1)
    throttled(history, steps(1, 24), [0.4] * 12 + [0.0] * 12)

    profile = web(history, Resource.CPU, 24)

    assert (profile.value, profile.containers[0].value) == ("0.168", "0.168")
    assert profile.signals == (
        PressureSignal("app", THROTTLING, step_time(MIDNIGHT + 12), pytest.approx(0.2)),  # type: ignore[arg-type]
    )


def test_throttling_raises_by_half_at_most() -> None:
    """Throttled by 90 % all the time: 0.2787 * 1.5 = 0.4180, and not 1.9 times."""
    history = measured(Resource.CPU, steps(1, 24), 0.2)
    throttled(history, steps(1, 24), 0.9)

    assert web(history, Resource.CPU, 24).value == "0.418"


@pytest.mark.parametrize(("days_later", "expected"), [(0, 0.4), (1, 0.2), (2, 0.1), (3, None)])
def test_a_day_of_throttling_loses_half_its_effect_each_day(days_later: int, expected: float | None) -> None:
    """A mean of 0.4, then no throttling: 0.4, 0.2, 0.1; three days later it is dropped."""
    history = measured(Resource.CPU, WHOLE_DAY, 0.1)
    throttled(history, WHOLE_DAY, 0.4)

    profile = web(history, Resource.CPU, (days_later + 1) * STEPS_PER_DAY)

    assert raises(profile) == ([] if expected is None else [expected])


@pytest.mark.parametrize(("today", "expected"), [(0.3, 0.3), (0.2, 0.25)])
def test_the_day_that_raises_most_counts(today: float, expected: float) -> None:
    """Yesterday 0.5, halved to 0.25: the larger of it and today's mean counts; they are never added."""
    history = measured(Resource.CPU, steps(1, 2 * STEPS_PER_DAY), 0.1)
    throttled(history, WHOLE_DAY, 0.5)
    throttled(history, NEXT_DAY, today)

    assert raises(web(history, Resource.CPU, 2 * STEPS_PER_DAY)) == [expected]


def test_throttling_of_replicas_is_pooled_as_their_usage_is() -> None:
    """One of two replicas is throttled by 40 %: of the 48 samples half, so 0.2."""
    history = UsageHistory(timeslots=4, retained_days=29)
    day = steps(1, 24)
    history.fold(usage(day, (WEB_POD, "app", 0.1), (WEB_POD_2, "app", 0.1)), ATTRIBUTE)
    throttled(history, day, 0.4, WEB_POD_2)

    assert raises(web(history, Resource.CPU, 24)) == [0.2]


def test_steps_in_which_a_container_did_not_run_do_not_dilute_its_throttling() -> None:
    """It ran in the last 12 of 24 steps and was throttled by 30 % in all of them: 0.3."""
    history = UsageHistory(timeslots=4, retained_days=29)
    ran = [np.nan] * 12 + [0.1] * 12
    history.fold(usage(steps(1, 24), (WEB_POD, "app", ran)), ATTRIBUTE)
    throttled(history, steps(1, 24), [0.0] * 12 + [0.3] * 12)

    assert raises(web(history, Resource.CPU, 24)) == [0.3]


def stalled(history: UsageHistory, kind: Pressure, of: StepRange, share: float) -> None:
    history.fold_pressure(pressure(kind, of, (WEB_POD, "app", share)), ATTRIBUTE)


def test_a_container_without_a_limit_is_raised_by_its_waiting() -> None:
    """Waiting for CPU for 30 % of a day, and for 90 %: 0.3, and half at most; a day later half of it."""
    for share, expected in ((0.3, 0.3), (0.9, 0.5)):
        history = measured(Resource.CPU, steps(1, 2 * STEPS_PER_DAY), 0.1)
        stalled(history, Pressure.CPU_WAITING, WHOLE_DAY, share)

        today, tomorrow = (web(history, Resource.CPU, days * STEPS_PER_DAY) for days in (1, 2))

        assert [signal.reason for signal in today.signals] == [Pressure.CPU_WAITING]
        assert (raises(today), raises(tomorrow)) == ([expected], [expected / 2])


def test_of_two_kinds_of_pressure_the_larger_raise_counts() -> None:
    """Throttled by 20 % and waiting for 30 % beyond that: 0.3, not 0.5; then throttled by 40 %."""
    history = measured(Resource.CPU, steps(1, 2 * STEPS_PER_DAY), 0.1)
    throttled(history, WHOLE_DAY, 0.2)
    stalled(history, Pressure.CPU_WAITING, WHOLE_DAY, 0.3)
    throttled(history, NEXT_DAY, 0.4)

    found = [web(history, Resource.CPU, days * STEPS_PER_DAY).signals for days in (1, 2)]

    assert [[(signal.reason, round(signal.raised_by, 4)) for signal in signals] for signals in found] == [
        [(Pressure.CPU_WAITING, 0.3)],
        [(THROTTLING, 0.4)],
    ]


def test_stalling_on_memory_raises_it_by_a_fifth_at_most() -> None:
    """Stalled for 10 % of the day: 0.1; for half of it: 0.2, like an OOM kill."""
    for share, expected in ((0.1, 0.1), (0.5, 0.2)):
        history = measured(Resource.MEMORY, WHOLE_DAY, 1e8)
        stalled(history, Pressure.MEMORY_STALLED, WHOLE_DAY, share)

        profile = web(history, Resource.MEMORY, STEPS_PER_DAY)

        assert [signal.reason for signal in profile.signals] == [Pressure.MEMORY_STALLED]
        assert raises(profile) == [expected]


def test_a_raise_below_one_percent_is_none() -> None:
    """Throttled by 20 % in 1 of 24 steps is a mean of 0.0083: the value stays 0.1393."""
    history = measured(Resource.CPU, steps(1, 24), 0.1)
    throttled(history, steps(1, 24), [0.2] + [0.0] * 23)

    profile = web(history, Resource.CPU, 24)

    assert (profile.value, profile.signals) == ("0.140", ())


def test_an_oom_kill_raises_memory_by_a_fifth() -> None:
    """10,000,000 * e^.24 = 12,712,492, all of them equal; a kill in the newest step makes it 15,254,990."""
    history = measured(Resource.MEMORY, steps(1, 24), 1e7)
    assert web(history, Resource.MEMORY, 24).value == "12712492"

    killed(history, steps(1, 24), 24)
    profile = web(history, Resource.MEMORY, 24)

    assert (profile.value, profile.slots[0].value) == ("15254990", "15254990")
    assert profile.signals == (PressureSignal("app", KILLED, step_time(MIDNIGHT + 24), 0.2),)


def test_kills_do_not_compound() -> None:
    """Ten kills, the last in the newest step: still 13,231,299 * 1.2."""
    history = measured(Resource.MEMORY, steps(1, 24), 1e7)
    killed(history, steps(1, 24), *range(15, 25))

    assert web(history, Resource.MEMORY, 24).value == "15254990"


@pytest.mark.parametrize(
    ("hours_later", "expected"), [(12, "14510310"), (24, "13983741"), (48, "13348117"), (72, "12712492")]
)
def test_the_raise_of_a_kill_decays_with_its_age(hours_later: int, expected: str) -> None:
    """0.2 * 2^(-age in days): 0.141421, 0.1, 0.05 on 13,231,298; on the third day it is dropped."""
    history = measured(Resource.MEMORY, steps(1, 24), 1e7)
    killed(history, steps(1, 24), 24)

    assert web(history, Resource.MEMORY, 24 + hours_later * 12).value == expected


def test_measured_usage_does_not_contain_the_raise() -> None:
    """The samples are equal with the raise and after it was dropped.

    A whole day of 10,000,000 needs e^.24 times itself, and no more, since it is steady.
    """
    history = measured(Resource.MEMORY, WHOLE_DAY, 1e7)
    killed(history, WHOLE_DAY, *range(1, 289))
    web(history, Resource.MEMORY, 288)

    profile = web(history, Resource.MEMORY, 5 * STEPS_PER_DAY)

    assert (profile.value, profile.basis.samples) == ("12712492", 288)


def test_only_the_container_under_pressure_is_raised() -> None:
    """Two containers of 10,000,000: 12,712,491.5 * (1.2 + 1) = 27,967,482; the slot likewise."""
    history = measured(Resource.MEMORY, steps(1, 24), 1e7, "app", "linkerd-proxy")
    killed(history, steps(1, 24), 24)

    profile = web(history, Resource.MEMORY, 24)

    assert [(each.name, each.value) for each in profile.containers] == [
        ("app", "15254990"),
        ("linkerd-proxy", "12712492"),
    ]
    assert (profile.value, profile.slots[0].value) == ("27967482", "27967482")


def test_throttling_does_not_affect_memory_and_a_kill_does_not_affect_cpu() -> None:
    """Throttling raises CPU only, an OOM kill memory only."""
    history = measured(Resource.CPU, steps(1, 24), 0.1)
    history.fold(usage(steps(1, 24), (WEB_POD, "app", 1e7), resource=Resource.MEMORY), ATTRIBUTE)
    killed(history, steps(1, 24), 24)

    assert (web(history, Resource.CPU, 24).value, web(history, Resource.MEMORY, 24).value) == (
        "0.140",
        "15254990",
    )


def test_pressure_without_a_workload_raises_nothing() -> None:
    """`db-0` belongs to no known workload; a container without usage samples has no profile."""
    history = measured(Resource.CPU, steps(1, 24), 0.1)
    samples = pressure(THROTTLING, steps(1, 24), ("db-0", "app", 0.5), (WEB_POD, "never-measured", 0.5))
    history.fold_pressure(samples, ATTRIBUTE)

    profile = web(history, Resource.CPU, 24)
    assert (profile.value, profile.signals) == ("0.140", ())


def test_pressure_is_queried_for_days_with_usage() -> None:
    """Without usage nothing is queried; then the steps of the last three days with usage, newest first.

    Steps that were read are not queried again, even in the middle of missing ones.
    """
    history = UsageHistory(timeslots=4, retained_days=29)
    assert history.missing_pressure(Resource.CPU, MIDNIGHT + 24) == []

    history = measured(Resource.CPU, StepRange(MIDNIGHT - 5 * STEPS_PER_DAY, MIDNIGHT + 24), 0.1)
    assert history.missing_pressure(Resource.MEMORY, MIDNIGHT + 24) == []
    whole = StepRange((DAY - 2) * STEPS_PER_DAY + 1, MIDNIGHT + 24)
    assert history.missing_pressure(Resource.CPU, MIDNIGHT + 24) == [whole]
    throttled(history, steps(3, 20), 0.0)
    before = StepRange(whole.first, MIDNIGHT + 2)
    assert history.missing_pressure(Resource.CPU, MIDNIGHT + 24) == [steps(21, 24), before]
    throttled(history, StepRange(whole.first, MIDNIGHT + 20), 0.0)
    assert history.missing_pressure(Resource.CPU, MIDNIGHT + 24) == [steps(21, 24)]
    throttled(history, steps(21, 24), 0.0)
    assert history.missing_pressure(Resource.CPU, MIDNIGHT + 24) == []


def test_churn_does_not_fill_the_memory() -> None:
    """After a month of throttling, the newest three days are in memory."""
    history = measured(Resource.CPU, steps(1, 24), 0.1)
    for day in range(30):
        throttled(history, StepRange(MIDNIGHT + day * 288 + 1, MIDNIGHT + (day + 1) * 288), 0.5)

    assert sorted(history.state.pressure[THROTTLING].days) == [DAY + 27, DAY + 28, DAY + 29]


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), length=st.integers(12, 700), reason=st.sampled_from(Pressure))
def test_the_order_of_results_and_repeated_results_change_nothing(
    seed: int, length: int, reason: Pressure
) -> None:
    """Pressure split at random steps, shuffled, half of it read twice, raises as one whole result does."""
    chance = np.random.default_rng(seed)
    table: NDArray[np.float64] = chance.random((2, length))
    table[chance.random(table.shape) < 0.5] = 0.0
    resource = Resource.CPU if reason is THROTTLING else Resource.MEMORY
    once, shuffled = (measured(resource, steps(1, length), 1e7) for _ in range(2))

    def fold(history: UsageHistory, part: StepRange) -> None:
        columns = slice(part.first - MIDNIGHT - 1, part.last - MIDNIGHT)
        pods = zip((WEB_POD, WEB_POD_2), table, strict=True)
        history.fold_pressure(
            pressure(reason, part, *((pod, "app", row[columns]) for pod, row in pods)), ATTRIBUTE
        )

    cuts = sorted({0, length, *chance.integers(1, length, 5).tolist()})
    parts = [steps(a + 1, b) for a, b in itertools.pairwise(cuts)]
    parts += parts[: (len(parts) + 1) // 2]
    fold(once, steps(1, length))
    for number in chance.permutation(len(parts)):
        fold(shuffled, parts[number])

    assert web(shuffled, resource, length) == web(once, resource, length)
