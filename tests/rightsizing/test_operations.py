"""Patches that set CPU and memory for every shape of a container's `resources`."""

import copy
from typing import Any

import jsonpatch
import pytest

from app.rightsizing.operations import resource_operations
from app.rightsizing.resizing import ContainerChange, Resizing
from tests.rightsizing.manifests import Object, container, pod, resources_of

PATH = "/spec/containers/0/resources"


def operations(manifest: Object, *changes: ContainerChange) -> list[dict[str, Any]]:
    return resource_operations(resources_of(manifest), Resizing(changes, "app: cpu request 250m", {}))


def bare(resources: Any) -> Object:
    return {"name": "app", "resources": resources}


@pytest.mark.parametrize("given", [container(), bare(None)])
def test_resources_are_added_where_there_are_none(given: Object) -> None:
    """If absent or null, one operation adds requests and limits."""
    change = ContainerChange("containers", 0, {"cpu": "250m", "memory": "64Mi"}, {"memory": "128Mi"})
    value = {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}

    assert operations(pod(given), change) == [{"op": "add", "path": PATH, "value": value}]


def test_limits_that_do_not_change_are_not_added() -> None:
    """The new `resources` hold requests alone."""
    assert operations(pod(container()), ContainerChange("containers", 0, {"cpu": "250m"}, {})) == [
        {"op": "add", "path": PATH, "value": {"requests": {"cpu": "250m"}}}
    ]


@pytest.mark.parametrize("resources", [{}, {"requests": None}, {"requests": {}, "limits": None}])
def test_empty_resources_are_replaced(resources: Object) -> None:
    """Empty members are replaced as a whole."""
    assert operations(
        pod(bare(resources)), ContainerChange("containers", 0, {"cpu": "250m"}, {"cpu": "1"})
    ) == [
        {"op": "add", "path": f"{PATH}/requests", "value": {"cpu": "250m"}},
        {"op": "add", "path": f"{PATH}/limits", "value": {"cpu": "1"}},
    ]


def test_claims_alone_stay() -> None:
    """A container that only claims a device keeps its claim beside the new request."""
    manifest = pod(bare({"claims": [{"name": "gpu"}]}))

    patched = jsonpatch.apply_patch(
        manifest, operations(manifest, ContainerChange("containers", 0, {"cpu": "1"}, {}))
    )

    assert patched["spec"]["containers"][0]["resources"] == {
        "claims": [{"name": "gpu"}],
        "requests": {"cpu": "1"},
    }


def test_only_the_named_quantities_change() -> None:
    """The GPU, the disk and the memory limit stay, the CPU request is replaced, the memory request added."""
    requests = {"cpu": "1", "ephemeral-storage": "1Gi"}
    limits = {"memory": "1Gi", "nvidia.com/gpu": "1"}
    manifest = pod(container(requests=requests, limits=limits))
    before = copy.deepcopy(manifest)

    changes = operations(manifest, ContainerChange("containers", 0, {"cpu": "250m", "memory": "64Mi"}, {}))

    assert [each["op"] for each in changes] == ["add", "add"]
    assert jsonpatch.apply_patch(manifest, changes)["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "250m", "memory": "64Mi", "ephemeral-storage": "1Gi"},
        "limits": limits,
    }
    assert manifest == before


def test_each_change_goes_to_its_own_container() -> None:
    """Only the second container and the first init container change."""
    manifest = pod(container("a"), container("b"), before=[container("c")])
    changes = (
        ContainerChange("containers", 1, {"cpu": "1"}, {}),
        ContainerChange("initContainers", 0, {"cpu": "2"}, {}),
    )

    patched = jsonpatch.apply_patch(manifest, operations(manifest, *changes))

    assert patched["spec"]["containers"] == [container("a"), container("b", requests={"cpu": "1"})]
    assert patched["spec"]["initContainers"] == [container("c", requests={"cpu": "2"})]


def test_without_a_change_there_is_no_operation() -> None:
    """The patch of an unchanged Pod is empty."""
    assert operations(pod(container())) == []
