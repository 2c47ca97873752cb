"""A Pod at its creation, as far as resources go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.profiles import Resource

# The lists of a Pod's spec that hold containers.
CONTAINERS, INIT_CONTAINERS = "containers", "initContainers"


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """What a container's `resources` say, quantities as they are spelled there, foreign resources included.

    `stays` is true for a container, and for an init container whose restartPolicy is Always.
    `has_resources` tells whether `resources` is there as an object, be it empty or with claims alone; it is
    asked where neither requests nor limits are given.
    """

    name: str
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    stays: bool = True
    has_resources: bool = False


@dataclass(frozen=True, slots=True)
class PodResources:
    """All containers in the order of the Pod's spec; `has_pod_level` are the resources that its own
    `spec.resources` names.
    """

    containers: tuple[ContainerResources, ...]
    init_containers: tuple[ContainerResources, ...] = ()
    has_pod_level: frozenset[Resource] = frozenset()

    @property
    def groups(self) -> dict[str, tuple[ContainerResources, ...]]:
        """The containers under the names that the spec has for them."""
        return {CONTAINERS: self.containers, INIT_CONTAINERS: self.init_containers}
