"""The supported providers of connections."""

from collections.abc import Collection

from app.sources.connections.conversation import ConnectionProvider
from app.sources.connections.flow_metrics import BEYLA, DEFAULT_COLLECTOR_NAMESPACES, NETOBSERV, OBI
from app.sources.connections.hubble import DEFAULT_AGENT_NAMESPACES, Hubble
from app.sources.connections.istio import DEFAULT_PROXY_NAMESPACES, Istio
from app.sources.connections.linkerd import Linkerd
from app.sources.connections.network_flows import NetworkFlows
from app.sources.connections.service_graph import DEFAULT_GENERATOR_NAMESPACES, ServiceGraph


def supported_providers(
    trusted_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
    *,
    service_graph_sampling: float | None = None,
) -> tuple[ConnectionProvider, ...]:
    """All of them; in *trusted_namespaces* and its usual ones, each is trusted on edges of any namespace.

    Service graphs are among them if the share of requests that are traced is given.
    """
    collectors = DEFAULT_COLLECTOR_NAMESPACES.union(trusted_namespaces)
    flows = [NetworkFlows(metric, collectors) for metric in (NETOBSERV, OBI, BEYLA)]
    graphs: list[ConnectionProvider] = []
    if service_graph_sampling is not None:
        generators = DEFAULT_GENERATOR_NAMESPACES.union(trusted_namespaces)
        graphs.append(ServiceGraph(service_graph_sampling, generators))
    hubble = Hubble(DEFAULT_AGENT_NAMESPACES.union(trusted_namespaces))
    return (Linkerd(), Istio(trusted_namespaces), *flows, *graphs, hubble)
