"""The policy of a workload: which annotation holds for which container."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.annotations import POLICY_PREFIX
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import Resource, RiskLevel
from app.domain.workload_policy import (
    NO_POLICY,
    WorkloadPolicy,
    from_items,
    in_words,
    ordered,
    policy_in,
    to_items,
)
from app.domain.workloads import Workload

MIB = 1024**2
WEB = Workload("shop", "web")


def policy(
    template: dict[str, str] | None = None,
    workload: dict[str, str] | None = None,
    namespace: dict[str, str] | None = None,
) -> WorkloadPolicy:
    """The policy of these annotations on the three objects."""
    objects = zip(PolicySource, (template, workload, namespace), strict=True)
    read = [
        read_policy({f"{POLICY_PREFIX}{key}": value for key, value in (annotations or {}).items()}, source)
        for source, annotations in objects
    ]
    return read[0].over(read[1]).over(read[2])


def bounds(of: WorkloadPolicy, container: str) -> tuple[str, str]:
    """Minimum and maximum of a container's memory, as written; empty if there is none."""
    found = of.bounds(Resource.MEMORY, container)
    least, most = found.minimum, found.maximum
    return least.rule.value if least else "", most.rule.value if most else ""


def test_the_nearest_object_wins() -> None:
    """The template counts before the workload, and that before the namespace; each key on its own."""
    risks = [{"risk": "low"}, {"risk": "normal"}, {"risk": "high"}]

    assert policy(*risks).risk is RiskLevel.LOW
    assert policy(None, *risks[1:]).risk is RiskLevel.NORMAL
    assert policy(None, None, risks[2]).risk is RiskLevel.HIGH
    assert policy().risk is None
    assert policy(None, {"risk": "low"}, {"max-memory": "1Gi"}).rule(PolicyKey.MAX_MEMORY) is not None


def test_a_containers_own_key_counts_before_the_plain_one() -> None:
    """As the entry of a container counts before `*` in a VerticalPodAutoscaler, also from farther away.

    So a namespace's bound of a proxy holds in workloads that bound their other containers.
    """
    both = policy(None, {"max-memory": "4Gi"}, {"max-memory.istio-proxy": "256Mi", "max-memory": "1Gi"})

    assert bounds(both, "istio-proxy") == ("", "256Mi")
    assert bounds(both, "web") == ("", "4Gi")


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        ({"max-memory": "512Mi"}, {"min-memory": "1Gi"}, ("", "512Mi")),
        ({"min-memory": "1Gi"}, {"max-memory": "512Mi"}, ("1Gi", "")),
        ({"max-memory": "512Mi"}, {"min-memory.web": "1Gi"}, ("1Gi", "")),
        ({"min-memory": "1Gi", "max-memory.web": "512Mi"}, {}, ("", "512Mi")),
        ({"max-memory": "512Mi"}, {"min-memory": "256Mi"}, ("256Mi", "512Mi")),
    ],
)
def test_a_minimum_above_the_maximum(
    near: dict[str, str], far: dict[str, str], expected: tuple[str, str]
) -> None:
    """The one of the container counts rather than the one of all, and then the nearer one."""
    assert bounds(policy(None, near, far), "web") == expected


def test_off_and_on_again() -> None:
    """A namespace turns its workloads off; one turns itself on again but for its proxy."""
    own = policy(None, {"off": "false", "off.proxy": "true"}, {"off": "true"})

    assert policy(None, None, {"off": "true"}).off("web") is not None
    assert own.off("web") is None
    assert own.off("proxy") is not None


def test_amounts_are_moved_into_the_bounds() -> None:
    """The bound that moves an amount is the reason."""
    found = policy({"min-memory": "64Mi", "max-memory": "512Mi"}).bounds(Resource.MEMORY, "web")

    moved = {amount: found.nearest(Decimal(amount * MIB)) for amount in (10, 100, 1000)}
    assert moved == {10: 64 * MIB, 100: 100 * MIB, 1000: 512 * MIB}
    too_much, enough = found.that_moves(Decimal(1000 * MIB)), found.that_moves(Decimal(100 * MIB))
    assert too_much
    assert enough is None
    assert in_words(too_much.rule, WEB) == "at most 512Mi by max-memory of the Pod template"


def test_reasons_name_the_annotation_and_its_object() -> None:
    """These are the words of `plan` and of a Pod's annotation on its requests."""
    of = policy({"off.db": "true"}, {"min-cpu.web": "0.1"}, {"risk": "low"})

    assert [in_words(rule, WEB) for rule in of.rules] == [
        "low risk by risk of namespace shop",
        "turned off by annotation off.db of the Pod template",
        "at least 100m by min-cpu.web of Deployment web",
    ]


def test_a_profile_has_the_rules_of_its_resource_and_containers() -> None:
    """A namespace may bound containers that this workload does not have."""
    of = policy(None, {"max-cpu": "1"}, {"max-memory.proxy": "64Mi", "max-memory.web": "1Gi", "risk": "low"})

    stored = {
        resource: [rule.annotation for rule in of.stored_rules(resource, {"web"})] for resource in Resource
    }
    assert stored == {Resource.CPU: ["max-cpu", "risk"], Resource.MEMORY: ["risk", "max-memory.web"]}


def test_a_workload_without_a_policy_shares_that_of_its_namespace() -> None:
    """No object is made for each of thousands of workloads."""
    namespace = policy(None, None, {"risk": "low"})

    assert NO_POLICY.over(namespace) is namespace
    assert namespace.over(NO_POLICY) is namespace
    assert namespace.without_faults() is namespace


def test_what_people_write_into_a_status_is_no_rule() -> None:
    """Entries of other types, unknown names and amounts that are none are left out."""
    entries: list[object] = [
        None,
        {"annotation": "max-memory", "value": "x", "source": "Namespace"},
        {"annotation": "max-memory", "value": "1Gi", "source": "Elsewhere"},
        {"annotation": "risk.web", "value": "low", "source": "Workload"},
        {"annotation": "off", "value": "perhaps", "source": "Workload"},
        {"annotation": ["off"], "value": "true", "source": "Workload"},
        {"annotation": "off.web", "value": "true", "source": "Workload"},
    ]
    rule = PolicyRule(PolicyKey.OFF, "true", PolicySource.WORKLOAD, "web")

    assert from_items(entries) == (rule,)
    assert from_items({"annotation": "off"}) == ()
    assert policy_in({"status": {"policy": to_items([rule])}}) == WorkloadPolicy((rule,))
    assert policy_in({"status": "none"}) is NO_POLICY


AMOUNTS = st.sampled_from(["64Mi", "128Mi", "512Mi", "1Gi", "4Gi"])
KEYS = st.sampled_from(["min-memory", "max-memory", "min-memory.web", "max-memory.web", "max-memory.db"])
OBJECTS = st.dictionaries(KEYS, AMOUNTS, max_size=5)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_merging_is_the_rule_that_is_documented(
    template: dict[str, str], workload: dict[str, str], namespace: dict[str, str]
) -> None:
    """A second statement of the rule: of a container's own keys the nearest, else of the plain ones.

    Merging in another order of steps gives the same. Bounds never exclude each other.
    """
    objects = [
        read_policy({f"{POLICY_PREFIX}{key}": value for key, value in one.items()}, source)
        for one, source in zip((template, workload, namespace), PolicySource, strict=True)
    ]
    merged = objects[0].over(objects[1]).over(objects[2])

    assert merged == objects[0].over(objects[1].over(objects[2]))
    for container in ("web", "db"):
        for key in (PolicyKey.MIN_MEMORY, PolicyKey.MAX_MEMORY):
            candidates = [
                rule
                for named in (container, "")
                for one in objects
                for rule in one.rules
                if (rule.key, rule.container) == (key, named)
            ]
            assert merged.rule(key, container) == (candidates[0] if candidates else None)
        found = merged.bounds(Resource.MEMORY, container)
        for amount in (Decimal(0), Decimal(300 * MIB), Decimal(2**40)):
            moved = found.nearest(amount)
            assert found.minimum is None or moved >= found.minimum.amount
            assert found.maximum is None or moved <= found.maximum.amount


@given(st.permutations(list(PolicySource)))
def test_the_last_rule_of_a_place_counts(sources: list[PolicySource]) -> None:
    """`ordered` keeps one rule of each key and container."""
    rules = [PolicyRule(PolicyKey.RISK, "low", source) for source in sources]

    assert ordered(rules) == (rules[-1],)
