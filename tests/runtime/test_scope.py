"""The profiled namespaces and the cluster, from the settings."""

from app.domain.namespaces import NamespaceSelection
from app.runtime.scope import namespace_scope, query_scope
from app.settings.environment import read_settings


def test_every_query_scope_has_the_cluster_of_the_settings() -> None:
    """PROMETHEUS_CLUSTER and its label are in the scope, with any profiled namespaces."""
    settings = read_settings({"prometheus_cluster": "prod", "prometheus_cluster_label": "k8s"})

    scope = query_scope(settings, NamespaceSelection(frozenset({"shop"})))

    assert (scope.cluster, scope.cluster_label, scope.included) == ("prod", "k8s", {"shop"})


def test_excluded_namespaces_and_the_release_namespace_are_out_of_scope() -> None:
    """`kube-system` by EXCLUDED_NAMESPACES, `profiling` because the profiler runs there."""
    settings = read_settings({"excluded_namespaces": "kube-system", "own_namespace": "profiling"})

    scope = namespace_scope(settings)

    assert [scope.covers(name) for name in ("shop", "kube-system", "profiling")] == [True, False, False]
