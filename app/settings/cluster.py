"""Access to the cluster, and the product's own namespaces."""

from pydantic import BaseModel, Field

from app.settings.types import NamespaceName, OptionalNamespaceName


class ClusterSettings(BaseModel):
    """The kubeconfig, the product's own namespace, and the namespace of the profiles."""

    own_namespace: NamespaceName = Field("profiling", description="Namespace that the job profiler runs in")
    profiles_namespace: OptionalNamespaceName = Field(
        "", description="Namespace of all profiles; empty means OWN_NAMESPACE"
    )
    kubeconfig: str = Field(
        "",
        description="Path of a kubeconfig; empty means that of kubectl, ~/.kube/config, which serve does not"
        " read, else the Pod's service account",
    )

    @property
    def profiles_home(self) -> str:
        """The namespace in which all profiles are stored."""
        return self.profiles_namespace or self.own_namespace
