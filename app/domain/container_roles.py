"""Roles of a Pod's containers (application, sidecar, mesh proxy), from their names and the Pod template.

Containers that an admission webhook adds are in no Pod template; their role follows from the name alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SIDECAR, MESH_PROXY = "Sidecar", "MeshProxy"
_MESH_PROXIES = frozenset({"linkerd-proxy", "istio-proxy"})
_SIDECAR_RESTART_POLICY = "Always"  # of an init container that runs beside the application


@dataclass(frozen=True, slots=True)
class TemplateContainers:
    """The containers of a Pod template, and its init containers: regular ones, which end first, and sidecars.

    Without `containers`, the template is not known.
    """

    regular: frozenset[str] = frozenset()
    sidecars: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()

    def role(self, container: str) -> str:
        """The container's role as written in a profile; empty for a container of the application itself."""
        if container in _MESH_PROXIES:
            return MESH_PROXY
        return SIDECAR if container in self.sidecars else ""

    def is_regular(self, container: str) -> bool:
        """True for a regular init container, terminated once the Pod runs; False for a mesh proxy."""
        return container in self.regular and container not in _MESH_PROXIES

    def is_added(self, container: str) -> bool:
        """True for a container that the known template does not name: of an injector, or to debug."""
        named = container in self.containers or container in self.sidecars or container in self.regular
        return bool(self.containers) and not named and container not in _MESH_PROXIES

    def union(self, other: "TemplateContainers") -> "TemplateContainers":
        """The containers of two templates of one workload, such as two runs of it."""
        if self == other:
            return self
        return TemplateContainers(
            self.regular | other.regular, self.sidecars | other.sidecars, self.containers | other.containers
        )


UNKNOWN_TEMPLATE = TemplateContainers()


def template_containers(
    init_containers: Iterable[tuple[str, str]], containers: Iterable[str] = ()
) -> TemplateContainers:
    """Sorts a template's init containers, pairs of name and restartPolicy, into regular ones and sidecars."""
    policies, names = dict(init_containers), frozenset(containers)
    if not policies and not names:
        return UNKNOWN_TEMPLATE
    sidecars = frozenset(name for name, policy in policies.items() if policy == _SIDECAR_RESTART_POLICY)
    return TemplateContainers(frozenset(policies) - sidecars, sidecars, names)
