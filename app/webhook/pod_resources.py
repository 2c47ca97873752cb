"""Decoding of a Pod's resources, which only Pods to be sized need; pure."""

import msgspec

from app.domain.profiles import Resource
from app.rightsizing.pod_spec import ContainerResources, PodResources


class _Resources(msgspec.Struct, gc=False):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class _Container(msgspec.Struct, gc=False):
    name: str
    resources: _Resources | None = None
    restartPolicy: str | None = None  # noqa: N815 - the API's spelling


class _Spec(msgspec.Struct, gc=False):
    containers: list[_Container]
    initContainers: list[_Container] | None = None  # noqa: N815 - the API's spelling
    resources: _Resources | None = None


class UnreadableResourcesError(Exception):
    """A Pod's spec does not match the schema of the API."""


class TooManyContainersError(Exception):
    """A Pod has more containers than are sized."""


_decode = msgspec.json.Decoder(_Spec).decode
# Sizing 100 containers takes a few milliseconds, in which no other review is answered.
_MAX_CONTAINERS = 100


def read_resources(spec: msgspec.Raw) -> PodResources:
    """The resources in the `spec` of a Pod, with quantities as written.

    Raises:
        UnreadableResourcesError: *spec* can't be decoded.
        TooManyContainersError: it has more than 100 containers.
    """
    try:
        decoded = _decode(spec)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableResourcesError(str(error)) from error
    if len(decoded.containers) + len(decoded.initContainers or ()) > _MAX_CONTAINERS:
        raise TooManyContainersError
    return PodResources(
        tuple(_read(container, is_long_running=True) for container in decoded.containers),
        tuple(
            _read(container, is_long_running=container.restartPolicy == "Always")
            for container in decoded.initContainers or ()
        ),
        _pod_level(decoded.resources),
    )


def _read(container: _Container, *, is_long_running: bool) -> ContainerResources:
    resources = container.resources
    return ContainerResources(
        container.name,
        (resources.requests if resources else None) or {},
        (resources.limits if resources else None) or {},
        is_long_running=is_long_running,
        has_resources=resources is not None,
    )


def _pod_level(resources: _Resources | None) -> frozenset[Resource]:
    """CPU and memory, if named in the Pod-level resources."""
    names = {*(resources.requests or {}), *(resources.limits or {})} if resources else set()
    return frozenset(resource for resource in Resource if resource.value in names)
