"""The summary annotation of a Pod for each outcome."""

from decimal import Decimal

import pytest

from app.domain.profiles import Resource
from app.rightsizing.constraints import Constraints
from app.rightsizing.resizing import ContainerNeeds, Resizing
from tests.rightsizing.manifests import (
    MIB,
    Object,
    constraints,
    container,
    cpu_needs,
    limit_range,
    memory_needs,
    pod,
    policy,
    quota,
    resized,
)

NEEDS = cpu_needs(app="0.25") | memory_needs(app=64 * MIB)


def summary(given: Object, bounds: Constraints | None = None, cpu_ratio: str = "0") -> str:
    """The summary, after a check that resizing the patched Pod again gives the same."""
    patched, decided = resized(given, NEEDS, bounds, policy(cpu_ratio))
    again = resized(patched, NEEDS, bounds, policy(cpu_ratio), earlier=decided.summary)
    assert again == (patched, Resizing((), decided.summary, decided.reasons_to_keep))
    return decided.summary


def test_each_long_running_container_is_listed() -> None:
    """Regular init containers are not in the summary."""
    original = pod(container(), container("proxy"), before=[container("setup")])

    assert summary(original) == (
        "app: cpu request none → 250m, memory request none → 64Mi; proxy: unchanged (no profile)"
    )


def test_set_limits_are_listed() -> None:
    """The CPU limit is 1.5 times 250m; memory limits are not set, and not in the summary."""
    assert summary(pod(container()), cpu_ratio="1.5") == (
        "app: cpu request none → 250m, cpu limit none → 375m, memory request none → 64Mi"
    )


def test_changed_limits_are_listed() -> None:
    """The CPU limit is 1.5 times the request: it falls from 1 core to 375m with the request of 500m."""
    original = pod(container(requests={"cpu": "500m"}, limits={"cpu": "1"}))

    assert summary(original, cpu_ratio="1.5") == (
        "app: cpu request 500m → 250m, cpu limit 1000m → 375m, memory request none → 64Mi"
    )


def test_a_request_that_stays_is_listed_as_it_counts() -> None:
    """0.24 cores are within 15 % of 250m, 70 MB within 15 % of 64 MiB."""
    original = container(requests={"cpu": "0.24", "memory": "70M"})

    assert summary(pod(original)) == "app: cpu request 240m, memory request 70000000"


def test_a_request_that_is_not_added_has_its_reason() -> None:
    """A quota counts CPU, and the other container uses all the memory that the Pod is allowed."""
    other = container("other", requests={"memory": "1Gi"}, limits={"memory": "1Gi"})
    bounds = constraints(quota("cpu"), limit_range("Pod", max={"memory": "1Gi"}))

    assert summary(pod(container(), other), bounds) == (
        "app: cpu unchanged (a ResourceQuota counts it), memory unchanged (no amount is allowed); "
        "other: unchanged (no profile)"
    )


def test_a_resource_without_a_profile() -> None:
    """The other resource has no profile, or a profile without this container."""
    _, of_cpu = resized(pod(container()), cpu_needs(app="0.25"))
    _, of_both = resized(pod(container()), cpu_needs(app="0.25") | memory_needs(gone=64 * MIB))

    assert of_cpu.summary == "memory unchanged (no profile); app: cpu request none → 250m"
    assert of_both.summary == "app: cpu request none → 250m, memory unchanged (no profile)"


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({}, "unchanged (no profile)"),
        (cpu_needs(0.1, app="1") | memory_needs(0.1, app=1), "unchanged (confidence below the minimum)"),
        (
            cpu_needs(0.1, app="1"),
            "cpu unchanged (confidence below the minimum); memory unchanged (no profile)",
        ),
    ],
)
def test_a_reason_for_both_resources_is_listed_once(
    needs: dict[Resource, ContainerNeeds], words: str
) -> None:
    """If neither resource is sized, the summary does not list containers."""
    assert resized(pod(container()), needs)[1].summary == words


def test_a_long_summary_ends_with_an_ellipsis() -> None:
    """Fifty containers of 40 characters need more than 2,000 characters: whole parts, at most 1,000."""
    original = pod(*(container(f"{number:040}") for number in range(50)))

    text = summary(original)

    assert 930 < len(text) <= 1000
    assert text.startswith(f"{0:040}: unchanged (no profile); {1:040}: unchanged")
    assert text.endswith("unchanged (no profile); …")


def test_a_first_part_that_does_not_fit_is_an_ellipsis() -> None:
    """Before the API server refuses a name of 5,000 characters, the webhook sees it: it exceeds 1,000."""
    assert summary(pod(container("n" * 5000), container())) == "…"


def test_a_long_summary_is_the_same_again() -> None:
    """Thirty containers that change: the second invocation knows the old amounts of the listed ones only."""
    names = [f"{number:030}" for number in range(30)]
    original = pod(*(container(name, requests={"cpu": "1"}) for name in names))
    needs = {Resource.CPU: ContainerNeeds(dict.fromkeys(names, Decimal("0.25")), 0.87)}

    patched, decided = resized(original, needs)

    assert decided.summary.endswith(": cpu request 1000m → 250m; …")
    assert resized(patched, needs, earlier=decided.summary)[1].summary == decided.summary


@pytest.mark.parametrize(
    ("earlier", "present", "text"),
    [
        ("app: cpu request 100m → 250m", "250m", "100m → 250m"),
        ("app: cpu request none → 250m, memory unchanged (no profile)", "250m", "none → 250m"),
        ("app: cpu request 100m → 250m", "500m", "500m → 250m"),
        ("app: cpu request 100m → 24m", "250m", "250m"),
        ("other: cpu request 100m → 250m", "250m", "250m"),
        ("app: cpu request free of charge → 250m", "250m", "250m"),
        ("app: cpu request 100m → 250m" + " " * 1000, "250m", "250m"),
    ],
)
def test_an_earlier_summary_counts_where_it_ends_in_the_same_amount(
    earlier: str, present: str, text: str
) -> None:
    """The webhook is invoked again after other webhooks: the Pod then has the request that it set.

    A template may hold a summary: of an amount that changes now the Pod's own request is the old one, and one
    that is no quantity is not repeated.
    """
    given = pod(container(requests={"cpu": present}))

    decided = resized(given, cpu_needs(app="0.25"), earlier=earlier)[1]

    assert decided.summary == f"memory unchanged (no profile); app: cpu request {text}"
