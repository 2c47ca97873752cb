"""The supported providers of connections."""

from collections.abc import Collection

from app.sources.connections.conversation import ConnectionProvider
from app.sources.connections.flow_metrics import BEYLA, DEFAULT_COLLECTOR_NAMESPACES, NETOBSERV, OBI
from app.sources.connections.istio import DEFAULT_PROXY_NAMESPACES, Istio
from app.sources.connections.linkerd import Linkerd
from app.sources.connections.network_flows import NetworkFlows


def supported_providers(
    proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
) -> tuple[ConnectionProvider, ...]:
    """All of them; proxies and collectors in *proxy_namespaces* are trusted on edges of any namespace.

    Collectors in their usual namespaces are trusted, too.
    """
    collectors = frozenset({*proxy_namespaces, *DEFAULT_COLLECTOR_NAMESPACES})
    flows = (NetworkFlows(metric, collectors) for metric in (NETOBSERV, OBI, BEYLA))
    return (Linkerd(), Istio(proxy_namespaces), *flows)
