"""Decoding of a Pod's resources: quantities stay as written, and unreadable specs raise an error."""

import json
from typing import Any

import msgspec
import pytest

from app.domain.profiles import Resource
from app.rightsizing.pod_spec import ContainerResources, PodResources
from app.webhook.pod_resources import UnreadableResourcesError, read_resources
from app.webhook.reviews import decode_review
from tests.webhook.reviews import encoded, pod, review


def read(spec: object) -> PodResources:
    return read_resources(msgspec.Raw(json.dumps(spec).encode()))


def test_every_container_is_read_with_all_its_quantities() -> None:
    """All resources, in the order of the spec; of the init containers only the sidecar is long-running."""
    requests = {"cpu": "100m", "ephemeral-storage": "1Gi"}
    spec = {
        "containers": [
            {"name": "main", "resources": {"requests": requests, "limits": {"nvidia.com/gpu": "1"}}},
            {"name": "plain", "resources": {}},
            {"name": "bare"},
        ],
        "initContainers": [{"name": "first"}, {"name": "proxy", "restartPolicy": "Always"}],
        "nodeName": "node-1",
    }

    assert read(spec) == PodResources(
        (
            ContainerResources("main", requests, {"nvidia.com/gpu": "1"}, has_resources=True),
            ContainerResources("plain", has_resources=True),
            ContainerResources("bare"),
        ),
        (
            ContainerResources("first", is_long_running=False),
            ContainerResources("proxy", is_long_running=True),
        ),
    )


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, set()),
        ({}, set()),
        ({"requests": {"cpu": "1"}, "limits": None}, {Resource.CPU}),
        ({"limits": {"memory": "1Gi", "hugepages-2Mi": "2Mi"}}, {Resource.MEMORY}),
        ({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}, {Resource.CPU, Resource.MEMORY}),
    ],
)
def test_resources_of_the_pod_as_a_whole(resources: object, expected: set[Resource]) -> None:
    """CPU and memory in `spec.resources`, which only newer clusters have."""
    assert read({"containers": [], "resources": resources}).pod_level_resources == expected


def test_null_and_absent_are_the_same() -> None:
    """Go encodes empty fields as null."""
    nothing: dict[str, Any] = {"requests": None, "limits": None}

    assert read({"containers": [{"name": "a", "resources": None}], "initContainers": None}) == PodResources(
        (ContainerResources("a"),)
    )
    assert read({"containers": [{"name": "a", "resources": nothing}]}) == PodResources(
        (ContainerResources("a", has_resources=True),)
    )


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "spec",
        [],
        {},
        {"containers": None},
        {"containers": {"name": "a"}},
        {"containers": [None]},
        {"containers": [{}]},
        {"containers": [{"name": "a", "resources": "much"}]},
        {"containers": [{"name": "a", "resources": {"requests": ["cpu"]}}]},
        {"containers": [{"name": "a", "resources": {"requests": {"cpu": 1}}}]},
        {"containers": [{"name": "a", "resources": {"limits": {"cpu": None}}}]},
        {"containers": [], "resources": 3},
    ],
    ids=json.dumps,
)
def test_a_spec_of_another_shape_is_an_error(spec: object) -> None:
    """Every invalid shape raises the same error."""
    with pytest.raises(UnreadableResourcesError):
        read(spec)


def test_a_pod_without_a_spec_is_an_error() -> None:
    """Its review is readable; reading its spec raises the error."""
    document = review({key: value for key, value in pod({"name": "a"}).items() if key != "spec"})
    request = decode_review(encoded(document))

    assert request.object
    with pytest.raises(UnreadableResourcesError):
        read_resources(request.object.spec)
