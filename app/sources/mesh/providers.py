"""The supported service meshes."""

from collections.abc import Collection

from app.sources.mesh.conversation import Mesh
from app.sources.mesh.istio import DEFAULT_PROXY_NAMESPACES, Istio
from app.sources.mesh.linkerd import Linkerd


def supported_meshes(proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES) -> tuple[Mesh, ...]:
    """All of them; proxies in *proxy_namespaces* are trusted on edges of any namespace."""
    return Linkerd(), Istio(proxy_namespaces)
