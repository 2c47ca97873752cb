"""The clusters that a command reads, one after the other, and where each has its profiles."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from app.command_line.cluster import open_access, scoped
from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.namespaces import absence, asked_namespaces, missing_namespaces
from app.command_line.releases import in_release, release_of
from app.errors import ProfilerError
from app.settings.environment import Settings


@dataclass(frozen=True, slots=True)
class ClusterContexts:
    """The access to a cluster, or to one for each of *contexts*; the name of the only one stays empty."""

    access: ClusterAccess
    contexts: Sequence[str] = ()

    async def opened(self, settings: Settings) -> AsyncGenerator[tuple[str, ClusterObjects], None]:
        """Yields the name of each context, and its objects, which can be listed until the next one.

        Raises:
            ProfilerError: at the end, if a namespace exists in none of the clusters.
        """
        if len(self.contexts) < 2:
            async with opened(settings, self.access) as objects:
                yield "", objects
            return
        missing = []
        for name in self.contexts:
            async with opened(settings, self._of(name), is_one_of_several=True) as objects:
                missing.append(objects.missing_namespaces)
                yield name, objects
        if nowhere := frozenset.intersection(*missing):
            raise ProfilerError(f"{', '.join(sorted(nowhere))}: no such namespace in any of the clusters")

    def _of(self, name: str) -> ClusterAccess:
        return replace(self.access, overrides=replace(self.access.overrides, context=name))


@asynccontextmanager
async def opened(
    settings: Settings, access: ClusterAccess, *, is_one_of_several: bool = False
) -> AsyncIterator[ClusterObjects]:
    """The objects of one cluster, in the namespaces that are asked for.

    Raises:
        ProfilerError: one of them does not exist. If the cluster *is_one_of_several*, a note says so instead.
    """
    settings = scoped(settings, access)
    async with open_access(access) as client:
        missing = await missing_namespaces(client, asked_namespaces(settings))
        if missing and not is_one_of_several:
            raise ProfilerError(await absence(client, missing))
        release = await release_of(client, settings, access)
        variables = release.variables if release else {}
        namespaces = settings.profiling_namespace
        settings = in_release(settings, release)
        yield ClusterObjects(
            client,
            settings.profiles_home,
            settings.own_namespace,
            namespaces,
            variables,
            notes=[f"Namespace {name} does not exist." for name in missing],
            missing_namespaces=frozenset(missing),
        )
