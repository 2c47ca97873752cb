"""Patches of a workload's object; each gives the planned requests when it is applied."""

from typing import Any

import jsonpatch

from app.decisions.patches import PatchForm, patch
from app.decisions.templates import workload_object
from tests.decisions.manifests import Object, container, deployment, need
from tests.decisions.planning import CPU, MEMORY, WRITTEN, planner

SIDECAR = container("log", requests={"memory": "1Gi"}, restartPolicy="Always")
NEEDS = (
    need(
        "cpu",
        "web",
        "0.076",
        containers=(
            {"name": "app", "value": "0.026", "samples": 1},
            {"name": "log", "value": "0.050", "samples": 1},
        ),
    ),
    MEMORY,
)
CHANGES = {"requests": {"cpu": "26m", "memory": "347Mi"}}


def document(manifest: Object, form: PatchForm, *profiles: Object) -> Any:
    found = workload_object("Deployment", manifest)
    return patch(planner(*(profiles or (CPU, MEMORY))).plan(found), found, form)


def test_a_strategic_patch_names_the_containers() -> None:
    """Containers and sidecars by name, with the changed amounts only."""
    manifest = deployment("web", container(requests=WRITTEN), initContainers=[container("first"), SIDECAR])

    found = document(manifest, PatchForm.STRATEGIC, *NEEDS)

    log = {"name": "log", "resources": {"requests": {"cpu": "50m"}}}
    spec = {"containers": [{"name": "app", "resources": CHANGES}], "initContainers": [log]}
    assert found == {"spec": {"template": {"spec": spec}}}


def test_a_patch_for_kustomize_names_its_object() -> None:
    """Kustomize finds the object by kind, name and namespace."""
    found = document(deployment("web", container(requests=WRITTEN)), PatchForm.KUSTOMIZE)

    assert (found["apiVersion"], found["kind"]) == ("apps/v1", "Deployment")
    assert found["metadata"] == {"name": "web", "namespace": "shop"}


def test_a_json_patch_applies_to_templates_of_every_shape() -> None:
    """Without resources, with empty ones, with limits only, and with one of two requests."""
    shapes: list[Object] = [
        {},
        {"resources": {}},
        {"resources": {"limits": {"cpu": "1"}}},
        {"resources": {"requests": {"cpu": "500m"}, "limits": None}},
    ]
    for shape in shapes:
        manifest = deployment("web", container() | shape)

        patched = jsonpatch.apply_patch(manifest, document(manifest, PatchForm.JSON6902))

        (app,) = patched["spec"]["template"]["spec"]["containers"]
        assert app["resources"]["requests"] == CHANGES["requests"]


def test_a_json_patch_tests_the_container() -> None:
    """If another container is in its place by then, the patch is refused instead of changing that one."""
    manifest = deployment("web", container(requests=WRITTEN))

    first, *_ = document(manifest, PatchForm.JSON6902)

    assert first == {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "app"}


def test_nothing_to_change_is_an_empty_patch() -> None:
    """The requests are those of the plan already."""
    manifest = deployment("web", container(requests={"cpu": "26m", "memory": "347Mi"}))

    assert document(manifest, PatchForm.STRATEGIC) == {}
    assert document(manifest, PatchForm.JSON6902) == []
