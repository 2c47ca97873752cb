"""The restated rules of the API server: sums over a Pod, and agreement with an independent model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.profiles import Resource
from app.rightsizing.admission_rules import Violation, quality_of_service, violations
from app.rightsizing.amounts import read_amounts
from tests.rightsizing import api_server
from tests.rightsizing.generated import Case, case_of
from tests.rightsizing.manifests import (
    CPU,
    Object,
    constraints,
    container,
    limit_range,
    pod,
    resources_of,
)

OLDER, NEWER = "older", "newer"
any_case = given(case=st.integers(0, 2**32).map(case_of))


def broken_by(manifest: Object, **bounds: dict[str, str]) -> set[str]:
    """The servers, older or newer, that reject the Pod by a LimitRange rule for Pods."""
    rules = constraints(limit_range("Pod", **bounds))
    return {violation[-1] for violation in violations(CPU, read_amounts(resources_of(manifest), CPU), rules)}


def one_core(name: str, *, is_sidecar: bool = False) -> Object:
    return container(name, requests={"cpu": "1"}, limits={"cpu": "1"}) | (
        {"restartPolicy": "Always"} if is_sidecar else {}
    )


@pytest.mark.parametrize(
    ("manifest", "older_cores", "newer_cores"),
    [
        (pod(one_core("a"), one_core("b")), 2, 2),
        (pod(one_core("a"), before=[one_core("b"), one_core("c")]), 1, 1),
        (pod(one_core("a"), before=[one_core("b", is_sidecar=True), one_core("c")]), 1, 2),
        (pod(one_core("a"), before=[one_core("b"), one_core("c", is_sidecar=True)]), 1, 2),
        (pod(container("a"), before=[one_core("b", is_sidecar=True), one_core("c")]), 1, 2),
        (pod(container("a"), before=[one_core("b"), one_core("c", is_sidecar=True)]), 1, 1),
    ],
)
def test_a_pod_is_the_sum_of_what_runs_at_once(manifest: Object, older_cores: int, newer_cores: int) -> None:
    """All containers run at once; before that, one init container at a time beside the started sidecars.

    Older servers have no sidecars. A Pod of n cores violates a maximum of one milli-core less.
    """
    most = {OLDER: older_cores, NEWER: newer_cores}
    for cores in (1, 2):
        too_much = {server for server, sum_ in most.items() if sum_ >= cores}

        assert broken_by(manifest, max={"cpu": f"{cores * 1000 - 1}m"}) == too_much


def test_older_servers_sum_only_what_every_container_names() -> None:
    """Of 1 core and no amount they compute no sum, so a minimum is violated; newer ones compute 1 core."""
    manifest = pod(one_core("a"), container("b"))

    assert broken_by(manifest, min={"cpu": "500m"}) == {OLDER}
    assert broken_by(manifest, min={"cpu": "2"}) == {OLDER, NEWER}


@settings(max_examples=500)
@any_case
def test_the_rules_agree_with_the_independent_model(case: Case) -> None:
    """The rules find a violation exactly if the independent model does, for older and newer servers."""
    bounds = constraints(*case.limit_ranges, *case.quotas)
    resources = resources_of(case.pod)
    by_the_rules: set[Violation] = set()
    for resource in Resource:
        by_the_rules |= violations(resource, read_amounts(resources, resource), bounds)

    for server, other, name in (("1.20", NEWER, OLDER), ("current", OLDER, NEWER)):
        complaints = api_server.complaints(case.pod, case.limit_ranges, case.quotas, server)
        relevant = {violation for violation in by_the_rules if violation[-1] != other}
        assert bool(relevant) == bool(complaints), (name, relevant, complaints)


@settings(max_examples=500)
@any_case
def test_the_quality_of_service_agrees_with_the_independent_model(case: Case) -> None:
    """BestEffort, Burstable or Guaranteed, as the API server names it."""
    resources = resources_of(case.pod)

    quality = quality_of_service({each: read_amounts(resources, each) for each in Resource})

    assert quality.value == api_server.quality_of_service(case.pod)
