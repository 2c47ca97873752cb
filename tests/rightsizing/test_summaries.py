"""What is said on a Pod: the words for each outcome."""

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
    """What is said, and is said again on a second look."""
    patched, decided = resized(given, NEEDS, bounds, policy(cpu_ratio))
    assert resized(patched, NEEDS, bounds, policy(cpu_ratio)) == (patched, Resizing((), decided.summary))
    return decided.summary


def test_each_container_that_stays_is_told() -> None:
    """Those that run and end before the others are not."""
    given = pod(container(), container("proxy"), before=[container("setup")])

    assert summary(given) == "app: cpu request 250m, memory request 64Mi; proxy: as given (no profile)"


def test_limits_are_told_where_they_are_set() -> None:
    """For CPU 1.5 times 250m; those of memory are not set here, and so not told."""
    assert summary(pod(container()), cpu_ratio="1.5") == (
        "app: cpu request 250m, cpu limit 375m, memory request 64Mi"
    )


def test_a_request_that_stays_is_told_as_it_counts() -> None:
    """0.24 cores are within 15 % of 250m, 70 MB within 15 % of 64 MiB."""
    given = container(requests={"cpu": "0.24", "memory": "70M"})

    assert summary(pod(given)) == "app: cpu request 240m, memory request 70000000"


def test_what_was_not_added_is_told_with_its_reason() -> None:
    """A quota keeps CPU away, and of memory the other container takes all that the Pod is allowed."""
    other = container("other", requests={"memory": "1Gi"}, limits={"memory": "1Gi"})
    bounds = constraints(quota("cpu"), limit_range("Pod", max={"memory": "1Gi"}))

    assert summary(pod(container(), other), bounds) == (
        "app: cpu as given (a quota counts it), memory as given (no amount is allowed); "
        "other: as given (no profile)"
    )


def test_one_profile_alone_is_told() -> None:
    """Of the other resource nothing is known, for the container or at all."""
    _, of_cpu = resized(pod(container()), cpu_needs(app="0.25"))
    _, of_both = resized(pod(container()), cpu_needs(app="0.25") | memory_needs(gone=64 * MIB))

    assert of_cpu.summary == "memory as given (no profile); app: cpu request 250m"
    assert of_both.summary == "app: cpu request 250m, memory as given (no profile)"


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({}, "as given (no profile)"),
        (cpu_needs(0.1, app="1") | memory_needs(0.1, app=1), "as given (too little was seen yet)"),
        (cpu_needs(0.1, app="1"), "cpu as given (too little was seen yet); memory as given (no profile)"),
    ],
)
def test_a_reason_for_both_resources_is_said_once(needs: dict[Resource, ContainerNeeds], words: str) -> None:
    """Containers are not told where neither resource is sized."""
    assert resized(pod(container()), needs)[1].summary == words


def test_a_long_summary_ends_with_an_ellipsis() -> None:
    """Fifty containers with names of 40 letters take more than 2,000 characters, of which 1,000 are kept."""
    given = pod(*(container(f"{number:040}") for number in range(50)))

    text = summary(given)

    assert (len(text), text[-1]) == (1000, "…")
    assert text.startswith(f"{0:040}: as given (no profile); {1:040}: as given")
