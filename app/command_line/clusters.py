"""The clusters that a command reads, one after the other, and where each has its profiles."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from app.command_line.cluster import open_access, scoped
from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.releases import in_release, release_of
from app.settings.environment import Settings


@dataclass(frozen=True, slots=True)
class ClusterContexts:
    """The access to a cluster, or to one for each of *contexts*; the name of the only one stays empty."""

    access: ClusterAccess
    contexts: Sequence[str] = ()

    async def opened(self, settings: Settings) -> AsyncIterator[tuple[str, ClusterObjects]]:
        """Yields the name of each context, and its objects, which can be listed until the next one."""
        for name in self.contexts if len(self.contexts) > 1 else [""]:
            async with opened(settings, self._of(name)) as objects:
                yield name, objects

    def _of(self, name: str) -> ClusterAccess:
        if not name:
            return self.access
        return replace(self.access, overrides=replace(self.access.overrides, context=name))


@asynccontextmanager
async def opened(settings: Settings, access: ClusterAccess) -> AsyncIterator[ClusterObjects]:
    """The objects of one cluster, in the namespaces that are asked for."""
    async with open_access(access) as client:
        release = await release_of(client, settings, access)
        variables = release.variables if release else {}
        namespaces = scoped(settings, access).profiling_namespace
        settings = in_release(settings, release)
        yield ClusterObjects(client, settings.profiles_home, settings.own_namespace, namespaces, variables)
