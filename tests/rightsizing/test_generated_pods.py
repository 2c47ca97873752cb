"""Invariants of resizing on random Pods, namespaces, profiles and policies."""

import copy
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rightsizing.resizing import Resizing
from tests.rightsizing import api_server
from tests.rightsizing.generated import Case, case_of
from tests.rightsizing.manifests import Object, constraints, resized

many = settings(max_examples=500)
any_case = given(case=st.integers(0, 2**32).map(case_of))


def decided(case: Case, pod: Object | None = None, earlier: str = "") -> tuple[Object, Resizing]:
    bounds = constraints(
        *case.limit_ranges, *case.quotas, autoscaled=tuple(case.autoscaled), governed=case.governed
    )
    return resized(pod or case.pod, case.needs, bounds, case.policy, earlier)


@pytest.mark.parametrize("server", api_server.SERVERS)
@many
@any_case
def test_an_admitted_pod_stays_admitted(server: str, case: Case) -> None:
    """By an independent model of older and newer API servers."""
    patched, _ = decided(case)

    before = api_server.complaints(case.pod, case.limit_ranges, case.quotas, server)
    after = api_server.complaints(patched, case.limit_ranges, case.quotas, server)
    assert after <= before


@many
@any_case
def test_a_second_resizing_changes_nothing(case: Case) -> None:
    """The patched Pod is not patched again, and keeps its summary of 1 to 1,000 characters."""
    patched, first = decided(case)

    again, second = decided(case, patched, first.summary)

    assert (again, second) == (patched, Resizing((), first.summary, first.reasons_to_keep))
    assert 0 < len(first.summary) <= 1000


@many
@any_case
def test_all_else_of_the_pod_stays(case: Case) -> None:
    """Other resources, claims, regular init containers, and every name, image and annotation."""
    patched, _ = decided(case)

    assert without_amounts(patched) == without_amounts(case.pod)
    for before, after in zip(plain_init_containers(case.pod), plain_init_containers(patched), strict=True):
        assert before == after


def plain_init_containers(pod: Object) -> list[Object]:
    found = pod["spec"].get("initContainers", [])
    return [each for each in found if each.get("restartPolicy") != "Always"]


def without_amounts(pod: Object) -> Object:
    """The Pod without CPU and memory; empty members of `resources` count as absent."""
    rest = copy.deepcopy(pod)
    for each in rest["spec"]["containers"] + rest["spec"].get("initContainers", []):
        resources = each.pop("resources", None) or {}
        for member in ("requests", "limits"):
            foreign = {
                name: text
                for name, text in (resources.pop(member, None) or {}).items()
                if name not in api_server.RESOURCES
            }
            resources |= {member: foreign} if foreign else {}
        each["resources"] = resources
    return rest


@many
@any_case
def test_what_a_vertical_autoscaler_sets_stays(case: Case) -> None:
    """The amounts of its containers and resources, whatever is set of others."""
    patched, _ = decided(case)

    for group in ("containers", "initContainers"):
        pairs = zip(case.pod["spec"].get(group, []), patched["spec"].get(group, []), strict=True)
        for before, after in pairs:
            for resource in case.governed.get(before["name"], ()):
                assert amounts_of(before, resource) == amounts_of(after, resource)


def amounts_of(container: Object, resource: str) -> list[str | None]:
    resources = container.get("resources") or {}
    return [(resources.get(member) or {}).get(resource) for member in ("requests", "limits")]


@many
@any_case
def test_the_quality_of_service_stays_or_rises_from_best_effort(case: Case) -> None:
    """Guaranteed Pods stay unchanged, no Pod becomes Guaranteed, and Burstable Pods stay Burstable."""
    patched, _ = decided(case)

    before, after = map(api_server.quality_of_service, (case.pod, patched))
    assert (before, after) in {(before, before), ("BestEffort", "Burstable")}
    if before == "Guaranteed":
        assert patched == case.pod


@many
@any_case
def test_what_a_quota_counts_never_rises(case: Case) -> None:
    """The total of each counted resource, with sidecars and without (older servers), never rises."""
    patched, _ = decided(case)

    for view in (lambda pod: pod, without_restarts):
        before, after = (api_server.counted_by(case.quotas, view(pod)) for pod in (case.pod, patched))
        assert all(after[key] <= before[key] for key in before)
    if api_server.quality_of_service(case.pod) == "BestEffort" and any(
        "scopes" in each["spec"] for each in case.quotas
    ):
        assert patched == case.pod


def without_restarts(pod: Object) -> Object:
    plain = copy.deepcopy(pod)
    for each in plain["spec"].get("initContainers", []):
        each.pop("restartPolicy", None)
    return plain


def test_the_generated_cases_cover_all_constraints() -> None:
    """Of 400 cases, half are admitted and changed; of these, at least ten are constrained in each way.

    Limits are set, LimitRanges bound containers and Pods, and quotas count requests or limits.
    """
    seen: Counter[str] = Counter()

    for seed in range(400):
        case = case_of(seed)
        _, resizing = decided(case)
        if resizing.changes and is_admitted(case):
            seen.update(["changed", *ways_of_being_bound(case, resizing)])

    assert seen["changed"] > 200
    ways = ("limits", "Container", "Pod", "requests.cpu", "limits.cpu", "limits.memory")
    assert min(seen[way] for way in ways) >= 10, seen


def is_admitted(case: Case) -> bool:
    return not any(
        api_server.complaints(case.pod, case.limit_ranges, case.quotas, server)
        for server in api_server.SERVERS
    )


def ways_of_being_bound(case: Case, resizing: Resizing) -> set[str]:
    entries = [
        entry for manifest in case.limit_ranges for entry in manifest["spec"]["limits"] if len(entry) > 1
    ]
    counted = {key for manifest in case.quotas for key in manifest["spec"]["hard"]}
    has_limits = any(change.limits for change in resizing.changes)
    return {entry["type"] for entry in entries} | counted | ({"limits"} if has_limits else set())
