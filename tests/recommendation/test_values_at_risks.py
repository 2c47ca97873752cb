"""The need of a container at each risk level, beside the value at the level of the setting."""

from dataclasses import astuple

import numpy as np
import pytest

from app.domain.pod_names import PodNames
from app.domain.profiles import Pressure, Resource, ResourceProfile, RiskLevel
from app.history.samples import ContainerSamples, PodContainer
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import PublishedValue
from tests.recommendation.builders import MIDNIGHT, WEB_POD, pressure, recommend, steps, usage

ATTRIBUTE = PodNames().workload
# Of 288 steps 4 are at .3, 6 at .2 and the others at .1.
SPREAD = np.array([0.3] * 4 + [0.2] * 6 + [0.1] * 278)


def published(
    folded: UsageHistory,
    risk: RiskLevel = RiskLevel.NORMAL,
    resource: Resource = Resource.CPU,
    *,
    stored: PublishedValue | None = None,
    newest: int = MIDNIGHT + 288,
) -> ResourceProfile:
    """The profile of the only workload."""
    policy = EstimationPolicy(risk=risk)
    found = Recommender(folded.state).recommend(
        resource, policy, newest_step=newest, find_published=lambda _workload: stored
    )
    return found.profiles[0]


def a_day(values: np.ndarray = SPREAD, resource: Resource = Resource.CPU) -> UsageHistory:
    """A history of one day of one container."""
    folded = UsageHistory(timeslots=4, retained_days=29)
    folded.fold(usage(steps(1, 288), (WEB_POD, "web-svc", values), resource=resource), ATTRIBUTE)
    return folded


def at_risks(profile: ResourceProfile) -> tuple[str, ...]:
    """The values of the first container, low risk first."""
    values = profile.containers[0].values
    assert values
    return astuple(values)


def numbers(profile: ResourceProfile) -> tuple[float, ...]:
    """The same as numbers."""
    return tuple(map(float, at_risks(profile)))


def test_the_three_values_of_cpu() -> None:
    """The value may be exceeded for 1 / (1 + price) of the time: 0.9 %, 2.7 % and 5.3 %.

    .2 is exceeded for 4 of 288 steps (1.4 %), .1 for 10 (3.5 %): low risk needs .3, normal .2, high .1. After
    one day seen, .5 / 2^3 = 6.25 % is added for what was not: .31875, .2125 and .10625, known to half a
    bucket of 5 %, and rounded up to .001.
    """
    profile = published(a_day())

    assert numbers(profile) == pytest.approx((0.31875, 0.2125, 0.10625), rel=0.035)
    assert profile.value == profile.containers[0].value == at_risks(profile)[1]


@pytest.mark.parametrize("resource", Resource)
def test_each_value_is_the_one_that_this_setting_publishes(resource: Resource) -> None:
    """Without a stored value, RISK=low publishes what RISK=high states for low risk, and so on."""
    values = SPREAD * (1 if resource is Resource.CPU else 1e9)
    stated = {at_risks(published(a_day(values, resource), risk, resource)) for risk in RiskLevel}
    by_setting = tuple(published(a_day(values, resource), risk, resource).value for risk in RiskLevel)

    assert stated == {by_setting}
    assert len(set(by_setting)) == 3


@pytest.mark.parametrize("stored", [0.224, 0.218])
def test_a_value_that_stays_stands_among_the_others(stored: float) -> None:
    """About .221 is chosen: a value that costs less than 4 % more stays, and the others are choices."""
    kept = PublishedValue(stored, changed_at_seconds=0.0, is_due=True)

    low, _, high = at_risks(published(a_day()))
    assert at_risks(published(a_day(), stored=kept)) == (low, f"{stored:.3f}", high)


def test_no_value_crosses_the_published_one() -> None:
    """Steady usage of .1 needs .1063 at each risk; .109 is 2.6 % more: it stays; low risk needs no less."""
    kept = PublishedValue(0.109, changed_at_seconds=0.0, is_due=True)

    assert at_risks(published(a_day(np.full(288, 0.1)), stored=kept)) == ("0.109", "0.109", "0.107")


def test_values_follow_a_day_that_outgrew_the_stored_one() -> None:
    """A closed day at .1, for which .109 is stored; today twelve hours at 1, but 30 minutes at 2 and 30 at 3.

    Weights are shares over ages: 1 / 1 of the closed day and .5 / .5 of today, so half each. A value may be
    exceeded for .99 %, 2.86 % or 5.56 % of the time, which is 1.98 %, 5.7 % or 11.1 % of today. 3 is used
    for 4.2 % of today, 2 or more for 8.3 %: low risk needs 3, normal 2, high 1. After 1.5 days seen,
    .5 / 2.5^3 = 3.2 % is added: 3.096, 2.064 and 1.032, known to half a bucket of 5 %.
    """
    folded, hours = a_day(np.full(288, 0.1)), steps(289, 432)
    today = np.array([1.0] * 132 + [2.0] * 6 + [3.0] * 6)
    folded.fold(usage(hours, (WEB_POD, "web-svc", today)), ATTRIBUTE)
    outgrown = PublishedValue(0.109, changed_at_seconds=0.0, is_due=True)

    profile = published(folded, stored=outgrown, newest=hours.last)

    assert numbers(profile) == pytest.approx((3.096, 2.064, 1.032), rel=0.035)
    assert profile.value == at_risks(profile)[1]


def test_siblings_count_at_each_risk() -> None:
    """A container of an hour in another namespace takes at least its sibling's value at each risk."""
    folded, hour = a_day(), steps(289, 300)
    young = PodContainer("other", WEB_POD, "web-svc")
    folded.fold(ContainerSamples(Resource.CPU, hour, (young,), np.full((1, 12), 0.01)), ATTRIBUTE)
    found = recommend(folded, Resource.CPU, EstimationPolicy(), newest_step=hour.last)
    by_namespace = {profile.workload.namespace: profile for profile in found.profiles}

    assert at_risks(by_namespace["other"]) == at_risks(by_namespace["emojivoto"])
    assert len(set(at_risks(by_namespace["other"]))) == 3


def test_pressure_raises_each_of_the_three() -> None:
    """Throttled for 20 % of each step of the day: each value is 20 % higher."""
    folded = a_day()
    before = numbers(published(folded))
    folded.fold_pressure(
        pressure(Pressure.CPU_THROTTLING, steps(1, 288), (WEB_POD, "web-svc", 0.2)), ATTRIBUTE
    )

    assert numbers(published(folded)) == pytest.approx([1.2 * value for value in before], abs=0.002)
