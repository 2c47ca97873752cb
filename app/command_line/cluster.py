"""The cluster that a command reads: its client, and the namespace of the context."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from app.command_line.cluster_access import ClusterAccess
from app.settings.environment import Settings

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient


def open_access(access: ClusterAccess) -> AbstractAsyncContextManager["ClusterClient"]:
    """A client of the cluster; raises SettingsError if there are no usable credentials."""
    from app.kubernetes.client import open_cluster

    return open_cluster(access.kubeconfig or None, overrides=access.overrides)


def namespace_of(access: ClusterAccess) -> str:
    """The namespace that the context names; empty if it names none, or there is no kubeconfig."""
    if not access.kubeconfig:
        return ""
    from app.kubernetes.credentials import context_namespace

    return context_namespace(access.kubeconfig, access.overrides)


def scoped(settings: Settings, access: ClusterAccess) -> Settings:
    """The *settings*, for the namespace of the context unless they or `-A` say which ones."""
    if access.all_namespaces or settings.profiling_namespace or settings.profiling_namespace_selector:
        return settings
    namespace = namespace_of(access)
    return settings.model_copy(update={"profiling_namespace": (namespace,)}) if namespace else settings


def uses_cluster(settings: Settings, access: ClusterAccess) -> bool:
    """True if the command reads a cluster: the user named one, or Prometheus must be searched for.

    Beside an address of Prometheus, the default kubeconfig may be that of another cluster.
    """
    return access.is_chosen or settings.searches_prometheus
