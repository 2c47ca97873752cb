"""JSON patch operations (RFC 6902) of a resizing, which change only CPU and memory of containers."""

from collections.abc import Iterator
from typing import Any

from app.rightsizing.pod_spec import PodResources
from app.rightsizing.resizing import ContainerChange, Resizing


def resource_operations(pod: PodResources, resizing: Resizing) -> list[dict[str, Any]]:
    """The operations for the manifest of *pod*.

    All are `add`, which sets a member whether or not it exists. If a container has neither requests nor
    limits, `has_resources` decides whether `resources` itself is added.
    """
    return [operation for change in resizing.changes for operation in _operations(pod, change)]


def _operations(pod: PodResources, change: ContainerChange) -> Iterator[dict[str, Any]]:
    container = pod.groups[change.group][change.index]
    path = f"/spec/{change.group}/{change.index}/resources"
    members = (
        ("requests", container.requests, change.requests),
        ("limits", container.limits, change.limits),
    )
    if not (container.requests or container.limits or container.has_resources):
        yield _add(path, {name: dict(new) for name, _, new in members if new})
        return
    for name, present, new in members:
        if new and not present:
            yield _add(f"{path}/{name}", dict(new))
        elif new:
            yield from (_add(f"{path}/{name}/{resource}", value) for resource, value in new.items())


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}
