"""The resources that a Pod's containers ask for, decoded only where somebody wants to know them; pure."""

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
    """A Pod's spec does not have the shape that the API's reference describes."""


_decode = msgspec.json.Decoder(_Spec).decode


def read_resources(spec: msgspec.Raw) -> PodResources:
    """What the `spec` of a Pod asks for, quantities as they are spelled there.

    Raises:
        UnreadableResourcesError: it can't be told.
    """
    try:
        found = _decode(spec)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableResourcesError(str(error)) from error
    return PodResources(
        tuple(_read(container, is_long_running=True) for container in found.containers),
        tuple(
            _read(each, is_long_running=each.restartPolicy == "Always") for each in found.initContainers or ()
        ),
        _of_the_pod(found.resources),
    )


def _read(container: _Container, *, is_long_running: bool) -> ContainerResources:
    given = container.resources
    return ContainerResources(
        container.name,
        (given.requests if given else None) or {},
        (given.limits if given else None) or {},
        is_long_running=is_long_running,
        has_resources=given is not None,
    )


def _of_the_pod(given: _Resources | None) -> frozenset[Resource]:
    """Those of our resources that are asked for by the Pod as a whole."""
    names = {*(given.requests or {}), *(given.limits or {})} if given else set()
    return frozenset(resource for resource in Resource if resource.value in names)
