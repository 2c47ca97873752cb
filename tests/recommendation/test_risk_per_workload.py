"""Workloads with risk levels of their own, beside one level for all."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.domain.profiles import Resource, ResourceProfile, RiskLevel, StatedRisk
from app.domain.workloads import Workload
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import PublishedValue
from tests.recommendation.learning import PAST, Cluster, learned_of

LEVELS = list(RiskLevel)
CLUSTER = Cluster()
LEVEL_OF = {workload: LEVELS[number % 3] for number, workload in enumerate(CLUSTER.workloads)}


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    """A recommender that has learned the cluster's past."""
    return Recommender(learned_of(CLUSTER).history.state)


def profiles(
    recommender: Recommender,
    resource: Resource,
    policy: EstimationPolicy,
    published: Callable[[Workload], PublishedValue | None] = lambda _workload: None,
) -> dict[Workload, ResourceProfile]:
    """The profiles that are new, have moved or are due at the end of the past."""
    found = recommender.recommend(resource, policy, newest_step=PAST.last, find_published=published)
    return {profile.workload: profile for profile in found.profiles}


def but_for_the_bound(profile: ResourceProfile) -> ResourceProfile:
    """The profile without the stated bound, which is calibrated on all workloads together."""
    assert profile.risk
    return replace(profile, risk=StatedRisk(profile.risk.level, profile.risk.expected))


@pytest.mark.parametrize("resource", Resource)
def test_each_profile_is_that_of_its_level(recommender: Recommender, resource: Resource) -> None:
    """Of all levels at once, each workload has the profile that it has if all are at its level."""
    mixed = profiles(recommender, resource, EstimationPolicy(risk_of=LEVEL_OF.__getitem__))
    alone = {level: profiles(recommender, resource, EstimationPolicy(risk=level)) for level in LEVELS}

    assert mixed.keys() == set(CLUSTER.workloads)
    for workload, profile in mixed.items():
        expected = alone[LEVEL_OF[workload]][workload]
        assert but_for_the_bound(profile) == but_for_the_bound(expected)
    assert len({alone[level][CLUSTER.workloads[0]].value for level in LEVELS}) > 1


@pytest.mark.parametrize("resource", Resource)
def test_a_value_at_another_risk_is_replaced_at_once(recommender: Recommender, resource: Resource) -> None:
    """Those that were published at normal risk change to the needs of their own level; the others stay.

    It is at once, also for a value that falls, which else happens in the hour after midnight only.
    """
    at_normal = profiles(recommender, resource, EstimationPolicy())
    now_seconds = PAST.last * 300.0

    def published(workload: Workload) -> PublishedValue:
        return PublishedValue(float(at_normal[workload].value), now_seconds, risk=RiskLevel.NORMAL)

    moved = profiles(recommender, resource, EstimationPolicy(risk_of=LEVEL_OF.__getitem__), published)

    fresh = profiles(recommender, resource, EstimationPolicy(risk_of=LEVEL_OF.__getitem__))
    others = {workload for workload, level in LEVEL_OF.items() if level is not RiskLevel.NORMAL}
    assert moved.keys() == others
    assert {workload: profile.value for workload, profile in moved.items()} == {
        workload: fresh[workload].value for workload in others
    }
    assert any(float(moved[workload].value) < float(at_normal[workload].value) for workload in others)


def test_a_level_that_is_not_known_moves_nothing(recommender: Recommender) -> None:
    """The profiles of older releases do not say their risk."""
    at_normal = profiles(recommender, Resource.CPU, EstimationPolicy())
    now_seconds = PAST.last * 300.0

    moved = profiles(
        recommender,
        Resource.CPU,
        EstimationPolicy(),
        lambda workload: PublishedValue(float(at_normal[workload].value), now_seconds),
    )

    assert moved == {}
