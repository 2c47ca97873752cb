"""Requests and limits of a Pod template: sums, defaults, and the Pod's own resources."""

import pytest

from app.domain.profiles import Resource
from app.domain.template_amounts import TemplateAmounts, template_amounts
from app.domain.workload_state import NO_AMOUNTS

NOTHING: dict[str, str] = {}


def of(resource: Resource, *quantities: tuple[dict[str, str], dict[str, str]]) -> tuple[str, str]:
    """The request and limit of one replica with containers of these requests and limits."""
    containers = [(f"c{number}", *pair) for number, pair in enumerate(quantities)]
    amounts = template_amounts(containers).of(resource)
    return amounts.request, amounts.limit


@pytest.mark.parametrize(
    ("requests", "total"),
    [
        (["100m", "0.9"], "1"),
        (["100m", "1500u"], "102m"),
        (["1", "2500m"], "3500m"),
    ],
)
def test_cpu_is_added_up_in_millicores(requests: list[str], total: str) -> None:
    """.1 + .9 is 1; .1 + .0015 is rounded up to 102m; 1 + 2.5 is 3500m."""
    assert of(Resource.CPU, *(({"cpu": request}, NOTHING) for request in requests)) == (total, "")


@pytest.mark.parametrize(
    ("requests", "total"),
    [(["64Mi", "64Mi"], "128Mi"), (["1Gi", "1024Mi"], "2Gi"), (["100M"], "100M"), (["1Mi", "1"], "1048577")],
)
def test_memory_is_added_up_in_bytes(requests: list[str], total: str) -> None:
    """A sum is written in the largest unit that is exact."""
    assert of(Resource.MEMORY, *(({"memory": request}, NOTHING) for request in requests)) == (total, "")


def test_a_container_without_a_request_adds_nothing() -> None:
    """Of two containers one requests 64Mi, and none has a limit."""
    assert of(Resource.MEMORY, ({"memory": "64Mi"}, NOTHING), (NOTHING, NOTHING)) == ("64Mi", "")


def test_resources_of_the_pod_replace_the_sum() -> None:
    """`spec.resources` (Kubernetes 1.32) is what the scheduler counts for the Pod."""
    containers = [("app", {"cpu": "100m"}, NOTHING)]

    amounts = template_amounts(containers, {"cpu": "2"}, {"cpu": "4"}).cpu

    assert (amounts.request, amounts.limit) == ("2", "4")


@pytest.mark.parametrize(
    ("requests", "limits", "pod_level"),
    [
        ({"cpu": "2"}, NOTHING, {Resource.CPU}),
        (NOTHING, {"memory": "1Gi"}, {Resource.MEMORY}),
        ({"cpu": "2"}, {"cpu": "4", "memory": "1Gi"}, {Resource.CPU, Resource.MEMORY}),
        ({"hugepages-2Mi": "2Mi"}, NOTHING, set()),
    ],
)
def test_resources_on_the_level_of_the_pod(
    requests: dict[str, str], limits: dict[str, str], pod_level: set[Resource]
) -> None:
    """CPU and memory that are named there; of two runs with one profile, those of both."""
    amounts = template_amounts([("app", NOTHING, NOTHING)], requests, limits)

    assert amounts.pod_level == pod_level
    larger = template_amounts([("app", {"cpu": "8"}, NOTHING)])
    assert amounts.largest(larger).pod_level == larger.largest(amounts).pod_level == pod_level


def test_a_template_without_amounts_has_none() -> None:
    """Other resources do not count."""
    assert template_amounts([("app", {"nvidia.com/gpu": "1"}, NOTHING)]) == TemplateAmounts(
        NO_AMOUNTS, NO_AMOUNTS
    )
