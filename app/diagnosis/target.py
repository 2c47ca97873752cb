"""What is examined: the namespaces, the exporters, and the cluster in each Prometheus."""

from dataclasses import dataclass, replace

from app.diagnosis.catalogue import MESHES, Exporter
from app.domain.connection_providers import AUTO, NONE
from app.sources.queries import ClusterName, Scope

# The subject of facts on all providers of connections.
CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True)
class Target:
    """The scope of the profiler, and the *exporters* whose metrics it reads.

    What counts connections may have a Prometheus of its own, where this cluster is named *mesh_cluster*.
    *providers* are those of NETWORK_METRIC_PROVIDER; *has_sampling* if SERVICE_GRAPH_SAMPLING is stated.
    """

    scope: Scope
    mesh_cluster: ClusterName | None = None
    exporters: tuple[Exporter, ...] = tuple(Exporter)
    providers: tuple[str, ...] = (AUTO,)
    has_sampling: bool = False

    @property
    def detects_providers(self) -> bool:
        """True if all providers of connections that have metrics count."""
        return AUTO in self.providers

    @property
    def wants_connections(self) -> bool:
        """True if any provider may count."""
        return NONE not in self.providers

    def is_in_mesh_server(self, exporter: Exporter) -> bool:
        """True if the metrics of *exporter* are in the mesh's own Prometheus."""
        return exporter in MESHES and self.mesh_cluster is not None

    def scope_of(self, exporter: Exporter) -> Scope:
        """The scope of queries on the metrics of *exporter*."""
        if exporter not in MESHES or self.mesh_cluster is None:
            return self.scope
        name = self.mesh_cluster
        return replace(self.scope, cluster=name.name, cluster_label=name.label)
