"""Scope: the profiled namespaces."""

from pydantic import Field

from app.domain.namespaces import NamespaceSelection
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

    @property
    def namespaces(self) -> NamespaceSelection:
        """The profiled namespaces by name; labels of namespaces are not considered."""
        excluded = frozenset((*self.excluded_namespaces, self.own_namespace))
        return NamespaceSelection(frozenset(self.profiling_namespace) or None, excluded)
