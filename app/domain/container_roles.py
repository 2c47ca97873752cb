"""What the containers of a Pod are there for: told by their names, and by the Pod template as far as it goes.

What an admission webhook adds to a Pod stands in no template; there the name alone tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SIDECAR, MESH_PROXY = "Sidecar", "MeshProxy"
_MESH_PROXIES = frozenset({"linkerd-proxy", "istio-proxy"})
_RUNS_ON = "Always"  # the restartPolicy of an init container that runs beside the application


@dataclass(frozen=True, slots=True)
class InitContainers:
    """The init containers of a Pod template: those that end before the application begins, and sidecars."""

    ending: frozenset[str] = frozenset()
    sidecars: frozenset[str] = frozenset()

    def role(self, container: str) -> str:
        """The container's role as a profile spells it; empty for a container of the application itself."""
        if container in _MESH_PROXIES:
            return MESH_PROXY
        return SIDECAR if container in self.sidecars else ""

    def is_init(self, container: str) -> bool:
        """True for a container that a running Pod has behind it; a proxy of a mesh never is one."""
        return container in self.ending and container not in _MESH_PROXIES


NO_INIT_CONTAINERS = InitContainers()


def init_containers(containers: Iterable[tuple[str, str]]) -> InitContainers:
    """What a template's init containers are, each given as its name and its restartPolicy."""
    policies = dict(containers)
    if not policies:
        return NO_INIT_CONTAINERS
    sidecars = frozenset(name for name, restart_policy in policies.items() if restart_policy == _RUNS_ON)
    return InitContainers(frozenset(policies) - sidecars, sidecars)
