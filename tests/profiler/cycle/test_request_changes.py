"""Events on what the webhook sets for new Pods after a change of a profile."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from app.domain.container_roles import TemplateContainers
from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import Basis, ContainerNeed, ProfileKind, Resource, ResourceProfile, StoredProfile
from app.domain.stored_state import StoredState
from app.domain.template_amounts import template_amounts
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.plan_events import plan_events
from app.profiler.cycle.plan_policies import PolicyChange
from app.profiler.cycle.request_changes import RequestChanges
from app.profiler.profile_write import ProfileWrite
from tests.rightsizing.manifests import policy

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.87)
WEB = Workload("shop", "web")
MIB = 1024**2
PREFIX = "the webhook sets for new Pods, within LimitRanges and quotas: "
POLICY = policy()
SNAPSHOT = ClusterSnapshot(
    templates={WEB: TemplateContainers(containers=frozenset({"main", "proxy"}))},
    amounts={WEB: template_amounts([("main", {"cpu": "100m"}, {}), ("proxy", {}, {})])},
)
AT_MOST_50M = PolicyRule(PolicyKey.MAX_CPU, "50m", PolicySource.NAMESPACE)
OFF = PolicyRule(PolicyKey.OFF, "true", PolicySource.TEMPLATE)
# A Pod template that requests 200m, and a stored profile that needs 90m.
LARGE = replace(SNAPSHOT, amounts={WEB: template_amounts([("main", {"cpu": "200m"}, {})])})
NEEDS_90M = StoredProfile(
    "x",
    ProfileKind.CPU,
    WEB,
    "0.090",
    confidence=0.87,
    state=StoredState(containers=("main",), container_values=("0.090",)),
)


def write(
    before: dict[str, str] | None, after: dict[str, str], resource: Resource = Resource.CPU
) -> ProfileWrite:
    """A profile with the values *after* of its containers, written over one with those *before*."""
    needs = tuple(ContainerNeed(name, value, 12) for name, value in after.items())
    profile = ResourceProfile(WEB, resource, "0.500", BASIS, containers=needs)
    return ProfileWrite(profile, "x", value_changed=True, stored_value=None, stored_containers=before or {})


def changes(written: ProfileWrite, snapshot: ClusterSnapshot = SNAPSHOT) -> str:
    """The text for a namespace that asks for requests."""
    return "".join(RequestChanges(POLICY, snapshot, {"shop"}).of([written], []).values())


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, {"main": "0.024"}, "main: cpu request 100m → 24m"),
        ({"main": "0.024"}, {"main": "0.031"}, "main: cpu request 24m → 31m"),
        (
            {"main": "0.024"},
            {"main": "0.031", "proxy": "0.050"},
            "main: cpu request 24m → 31m, proxy: cpu request none → 50m",
        ),
        ({"main": "edited by hand"}, {"main": "0.024"}, "main: cpu request 100m → 24m"),
        ({"main": "0.005"}, {"main": "0.007"}, ""),
        (None, {"main": "0.095"}, ""),
        ({"main": "0.024"}, {"main": "0.099"}, "main: cpu request 24m → 100m"),
    ],
    ids=["new", "changed", "added", "edited", "below the floor", "near the template", "back to the template"],
)
def test_changes_by_container(before: dict[str, str] | None, after: dict[str, str], text: str) -> None:
    """The template requests 100m for main, and nothing for proxy; the floor is 20m, the deadband 15 %.

    5m and 7m are both set as 20m; 95m and 99m are within 15 % of the 100m in the template, which stay.
    """
    assert changes(write(before, after)) == text


def test_the_policy_of_the_workload_counts() -> None:
    """Of 90m only 50m are allowed, and the proxy is off."""
    written = write(None, {"main": "0.090", "proxy": "0.090"})
    policy = (
        AT_MOST_50M,
        PolicyRule(PolicyKey.OFF, "true", PolicySource.TEMPLATE, "proxy"),
    )
    assert isinstance(written.profile, ResourceProfile)

    bounded = replace(written, profile=replace(written.profile, policy=policy))

    assert changes(bounded) == "main: cpu request 100m → 50m (at most 50m by max-cpu of namespace shop)"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ((), (AT_MOST_50M,), "main: cpu request 90m → 50m (at most 50m by max-cpu of namespace shop)"),
        ((AT_MOST_50M,), (), "main: cpu request 50m → 90m"),
        ((), (OFF,), "main: cpu request 90m → 200m (turned off by annotation off of the Pod template)"),
        ((OFF,), (), "main: cpu request 200m → 90m"),
        ((), (PolicyRule(PolicyKey.MAX_CPU, "1", PolicySource.NAMESPACE),), ""),
    ],
    ids=["bounded", "no more bounded", "off", "on again", "a bound that holds nothing back"],
)
def test_a_policy_alone_changes_requests(
    before: tuple[PolicyRule, ...], after: tuple[PolicyRule, ...], text: str
) -> None:
    """The need of 90m stays; the template requests 200m, which is what `off` leaves."""
    change = PolicyChange(msgspec.structs.replace(NEEDS_90M, policy=before), WEB, Resource.CPU, after)

    found = RequestChanges(POLICY, LARGE, {"shop"}).of([], [change])

    assert "".join(found.values()) == text


def test_a_value_and_a_policy_that_change_together_are_one_change() -> None:
    """Before, 90m were set; now 50m of the 70m that are needed."""
    written = write({"main": "0.090"}, {"main": "0.070"})
    assert isinstance(written.profile, ResourceProfile)
    written = replace(written, profile=replace(written.profile, policy=(AT_MOST_50M,)))
    change = PolicyChange(NEEDS_90M, WEB, Resource.CPU, (AT_MOST_50M,))

    found = RequestChanges(POLICY, LARGE, {"shop"}).of([written], [change])

    assert list(found.values()) == ["main: cpu request 90m → 50m (at most 50m by max-cpu of namespace shop)"]


def test_other_namespaces_and_unknown_templates_have_no_changes() -> None:
    """Without the label the webhook sets nothing; without the template it is not known what it changes."""
    written = write(None, {"main": "0.024"})
    nobody = RequestChanges(POLICY, SNAPSHOT, ())

    assert (nobody.of([written], []), changes(written, ClusterSnapshot())) == ({}, "")


def test_a_pod_with_resources_as_a_whole_has_no_changes() -> None:
    """The template has CPU in its own `spec.resources`: the webhook leaves all its containers as they are."""
    amounts = template_amounts([("main", {"cpu": "100m"}, {}), ("proxy", {}, {})], {"cpu": "1"})
    snapshot = replace(SNAPSHOT, amounts={WEB: amounts})

    assert changes(write(None, {"main": "0.024"}), snapshot) == ""
    assert changes(write(None, {"main": str(64 * MIB)}, Resource.MEMORY), snapshot) == ""


def test_a_young_profile_changes_nothing() -> None:
    """Below the minimum confidence of .5 the webhook leaves requests as they are."""
    written = write(None, {"main": "0.024"})
    young = replace(written, profile=replace(written.profile, basis=replace(BASIS, confidence=0.49)))

    assert changes(young) == ""


def test_one_event_for_a_workload_and_cycle() -> None:
    """CPU and memory that change in one cycle make one Event, before those on profiles."""
    needs = {"main": str(64 * MIB)}
    written = [write({"main": "0.024"}, {"main": "0.031"}), write(None, needs, Resource.MEMORY)]

    texts = RequestChanges(POLICY, SNAPSHOT, {"shop"}).of(written, [])
    events = plan_events(written, [], {WEB: "u1"}, lambda _namespace: True, texts)

    assert [(event.reason.value, event.message) for event in events[:1]] == [
        ("RequestsChanged", f"{PREFIX}main: cpu request 24m → 31m, main: memory request none → 64Mi")
    ]
    assert [event.reason.value for event in events].count("RequestsChanged") == 1


def test_a_refreshed_status_is_no_event() -> None:
    """Only changed values are: what the webhook sets follows from them."""
    refreshed = replace(write({"main": "0.024"}, {"main": "0.031"}), value_changed=False, stored_value="0.5")

    assert changes(refreshed) == ""
