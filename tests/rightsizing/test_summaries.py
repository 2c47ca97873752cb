"""The summary annotation of a Pod for each outcome."""

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
    assert resized(patched, NEEDS, bounds, policy(cpu_ratio)) == (patched, Resizing((), decided.summary))
    return decided.summary


def test_each_long_running_container_is_listed() -> None:
    """Regular init containers are not in the summary."""
    original = pod(container(), container("proxy"), before=[container("setup")])

    assert summary(original) == "app: cpu request 250m, memory request 64Mi; proxy: unchanged (no profile)"


def test_set_limits_are_listed() -> None:
    """The CPU limit is 1.5 times 250m; memory limits are not set, and not in the summary."""
    assert summary(pod(container()), cpu_ratio="1.5") == (
        "app: cpu request 250m, cpu limit 375m, memory request 64Mi"
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

    assert of_cpu.summary == "memory unchanged (no profile); app: cpu request 250m"
    assert of_both.summary == "app: cpu request 250m, memory unchanged (no profile)"


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
    """Fifty containers with names of 40 characters need more than 2,000 characters, cut to 1,000."""
    original = pod(*(container(f"{number:040}") for number in range(50)))

    text = summary(original)

    assert (len(text), text[-1]) == (1000, "…")
    assert text.startswith(f"{0:040}: unchanged (no profile); {1:040}: unchanged")
