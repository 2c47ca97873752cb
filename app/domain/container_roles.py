"""Roles of a Pod's containers (application, sidecar, mesh proxy), from their names and the Pod template.

Containers that an admission webhook adds are in no Pod template; their role follows from the name alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SIDECAR, MESH_PROXY = "Sidecar", "MeshProxy"
_MESH_PROXIES = frozenset({"linkerd-proxy", "istio-proxy"})
_SIDECAR_RESTART_POLICY = "Always"  # of an init container that runs beside the application


@dataclass(frozen=True, slots=True)
class InitContainers:
    """The init containers of a Pod template: sidecars, and regular ones that run before the application."""

    regular: frozenset[str] = frozenset()
    sidecars: frozenset[str] = frozenset()

    def role(self, container: str) -> str:
        """The container's role as written in a profile; empty for a container of the application itself."""
        if container in _MESH_PROXIES:
            return MESH_PROXY
        return SIDECAR if container in self.sidecars else ""

    def is_regular(self, container: str) -> bool:
        """True for a regular init container, terminated once the Pod runs; False for a mesh proxy."""
        return container in self.regular and container not in _MESH_PROXIES


NO_INIT_CONTAINERS = InitContainers()


def init_containers(containers: Iterable[tuple[str, str]]) -> InitContainers:
    """Sorts a template's init containers, pairs of name and restartPolicy, into regular ones and sidecars."""
    policies = dict(containers)
    if not policies:
        return NO_INIT_CONTAINERS
    sidecars = frozenset(name for name, policy in policies.items() if policy == _SIDECAR_RESTART_POLICY)
    return InitContainers(frozenset(policies) - sidecars, sidecars)
