"""The resources in the spec of a Pod that is being created."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.profiles import Resource

# The lists of a Pod's spec that hold containers.
CONTAINERS, INIT_CONTAINERS = "containers", "initContainers"


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """The requests and limits of a container as written, other resources than CPU and memory included.

    `is_long_running` is true for a container and for a sidecar (an init container with restartPolicy Always).
    `has_resources` is true if `resources` exists as an object, even if it is empty or has only claims; it is
    used only if there are neither requests nor limits.
    """

    name: str
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    is_long_running: bool = True
    has_resources: bool = False


@dataclass(frozen=True, slots=True)
class PodResources:
    """All containers in the order of the Pod's spec, and the resources named in its own `spec.resources`."""

    containers: tuple[ContainerResources, ...]
    init_containers: tuple[ContainerResources, ...] = ()
    pod_level_resources: frozenset[Resource] = frozenset()

    @property
    def groups(self) -> dict[str, tuple[ContainerResources, ...]]:
        """The containers by the name of their list in the spec."""
        return {CONTAINERS: self.containers, INIT_CONTAINERS: self.init_containers}
