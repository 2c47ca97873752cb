"""Needs derived from usage: the rule, pooling of replicas, containers, and idempotent folding.

For constant usage every quantile of every day is that usage. With t days seen CPU is raised by .5 / (1 +
t)^3; memory is not raised where it is steady, and has the margin e^x that costs least at the width .1 of a
first day: x = .24 (test_memory_is_the_largest_sample_plus_a_margin).

24 steps are t = 1/12: CPU 1 + .5 / (1 + 1/12)^3 = 1.393264 times, memory e^.24 = 1.271249 times itself.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.pod_names import PodNames
from app.domain.profiles import Resource, ResourceProfile
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, ContainerSamples, StepRange
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from tests.recommendation.builders import DAY, MIDNIGHT, WEB, WEB_POD, WEB_POD_2, recommend, steps, usage

ATTRIBUTE = PodNames().workload


def history() -> UsageHistory:
    return UsageHistory(timeslots=4, retained_days=29)


def needs(folded: UsageHistory, newest: int, resource: Resource = Resource.CPU) -> dict[str, ResourceProfile]:
    found = recommend(folded, resource, EstimationPolicy(), newest_step=newest)
    return {profile.workload.name: profile for profile in found.profiles}


def web_cpu(*answers: ContainerSamples) -> ResourceProfile:
    folded = history()
    for answer in answers:
        folded.fold(answer, ATTRIBUTE)
    return needs(folded, max(answer.steps.last for answer in answers))["web"]


def test_constant_usage_needs_itself_plus_a_margin_for_what_was_not_seen() -> None:
    """0.018 cores in every one of 24 steps: 0.018 * 1.393264 = 0.0251, rounded up."""
    profile = web_cpu(usage(steps(1, 24), (WEB_POD, "web-svc", 0.018)))

    assert profile.value == "0.026"
    assert (profile.basis.samples, profile.basis.coverage) == (24, 1.0)


def test_memory_is_the_largest_sample_plus_a_margin() -> None:
    """One sample of 20,000,000 among 23 of 10,000,000: the maximum counts.

    At the width .1 of a first day, x above it in logarithms, a value costs e^x + 6 * (y^(-3/2) / 2 + .05 *
    y^(-1/2)), with y = 1 + 2 x / .1: 1.6142, 1.6106 and 1.6117 at .22, .24 and .26. Twice the median is
    unsteady: 20,000,000 * e^.24 * (1 + 3 / (1 + 1/12)^3) = 85,417,000.
    """
    values = [1e7] * 23 + [2e7]
    folded = history()
    folded.fold(usage(steps(1, 24), (WEB_POD, "web-svc", values), resource=Resource.MEMORY), ATTRIBUTE)

    value = float(needs(folded, MIDNIGHT + 24, Resource.MEMORY)["web"].value)
    assert value == pytest.approx(85_417_000, rel=1e-5)


def test_cpu_is_no_maximum_where_bursts_are_rare() -> None:
    """100 steps, 98 of 0.100 and 2 of 1.000: a value of 0.1 is exceeded 2 % of the time.

    At normal risk 1 / 35 = 2.9 % of the time may be above. Seen for t = 0.347 days, the upper
    edge of 0.1's bucket, .0001 * 1.05^142 = 0.1021, is raised by .5 / 1.347^3 = 0.2045: 0.1229.
    """
    profile = web_cpu(usage(steps(1, 100), (WEB_POD, "web-svc", [0.1] * 98 + [1.0] * 2)))

    assert profile.value == "0.123"


def test_samples_of_all_replicas_are_pooled() -> None:
    """One replica at 0.1 and one at 0.3 for 20 steps: half of all samples are 0.3, and t = 20/288.

    Raised by .5 / 1.0694^3 = 0.4088, 0.3 is 0.4226. A mean over replicas would give 0.2, and each step counts
    two samples.
    """
    profile = web_cpu(usage(steps(1, 20), (WEB_POD, "web-svc", 0.1), (WEB_POD_2, "web-svc", 0.3)))

    assert (profile.value, profile.basis.samples) == ("0.423", 40)


def test_the_value_is_the_sum_over_long_running_containers() -> None:
    """0.1 * 1.393264 = 0.1393 and 0.02 * 1.393264 = 0.0279: 0.1672 together, each rounded up."""
    profile = web_cpu(
        usage(steps(1, 24), (WEB_POD, "web-svc", 0.1), (WEB_POD, "linkerd-proxy", 0.02)),
    )

    assert profile.value == "0.168"
    assert [(c.name, c.value) for c in profile.containers] == [
        ("linkerd-proxy", "0.028"),
        ("web-svc", "0.140"),
    ]


def test_an_init_container_that_ended_is_left_out() -> None:
    """It ran in the first of 24 steps, so in none of the last hour: 0.1 * 1.393264 remains."""
    ended = [0.5] + [np.nan] * 23
    profile = web_cpu(usage(steps(1, 24), (WEB_POD, "web-svc", 0.1), (WEB_POD, "linkerd-init", ended)))

    assert (profile.value, [c.name for c in profile.containers]) == ("0.140", ["web-svc"])


def test_a_terminated_workload_keeps_its_containers() -> None:
    """The workload's own last hour counts, although other workloads have samples for a day more.

    24 steps of 0.1 were seen: 0.1393.
    """
    gone = [0.1] * 24 + [np.nan] * 276
    folded = history()
    other = ("api-6b6f9d7d5c-2x8qz", "api", 0.2)
    folded.fold(usage(steps(1, 300), (WEB_POD, "web-svc", gone), other), ATTRIBUTE)

    assert needs(folded, MIDNIGHT + 300)["web"].value == "0.140"


def test_too_few_samples_give_no_profile_but_a_reason() -> None:
    """11 of the 12 required samples: the workload is listed among those with too few."""
    folded = history()
    folded.fold(usage(steps(1, 11), (WEB_POD, "web-svc", 0.1)), ATTRIBUTE)

    found = recommend(folded, Resource.CPU, EstimationPolicy(), newest_step=MIDNIGHT + 11)

    assert (found.profiles, found.too_few) == ([], {WEB})


def test_runs_that_last_one_step_have_a_profile_after_the_second() -> None:
    """A Job that runs for five minutes an hour: one run is too few samples, two make a profile.

    Of t = 2/288 days the raise is .5 / 1.00694^3 = 0.4897: 0.1 becomes 0.1490. The confidence is 2 steps, 1/6
    h, against a day: 0.1667 / 24.1667 = 0.0069. The window has 13 steps.
    """
    job, folded = Workload("emojivoto", "report", "CronJob"), history()
    for number, run in enumerate(("report-29000000-abcde", "report-29000060-fghij")):
        at = 1 + 12 * number
        folded.fold(usage(steps(at, at), (run, "report", 0.1)), lambda _namespace, _pod: job)
        found = recommend(folded, Resource.CPU, EstimationPolicy(), newest_step=MIDNIGHT + at)
        if number == 0:
            assert (found.profiles, found.too_few) == ([], {job})

    (profile,) = found.profiles
    assert (profile.value, profile.basis.samples) == ("0.149", 2)
    assert profile.basis.confidence == pytest.approx(0.0069, abs=0.0001)
    assert profile.basis.coverage == pytest.approx(2 / 13)


def test_each_time_slot_has_its_own_value() -> None:
    """0.1 from 00:00 to 06:00 (72 steps), 0.2 until 12:00; later slots have no samples and no value.

    Half a day raises each by .5 / 1.5^3 = 0.1481: 0.1148 and 0.2296.
    """
    profile = web_cpu(usage(steps(1, 144), (WEB_POD, "web-svc", [0.1] * 72 + [0.2] * 72)))

    assert [(slot.start, slot.end, slot.value, slot.samples) for slot in profile.slots] == [
        ("00:00", "06:00", "0.115", 72),
        ("06:00", "12:00", "0.230", 72),
    ]


def test_the_newest_days_count_most_and_what_left_the_window_not_at_all() -> None:
    """A busy day a week ago, and today 12 idle steps, which do not count before the day is over.

    One day was seen: 0.4 * 1.0625 = 0.425. It makes choices until it is 28 days old; then 12 steps of 0.1
    remain, t = 1/24, raised by .5 / 1.04167^3 = 0.4424: 0.1442.
    """
    busy = StepRange(MIDNIGHT - 7 * STEPS_PER_DAY + 1, MIDNIGHT - 6 * STEPS_PER_DAY)
    folded = history()
    folded.fold(usage(busy, (WEB_POD, "web-svc", 0.4)), ATTRIBUTE)
    folded.fold(usage(steps(1, 12), (WEB_POD, "web-svc", 0.1)), ATTRIBUTE)
    assert needs(folded, MIDNIGHT + 12)["web"].value == "0.425"

    assert needs(folded, MIDNIGHT + 12 + 22 * STEPS_PER_DAY)["web"].value == "0.145"


def test_pods_without_a_workload_are_listed_and_not_counted() -> None:
    """A StatefulSet's Pod belongs to no known workload: it is listed as unattributed and not counted."""
    folded = history().fold(usage(steps(1, 12), ("db-0", "db", 1.0)), ATTRIBUTE)

    assert folded.samples == 0
    assert folded.unattributed_pods == frozenset({("emojivoto", "db-0")})


def test_a_workload_whose_name_is_a_prefix_is_another_workload() -> None:
    """`web-api` uses 50 times as much as `web`; they are independent: 1.393264 times itself each."""
    folded = history()
    folded.fold(usage(steps(1, 24), (WEB_POD, "c", 0.02), ("web-api-5f5b555dff-fcg7c", "c", 1.0)), ATTRIBUTE)

    found = needs(folded, MIDNIGHT + 24)

    assert (found["web"].value, found["web-api"].value) == ("0.028", "1.394")


def test_only_missing_steps_are_queried() -> None:
    """Of steps 1 to 300, 11 to 20 were read: missing are the next day's first, then 21-288, then 1-10."""
    folded = history()
    folded.fold(usage(steps(11, 20), (WEB_POD, "web-svc", 0.1)), ATTRIBUTE)

    missing = folded.missing(Resource.CPU, steps(1, 300))

    assert missing == [steps(289, 300), steps(21, 288), steps(1, 10)]
    assert folded.missing(Resource.MEMORY, steps(1, 20)) == [steps(1, 20)]


def test_days_that_are_no_longer_retained_are_neither_queried_nor_stored() -> None:
    """29 retained days, then a sample 40 days later: the first day's samples are dropped."""
    folded = history()
    folded.fold(usage(steps(1, 24), (WEB_POD, "web-svc", 0.4)), ATTRIBUTE)
    later = MIDNIGHT + 40 * STEPS_PER_DAY
    folded.fold(usage(StepRange(later + 1, later + 24), (WEB_POD, "web-svc", 0.1)), ATTRIBUTE)

    assert needs(folded, later + 24)["web"].basis.samples == 24


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), replicas=st.integers(1, 4), length=st.integers(2, 700))
def test_the_order_of_results_and_repeated_results_change_nothing(
    seed: int, replicas: int, length: int
) -> None:
    """A past split at random steps, shuffled, half of it read twice, folds to the same profile."""
    chance = np.random.default_rng(seed)
    pods = [f"web-6b6f9d7d5c-{letter * 5}" for letter in "bcdf"[:replicas]]
    table = chance.lognormal(-3, 1, (replicas, length))
    table[chance.random(table.shape) < 0.2] = np.nan

    def answer(part: StepRange) -> ContainerSamples:
        columns = slice(part.first - MIDNIGHT - 1, part.last - MIDNIGHT)
        return usage(part, *((pod, "c", row[columns]) for pod, row in zip(pods, table, strict=True)))

    cuts = sorted({0, length, *chance.integers(1, length, 5).tolist()})
    parts = [steps(a + 1, b) for a, b in itertools.pairwise(cuts)]
    parts += parts[: (len(parts) + 1) // 2]
    once, shuffled = history(), history()
    once.fold(answer(steps(1, length)), ATTRIBUTE)
    for number in chance.permutation(len(parts)):
        shuffled.fold(answer(parts[number]), ATTRIBUTE)

    newest = MIDNIGHT + length
    expected = recommend(once, Resource.CPU, EstimationPolicy(), newest_step=newest)
    assert recommend(shuffled, Resource.CPU, EstimationPolicy(), newest_step=newest) == expected


@pytest.mark.parametrize("value", [0.0, 1e-12, 1e-4, 1e6])
def test_a_value_is_never_zero_or_above_the_grid(value: float) -> None:
    """Without any usage it is the floor of 0.001 cores; usage above the grid counts as the grid's maximum.

    An hour was seen, t = 1/24: both are raised by 0.4608.
    """
    profile = web_cpu(usage(steps(1, 12), (WEB_POD, "c", value)))

    assert float(profile.value) == pytest.approx(max(0.001, value) * 1.442368, rel=1e-6, abs=0.001)


def test_the_day_begins_with_the_step_that_ends_five_minutes_after_midnight() -> None:
    """The step that ends at midnight belongs to the day before: slot 18:00 to 24:00."""
    folded = history()
    folded.fold(usage(StepRange(MIDNIGHT - 11, MIDNIGHT), (WEB_POD, "c", 0.1)), ATTRIBUTE)

    profile = recommend(folded, Resource.CPU, EstimationPolicy(), newest_step=MIDNIGHT).profiles[0]

    assert [slot.start for slot in profile.slots] == ["18:00"]
    assert list(StepRange(MIDNIGHT - 1, MIDNIGHT + 1).by_day()) == [
        StepRange(MIDNIGHT - 1, MIDNIGHT),
        StepRange(MIDNIGHT + 1, MIDNIGHT + 1),
    ]
    assert DAY * 86400 == MIDNIGHT * 300
