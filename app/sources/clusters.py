"""Recognizes series of several clusters in one Prometheus; pure.

Any Pod may expose a series with a label `cluster`, or one of Istio with the labels of clusters. These claims
are of one namespace, and never a reason to refuse the series of all.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from app.errors import SeveralClustersError
from app.sources.queries import WINDOW, Scope, aggregate, selector

# A value of fewer namespaces may be the claim of a tenant, and costs others nothing.
_LEAST_SHARE, _SEVERAL_NAMESPACES = 0.2, 3
# The namespaces of targets that no tenant has: those of kubelets are in kube-system or in none.
_SYSTEM_NAMESPACES = ("kube-system", "linkerd", "istio-system")

Values = Mapping[str, Collection[str]]


def ranked_clusters(values: Values) -> list[str]:
    """The clusters of at least a fifth of the namespaces, from the *values* of a label by namespace.

    That of most comes first. A namespace has an empty value among its own if some of its series lack the
    label. If a fifth of the namespaces have, it is a label of single Pods and none of a cluster.
    """
    if sum("" in of_namespace for of_namespace in values.values()) > _LEAST_SHARE * len(values):
        return []
    namespaces = _namespaces_by_value(values)
    return [value for value, count in namespaces.most_common() if count >= _LEAST_SHARE * len(values)]


def system_clusters_query(scope: Scope) -> str:
    """The clusters of targets that belong to no tenant, by namespace; `up` has the labels of a target."""
    own = sorted({*_SYSTEM_NAMESPACES, *scope.excluded})
    up = selector("up", (f'namespace=~"|{"|".join(own)}"',), scope)
    return aggregate("group", ("namespace", scope.cluster_label), f"last_over_time({up}[{WINDOW}])")


def check_one_cluster(values: Values, of_system: Collection[str], label: str) -> None:
    """Compare the clusters of namespaces with those *of_system* targets; a target may have none, "".

    Without such targets, three namespaces show a cluster, or the only one.

    Raises:
        SeveralClustersError: more than one cluster has series.
    """
    ranked = ranked_clusters(values)
    if of_system:
        found = [value for value in ranked if value in of_system]
    else:
        counts = _namespaces_by_value(values)
        least = min(_SEVERAL_NAMESPACES, len(values))
        found = [value for value in ranked if counts[value] >= least]
    if len(found) > 1:
        raise _several(found, label)


def own_cluster(values: Values, label: str) -> str:
    """The cluster of most namespaces, by what their proxies report; empty if two have as many.

    Raises:
        SeveralClustersError: another has a fifth of the namespaces, and three or more.
    """
    counts = _namespaces_by_value(values)
    ranked = [value for value in ranked_clusters(values) if counts[value] >= _SEVERAL_NAMESPACES]
    if len(ranked) > 1:
        raise _several(ranked, label)
    (own, most), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return own if most > second else ""


def _namespaces_by_value(values: Values) -> Counter[str]:
    return Counter(value for of_namespace in values.values() for value in set(of_namespace) if value)


def _several(clusters: Collection[str], label: str) -> SeveralClustersError:
    names = ", ".join(sorted(clusters)[:5])
    return SeveralClustersError(
        "SeveralClusters",
        f"one Prometheus has series of several clusters, whose label {label} is {names}:"
        " set PROMETHEUS_CLUSTER, or for the mesh's Prometheus CONNECTIONS_PROMETHEUS_CLUSTER, to this"
        " cluster's",
    )
