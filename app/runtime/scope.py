"""The profiled namespaces, as the settings name them."""

from app.domain.namespaces import NamespaceSelection
from app.profiler.registries.namespaces import NamespaceScope
from app.settings.environment import Settings
from app.sources.queries import Scope


def namespace_scope(settings: Settings) -> NamespaceScope:
    """The scope before any namespace's labels are known."""
    return NamespaceScope(
        settings.profiling_namespace, (*settings.excluded_namespaces, settings.own_namespace)
    )


def query_scope(settings: Settings, namespaces: NamespaceSelection) -> Scope:
    """*namespaces* of the cluster that the settings name, for queries to Prometheus."""
    return Scope(
        namespaces.included,
        namespaces.excluded,
        settings.prometheus_cluster,
        settings.prometheus_cluster_label,
    )
