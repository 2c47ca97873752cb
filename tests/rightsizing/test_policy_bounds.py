"""Bounds by annotations, and containers that they leave alone, in the requests of a Pod.

The settings allow 20m to 16 cores and 32Mi to 64Gi, with a deadband of 15 %.
"""

from decimal import Decimal

import pytest

from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.needs import ContainerNeeds, container_needs
from tests.rightsizing.manifests import (
    CPU,
    MEMORY,
    MIB,
    amounts_of,
    constraints,
    container,
    limit_range,
    pod,
    resized,
)

WEB = Workload("shop", "web")


def needs(
    resource: Resource, values: dict[str, str], rules: dict[str, str]
) -> dict[Resource, ContainerNeeds]:
    """The needs of a profile with the rules of its workload's object, by annotation."""
    parsed = [annotation.partition(".") for annotation in rules]
    policy = [
        PolicyRule(PolicyKey(key), rules[f"{key}{dot}{name}"], PolicySource.WORKLOAD, name)
        for key, dot, name in parsed
    ]
    return {resource: container_needs(WEB, resource, values, 0.87, policy)}


def request(
    need: str, rules: dict[str, str], present: str = "", limit: str = "", **range_of_namespace: str
) -> str:
    """The memory request of a container that needs so many MiB."""
    members = {"requests": {"memory": present}} if present else {}
    members |= {"limits": {"memory": limit}} if limit else {}
    bounds = {key: {"memory": value} for key, value in range_of_namespace.items()}
    patched, _ = resized(
        pod(container(**members)),
        needs(MEMORY, {"app": str(int(need) * MIB)}, rules),
        constraints(*([limit_range(**bounds)] if bounds else [])),
    )
    return (amounts_of(patched)[0] or {}).get("memory", "")


@pytest.mark.parametrize(
    ("need", "rules", "expected"),
    [
        ("700", {"max-memory": "512Mi"}, "512Mi"),
        ("700", {"max-memory": "1Gi"}, "700Mi"),
        ("40", {"min-memory": "64Mi"}, "64Mi"),
        ("700", {"max-memory": "512Mi", "max-memory.app": "600Mi"}, "600Mi"),
        ("700", {"max-memory.other": "512Mi"}, "700Mi"),
        ("10", {"max-memory": "16Mi"}, "10Mi"),
        ("40", {"max-memory": "16Mi"}, "16Mi"),
        ("70000", {"max-memory": "100Gi"}, "70000Mi"),
        ("10", {"min-memory": "100Gi"}, "102400Mi"),
        ("700", {"max-memory": "100M"}, "100000000"),
        ("700", {"min-cpu": "1"}, "700Mi"),
    ],
)
def test_bounds_replace_the_floor_and_the_ceiling(need: str, rules: dict[str, str], expected: str) -> None:
    """A maximum replaces the ceiling of 64Gi, a minimum the floor of 32Mi; a floor above a maximum gives way.

    No request is rounded up beyond a maximum that is no whole MiB: 100M are 95.4 MiB.
    """
    if need == "10":
        rules = {"min-memory": "1Mi", **rules}

    assert request(need, rules) == expected


def test_a_request_outside_the_bounds_is_never_near_enough() -> None:
    """550Mi is within 15 % of 512Mi, and above the maximum; 480Mi is within both, and stays."""
    assert request("700", {"max-memory": "512Mi"}, present="550Mi") == "512Mi"
    assert request("700", {"max-memory": "512Mi"}, present="480Mi") == "480Mi"
    assert request("500", {}, present="550Mi") == "550Mi"


def test_what_the_api_server_rejects_counts_more() -> None:
    """A limit below the minimum, and a LimitRange above the maximum."""
    assert request("40", {"min-memory": "256Mi"}, present="40Mi", limit="128Mi") == "128Mi"
    assert request("40", {"max-memory": "64Mi"}, min="100Mi") == "100Mi"
    assert request("40", {"max-memory": "64Mi"}, present="101Mi", min="100Mi") == "101Mi"


def test_a_container_that_is_off_stays() -> None:
    """The other one is sized; the summary says by which annotation."""
    original = pod(container(requests={"cpu": "1"}), container("proxy", requests={"cpu": "1"}))

    patched, decided = resized(
        original, needs(CPU, {"app": "0.25", "proxy": "0.05"}, {"off.proxy": "true", "off": "false"})
    )

    assert amounts_of(patched) == [{"cpu": "250m"}, {"cpu": "1"}]
    assert decided.summary == (
        "memory unchanged (no profile); app: cpu request 1000m → 250m; "
        "proxy: unchanged (turned off by annotation off.proxy of Deployment web)"
    )


def test_a_workload_that_is_off_stays() -> None:
    """Also with a confidence below the minimum that is the reason, since a user asked for it."""
    original = pod(container(requests={"cpu": "1"}))
    (off,) = needs(CPU, {"app": "0.25"}, {"off": "true"}).values()
    reason = "turned off by annotation off of Deployment web"

    patched, decided = resized(original, {CPU: ContainerNeeds(off.containers, 0.1, off.bounds, off.kept)})

    assert patched == original
    assert decided.reasons_to_keep == {CPU: reason, MEMORY: "no profile"}
    assert decided.summary == f"cpu unchanged ({reason}); memory unchanged (no profile)"


def test_needs_without_a_policy_share_their_empty_parts() -> None:
    """The webhook keeps the needs of thousands of workloads."""
    first, second = (container_needs(WEB, CPU, {"app": "0.25"}, 0.87) for _ in range(2))

    assert first.bounds is second.bounds
    assert first.kept is second.kept
    assert first.containers == {"app": Decimal("0.25")}
