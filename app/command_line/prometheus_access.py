"""The Prometheus that a command asks: the one that is given, else the one that is found in the cluster."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.command_line.cluster import open_access, scoped, uses_cluster
from app.command_line.cluster_access import ClusterAccess
from app.command_line.namespaces import asked_namespaces, require_namespaces
from app.command_line.terminal import print_error
from app.errors import SettingsError
from app.runtime.prometheus import check_access
from app.settings.environment import Settings
from app.sources.prometheus import ForwardedBy


@dataclass(frozen=True, slots=True)
class Reached:
    """The settings with the addresses of the servers, and the transport to those behind the API server.

    It `uses_cluster` if the command reads a cluster too.
    """

    settings: Settings
    forwarded_by: ForwardedBy = lambda _: None
    uses_cluster: bool = False


@asynccontextmanager
async def reach_input(
    settings: Settings, access: ClusterAccess, history: Path | None, *, needs_cluster: bool = False
) -> AsyncIterator[Reached]:
    """What a command reads, opened once: *history*, or the servers for the namespace of the context."""
    if history is not None:
        yield Reached(settings)
        return
    check_access(settings)
    reads_cluster = needs_cluster or uses_cluster(settings, access)
    if reads_cluster:
        settings = scoped(settings, access)
    async with reach_prometheus(settings, access) as reached:
        if reads_cluster:
            await check_namespaces(settings, access)
        yield replace(reached, uses_cluster=reads_cluster)


async def check_namespaces(settings: Settings, access: ClusterAccess) -> None:
    """Raises ProfilerError if a namespace that is asked for does not exist in the cluster."""
    if names := asked_namespaces(settings):
        async with open_access(access) as client:
            await require_namespaces(client, names)


@asynccontextmanager
async def reach_prometheus(settings: Settings, access: ClusterAccess) -> AsyncIterator[Reached]:
    """The servers to ask. An address that is given is used as it is, and nothing else is asked.

    Raises:
        ProfilerError: none or several were found, or the cluster can't be asked.
    """
    if not settings.searches_prometheus:
        yield Reached(settings)
        return
    from app.command_line.prometheus_search import search

    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(open_access(access))
        except SettingsError as error:
            if access.kubeconfig or access.is_chosen:
                raise
            fault = "no Prometheus is given, and there is no cluster to search for it: use --prometheus-url"
            raise SettingsError([fault]) from error
        reached = Reached(*await search(client, settings, access))
        print_error(f"Prometheus found: {reached.settings.prometheus_base_url}")
        yield reached
