"""The scope (profiled namespaces), built from the settings."""

from app.domain.namespaces import NamespaceSelection
from app.profiler.registries.namespaces import NamespaceScope
from app.settings.environment import Settings
from app.sources.queries import Scope

SELECTOR_SETTING = "PROFILING_NAMESPACE_SELECTOR (--profiling-namespace-selector)"


def namespace_scope(settings: Settings) -> NamespaceScope:
    """The scope of the settings alone, before any labels of namespaces are read."""
    return NamespaceScope(settings.namespaces)


def query_scope(settings: Settings, namespaces: NamespaceSelection) -> Scope:
    """The scope of Prometheus queries: *namespaces* of the configured cluster."""
    return Scope(
        namespaces.included,
        namespaces.excluded,
        settings.prometheus_cluster,
        settings.prometheus_cluster_label,
        tuple(filter(None, (settings.container_metrics_matcher,))),
        tuple(filter(None, (settings.state_metrics_matcher,))),
    )
