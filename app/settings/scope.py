"""Scope: the profiled namespaces."""

from pydantic import Field

from app.settings.cluster import ClusterSettings
from app.settings.types import NamespaceNames


class ScopeSettings(ClusterSettings):
    """The profiled and the excluded namespaces; the product's own namespace is always excluded."""

    profiling_namespace: NamespaceNames = Field(
        (), description="Namespaces to profile, separated by commas; empty means all"
    )
    excluded_namespaces: NamespaceNames = Field(
        ("kube-system", "kube-public", "kube-node-lease"),
        description="Namespaces excluded from profiles and annotations, separated by commas; OWN_NAMESPACE"
        " always is",
    )
    profiling_namespace_selector: str = Field(
        "", description="Label selector of the namespaces to profile, such as team=web; empty means all"
    )

    def is_namespace_in_scope(self, namespace: str) -> bool:
        """True if the settings have *namespace* in scope; labels of namespaces are not considered."""
        excluded = namespace in self.excluded_namespaces or namespace == self.own_namespace
        return not excluded and (not self.profiling_namespace or namespace in self.profiling_namespace)
