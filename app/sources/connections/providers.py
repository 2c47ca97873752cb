"""The supported providers of connections."""

from collections.abc import Collection

from app.sources.connections.conversation import ConnectionProvider
from app.sources.connections.istio import DEFAULT_PROXY_NAMESPACES, Istio
from app.sources.connections.linkerd import Linkerd


def supported_providers(
    proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
) -> tuple[ConnectionProvider, ...]:
    """All of them; proxies in *proxy_namespaces* are trusted on edges of any namespace."""
    return Linkerd(), Istio(proxy_namespaces)
