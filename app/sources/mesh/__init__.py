"""The service meshes that tell who calls whom, each behind the interface in `questions`."""

from app.sources.mesh.conversation import Mesh
from app.sources.mesh.istio import Istio
from app.sources.mesh.linkerd import Linkerd

MESHES: tuple[Mesh, ...] = (Linkerd(), Istio())

__all__ = ["MESHES", "Mesh"]
