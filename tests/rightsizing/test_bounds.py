"""Constraints on requests: LimitRanges, quotas, autoscalers, quality of service."""

import pytest

from tests.rightsizing.manifests import (
    CPU,
    MEMORY,
    MIB,
    amounts_of,
    constraints,
    container,
    cpu_needs,
    cpu_request,
    limit_range,
    memory_needs,
    pod,
    policy,
    quota,
    resized,
    resources_of,
)


@pytest.mark.parametrize(
    ("bounds", "requests", "limits"),
    [
        ({"min": {"cpu": "300m"}}, "300m", "2"),
        ({"max": {"cpu": "2"}, "min": {"cpu": "1"}}, "1000m", "2"),
        ({"maxLimitRequestRatio": {"cpu": "4"}}, "500m", "2"),
        ({"maxLimitRequestRatio": {"cpu": "3"}}, "667m", "2"),
    ],
)
def test_a_request_obeys_the_bounds_of_containers(
    bounds: dict[str, dict[str, str]], requests: str, limits: str
) -> None:
    """The need is 250m, the limit 2 cores: a maximum ratio of 4 gives 500m, one of 3 gives 667m."""
    original = pod(container(requests={"cpu": "1500m"}, limits={"cpu": "2"}))

    patched, _ = resized(original, cpu_needs(app="0.25"), constraints(limit_range(**bounds)))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == ([{"cpu": requests}], [{"cpu": limits}])


def test_set_limits_obey_the_bounds_of_containers() -> None:
    """The target is 4 times the request: 2 cores for 500m, of which 900m are allowed; 800m for 200m.

    The ratio may be 2: that allows 1 core and 400m.
    """
    needs = cpu_needs(app="0.5", small="0.2")
    original = pod(
        container(requests={"cpu": "1"}, limits={"cpu": "1"}),
        container("small", requests={"cpu": "1"}, limits={"cpu": "1"}),
    )
    ranges = (limit_range(max={"cpu": "900m"}), limit_range(maxLimitRequestRatio={"cpu": "2"}))

    patched, _ = resized(original, needs, constraints(*ranges), policy(cpu_ratio="4"))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == (
        [{"cpu": "500m"}, {"cpu": "200m"}],
        [{"cpu": "900m"}, {"cpu": "400m"}],
    )


def test_a_container_for_which_no_amount_is_allowed_stays() -> None:
    """The minimum is 2 cores, but the container's limit is 1: the API server rejects it in any case."""
    original = container(requests={"cpu": "1"}, limits={"cpu": "1"})

    assert cpu_request(original, "0.25", constraints(limit_range(min={"cpu": "2"}))) == "1"


def test_needs_above_the_maximum_of_a_pod_share_it() -> None:
    """Of 2 allowed cores, `c` without a profile may use 500m: 1500m remain for needs of 1 and 4 cores."""
    original = pod(
        *(container(name, requests={"cpu": "100m"}, limits={"cpu": "500m"}) for name in ("a", "b", "c")),
    )
    bounds = constraints(limit_range("Pod", max={"cpu": "2"}))

    patched, _ = resized(original, cpu_needs(a="1", b="4"), bounds, policy(cpu_ratio="1"))

    assert amounts_of(patched) == [{"cpu": "300m"}, {"cpu": "1200m"}, {"cpu": "100m"}]
    assert amounts_of(patched, "limits") == [{"cpu": "300m"}, {"cpu": "1200m"}, {"cpu": "500m"}]


def test_set_limits_obey_the_maximum_of_a_pod() -> None:
    """Four times the request of 1 core is 4 cores, and the Pod's maximum is 2."""
    bounds = constraints(limit_range("Pod", max={"cpu": "2"}))

    patched, _ = resized(pod(container()), cpu_needs(app="1"), bounds, policy(cpu_ratio="4"))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == ([{"cpu": "1000m"}], [{"cpu": "2000m"}])


def test_needs_below_the_minimum_of_a_pod_share_it() -> None:
    """Of at least 300Mi a container without a profile has 100Mi: 200Mi remain for needs of 32Mi and 64Mi.

    A third of 200Mi is 66.7 MiB, rounded up to 67; two thirds are 133.3, rounded up to 134.
    """
    original = pod(*(container(name, requests={"memory": "100Mi"}) for name in ("a", "b", "c")))
    bounds = constraints(limit_range("Pod", min={"memory": "300Mi"}))

    patched, _ = resized(original, memory_needs(a=32 * MIB, b=64 * MIB), bounds)

    assert amounts_of(patched) == [{"memory": "67Mi"}, {"memory": "134Mi"}, {"memory": "100Mi"}]


def test_a_change_that_would_still_violate_a_rule_is_not_made() -> None:
    """The ratio may be 2: limits of 2 cores are 1.6 times the 1250m requested, but 2.7 times 750m.

    The sized container obeys the ratio; the container without a profile does not.
    """
    original = pod(
        container(requests={"cpu": "1"}, limits={"cpu": "1"}),
        container("other", requests={"cpu": "250m"}, limits={"cpu": "1"}),
    )
    bounds = constraints(limit_range("Pod", maxLimitRequestRatio={"cpu": "2"}))

    patched, decided = resized(original, cpu_needs(app="0.1") | memory_needs(app=64 * MIB), bounds)

    assert amounts_of(patched) == [{"cpu": "1", "memory": "64Mi"}, {"cpu": "250m"}]
    assert decided.summary == (
        "cpu unchanged (a LimitRange would reject it); app: memory request none → 64Mi;"
        " other: unchanged (no profile)"
    )


@pytest.mark.parametrize("counted", ["cpu", "requests.cpu"])
@pytest.mark.parametrize(
    ("given", "request_"),
    [({"cpu": "1"}, "250m"), ({"cpu": "100m"}, "100m"), ({}, None), ({"cpu": "0"}, "0")],
)
def test_a_request_that_a_quota_counts_only_falls(
    counted: str, given: dict[str, str], request_: str | None
) -> None:
    """The need is 250m: 1 core falls to it, 100m stay, and none is added."""
    assert cpu_request(container(requests=given), "0.25", constraints(quota(counted))) == request_


@pytest.mark.parametrize(
    ("given", "requests", "limits"),
    [
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}, "250m", "500m"),
        ({"requests": {"cpu": "100m"}, "limits": {"cpu": "400m"}}, "250m", "400m"),
        ({"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}, "200m", "200m"),
        ({"requests": {"cpu": "100m"}}, "250m", None),
    ],
)
def test_a_limit_that_a_quota_counts_only_falls(
    given: dict[str, dict[str, str]], requests: str, limits: str | None
) -> None:
    """The need is 250m, twice that 500m: 1 core falls to it, 400m and 200m stay, and none is added.

    The request rises up to the limit.
    """
    patched, _ = resized(
        pod(container(**given)),
        cpu_needs(app="0.25"),
        constraints(quota("limits.cpu")),
        policy(cpu_ratio="2"),
    )

    assert amounts_of(patched) == [{"cpu": requests}]
    assert (amounts_of(patched, "limits")[0] or {}).get("cpu") == limits


def test_a_quota_on_memory_does_not_hold_cpu() -> None:
    """CPU rises from 100m to 250m."""
    assert cpu_request(container(requests={"cpu": "100m"}), "0.25", constraints(quota("memory"))) == "250m"


def test_a_best_effort_pod_stays_best_effort_if_a_quota_has_that_scope() -> None:
    """With a request it might count under another quota; a Pod that already has a request is sized."""
    bounds = constraints(quota("pods", scopes=["BestEffort"]))

    patched, decided = resized(pod(container()), cpu_needs(app="0.25"), bounds)

    assert (patched, decided.summary) == (
        pod(container()),
        "unchanged (a ResourceQuota has a BestEffort scope)",
    )
    assert cpu_request(container(), "0.25", constraints(quota("pods"))) == "250m"
    assert cpu_request(container(requests={"memory": "1Mi"}), "0.25", bounds) == "250m"


def test_what_an_autoscaler_scales_on_is_left_alone() -> None:
    """The autoscaler compares usage with the request, so that request stays; memory is sized."""
    needs = cpu_needs(app="0.25") | memory_needs(app=64 * MIB)

    patched, decided = resized(pod(container()), needs, constraints(autoscaled=[CPU]))

    assert amounts_of(patched) == [{"memory": "64Mi"}]
    assert (
        decided.summary
        == "cpu unchanged (a HorizontalPodAutoscaler scales on it); app: memory request none → 64Mi"
    )


def test_a_pod_with_resources_of_its_own_is_left_alone() -> None:
    """The API server would derive the amounts that are not set from the containers' requests."""
    original = pod(container(), resources={"requests": {"cpu": "1"}})

    patched, decided = resized(original, cpu_needs(app="0.25") | memory_needs(app=64 * MIB))

    assert (patched, decided.summary) == (original, "unchanged (the Pod has Pod-level resources)")


GUARANTEED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


def test_a_guaranteed_pod_is_left_alone() -> None:
    """Also if only limits are set, which are then the requests."""
    needs = cpu_needs(app="0.25")
    for original in (pod(container(**GUARANTEED)), pod(container(limits=GUARANTEED["limits"]))):
        patched, decided = resized(original, needs, rules=policy(cpu_ratio="2"))

        assert (patched, decided.summary) == (original, "unchanged (the Pod is Guaranteed)")


def test_a_second_container_without_limits_makes_a_pod_burstable() -> None:
    """So the first container is sized; an init container without limits has the same effect."""
    for original in (
        pod(container(**GUARANTEED), container("b")),
        pod(container(**GUARANTEED), before=[container("b")]),
    ):
        patched, _ = resized(original, cpu_needs(app="0.25"))

        assert (amounts_of(patched)[0] or {})["cpu"] == "250m"


def test_no_pod_becomes_guaranteed() -> None:
    """The CPU need equals the limit, and so does the memory request: the whole Pod stays unchanged."""
    original = pod(
        container(requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "2", "memory": "1Gi"}),
    )

    patched, decided = resized(original, cpu_needs(app="2"))

    assert (patched, decided.summary) == (original, "unchanged (the Pod would become Guaranteed)")


def test_a_bound_that_can_not_be_read_allows_nothing() -> None:
    """The Pod stays unchanged."""
    original = container(requests={"cpu": "1"}, limits={"cpu": "1"})

    assert cpu_request(original, "0.25", constraints(limit_range(max={"cpu": "lots"}))) == "1"


def test_pod_level_resources_are_recognized() -> None:
    """Pod-level requests and limits are read; resources other than CPU and memory are ignored."""
    pod_level = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi", "hugepages-2Mi": "2Mi"}}

    assert resources_of(pod(container(), resources=pod_level)).pod_level_resources == {CPU, MEMORY}
