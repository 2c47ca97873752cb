"""The supported providers of connections."""

from collections.abc import Collection

from app.sources.connections.conversation import ConnectionProvider
from app.sources.connections.hubble import DEFAULT_AGENT_NAMESPACES, Hubble
from app.sources.connections.istio import DEFAULT_PROXY_NAMESPACES, Istio
from app.sources.connections.linkerd import Linkerd
from app.sources.connections.service_graph import DEFAULT_COLLECTOR_NAMESPACES, ServiceGraph


def supported_providers(
    proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
    *,
    service_graph_sampling: float | None = None,
) -> tuple[ConnectionProvider, ...]:
    """All of them; what is in *proxy_namespaces* is trusted on edges of any namespace.

    Service graphs are among them if the share of requests that are traced is given.
    """
    meshes = Linkerd(), Istio(proxy_namespaces)
    hubble = Hubble(DEFAULT_AGENT_NAMESPACES.union(proxy_namespaces))
    if service_graph_sampling is None:
        return *meshes, hubble
    collectors = DEFAULT_COLLECTOR_NAMESPACES.union(proxy_namespaces)
    return *meshes, hubble, ServiceGraph(service_graph_sampling, collectors)
