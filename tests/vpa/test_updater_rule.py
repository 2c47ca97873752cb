"""Our recommendations under the rule of VPA's updater: nothing is done to a Pod at our target.

The rule is stated in `updater_rule`; the needs are those of `objects` unless they are generated.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.profiles import Identity, Resource
from app.domain.quantities import parse_quantity
from app.domain.template_amounts import template_amounts
from app.vpa.autoscaler import read_autoscaler
from app.vpa.conclusions import conclude
from app.vpa.recommendation import TargetFacts
from app.vpa.status import ContainerRecommendation
from tests.vpa.objects import (
    CPU_NEEDS,
    MEMORY_NEEDS,
    POLICY,
    WEB,
    Needs,
    catalogue_of,
    container_policies,
    profile,
    vpa,
)
from tests.vpa.updater_rule import acts, at_target

CPU, MEMORY = Resource.CPU, Resource.MEMORY
OLD, YOUNG = 48.0, 1.0
Recommendations = tuple[ContainerRecommendation, ...]


def recommended(
    cpu: Needs = CPU_NEEDS,
    memory: Needs = MEMORY_NEEDS,
    *,
    confidence: str = "0.75",
    limits: dict[str, str] | None = None,
    policy: dict[str, Any] | None = None,
) -> Recommendations:
    """The recommendations from profiles with these needs."""
    catalogue = catalogue_of(
        profile(CPU, cpu, confidence=confidence), profile(MEMORY, memory, confidence=confidence)
    )
    found = {resource: catalogue.get(Identity(resource.profile_kind, WEB)) for resource in Resource}
    amounts = template_amounts([("main", {}, limits or {})])
    facts = TargetFacts({key: one for key, one in found.items() if one}, amounts=amounts)
    manifest = vpa(resourcePolicy=container_policies(policy)) if policy else vpa()
    return conclude(read_autoscaler(manifest), facts, POLICY).status.recommendations


def with_main(recommendations: Recommendations, **requests: str) -> dict[str, dict[Resource, str]]:
    """A Pod at the target, except for these requests of `main`."""
    pod = {name: dict(own) for name, own in at_target(recommendations).items()}
    pod["main"] |= {Resource(name): text for name, text in requests.items()}
    return pod


def test_nothing_is_done_at_the_target() -> None:
    """In 20 loops, while the Pod grows old."""
    found = recommended()

    assert not any(acts(at_target(found), found, age_hours=2.0 * loop) for loop in range(20))


@pytest.mark.parametrize(
    "requests", [{"cpu": "299m"}, {"memory": "249Mi"}, {"cpu": "668m"}, {"memory": "441Mi"}]
)
def test_outside_the_bounds_it_acts_at_once(requests: dict[str, str]) -> None:
    """The bounds of `main` are 300m and 667m, 250Mi and 440Mi."""
    found = recommended()

    assert acts(with_main(found, **requests), found, age_hours=YOUNG)


def test_a_pod_without_requests_is_outside() -> None:
    """BestEffort Pods, and a container that a user added without requests."""
    found = recommended()

    assert acts({name: {} for name in at_target(found)}, found, age_hours=YOUNG)
    assert acts({"main": at_target(found)["main"], "proxy": {}}, found, age_hours=YOUNG)


def test_a_container_that_the_pod_lacks_is_left_out() -> None:
    """A sidecar that the profile knows is not injected into every Pod."""
    found = recommended()

    assert not acts({"main": at_target(found)["main"]}, found, age_hours=OLD)


@pytest.mark.parametrize(("cpu", "does"), [("376m", True), ("387m", False), ("425m", False), ("480m", True)])
def test_a_tenth_in_total_is_enough_for_an_old_pod(cpu: str, does: bool) -> None:  # noqa: FBT001 - a parameter
    """Of CPU the target is 424m in total, of memory 340Mi, and 355Mi are requested: |340 - 355| / 355 = .042.

    With the proxy's 20m, 396m differ by .071, 407m by .042, 445m by .047 and 500m by .152.
    """
    found = recommended()
    pod = with_main(found, cpu=cpu, memory="315Mi")

    assert acts(pod, found, age_hours=OLD) == does
    assert not acts(pod, found, age_hours=YOUNG)


def test_pressure_acts_at_once() -> None:
    """The need rose from 300Mi to 450Mi after an OOM kill: 300Mi are below the lower bound of then."""
    before = recommended()
    mebibyte = 1024**2
    raised = {name: tuple(str(int(need) * 3 // 2) for need in needs) for name, needs in MEMORY_NEEDS.items()}
    after = recommended(memory=raised)  # type: ignore[arg-type]  # triples

    assert parse_quantity(after[0].lower[MEMORY]) == 375 * mebibyte
    assert acts(at_target(before), after, age_hours=YOUNG)
    assert not acts(at_target(after), after, age_hours=OLD)


def test_a_container_at_its_limit_is_left() -> None:
    """RequestsOnly caps the target at 256Mi: the updater can't do more, and does nothing over and over."""
    policy = {"containerName": "*", "controlledValues": "RequestsOnly"}
    found = recommended(limits={"memory": "256Mi"}, policy=policy)

    assert at_target(found)["main"][MEMORY] == "256Mi"
    assert not acts(at_target(found), found, age_hours=OLD)


amounts = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(64), places=3)
quantities = st.builds("{}m".format, st.integers(1, 64_000))
policies = st.fixed_dictionaries(
    {"containerName": st.sampled_from(["*", "main"])},
    optional={
        "minAllowed": st.fixed_dictionaries({}, optional={"cpu": quantities}),
        "maxAllowed": st.fixed_dictionaries({}, optional={"cpu": quantities}),
        "controlledValues": st.sampled_from(["RequestsOnly", "RequestsAndLimits"]),
    },
)


@given(
    needs=st.tuples(amounts, amounts, amounts),
    confidence=st.decimals(min_value=Decimal("0.5"), max_value=1, places=2),
    limit=st.none() | quantities,
    policy=st.none() | policies,
)
def test_no_recommendation_contradicts_itself(
    needs: tuple[Decimal, Decimal, Decimal],
    confidence: Decimal,
    limit: str | None,
    policy: dict[str, Any] | None,
) -> None:
    """Whatever the needs at all risks, the limit and the policy: a Pod at the target is within the bounds."""
    cpu = {"main": (str(needs[0]), str(needs[1]), str(needs[2]))}
    found = recommended(
        cpu, confidence=str(confidence), limits={"cpu": limit} if limit else None, policy=policy
    )

    assert found
    assert not acts(at_target(found), found, age_hours=OLD)
