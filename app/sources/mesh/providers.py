"""The supported service meshes."""

from app.sources.mesh.conversation import Mesh
from app.sources.mesh.istio import Istio
from app.sources.mesh.linkerd import Linkerd

MESHES: tuple[Mesh, ...] = (Linkerd(), Istio())
