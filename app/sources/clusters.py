"""Recognizes series of several clusters in one Prometheus; pure."""

from collections import Counter
from collections.abc import Collection, Mapping

from app.errors import SeveralClustersError

# A value of fewer namespaces may be the claim of a tenant, and costs others nothing.
_LEAST_SHARE = 0.2


def own_cluster(values: Mapping[str, Collection[str]], label: str) -> str:
    """The cluster of most namespaces, from the *values* of *label* by namespace; empty without a value.

    A namespace has an empty value among its own if some of its series lack the label. If a fifth of the
    namespaces have, it is a label of single Pods and none of a cluster.

    Raises:
        SeveralClustersError: another value has a fifth of the namespaces.
    """
    if sum("" in of_namespace for of_namespace in values.values()) > _LEAST_SHARE * len(values):
        return ""
    namespaces = Counter(value for of_namespace in values.values() for value in set(of_namespace) if value)
    (own, _), *others = namespaces.most_common() or [("", 0)]
    several = [value for value, count in others if count >= _LEAST_SHARE * len(values)]
    if several:
        names = ", ".join(sorted([own, *several])[:5])
        raise SeveralClustersError(
            "SeveralClusters",
            f"one Prometheus has series of several clusters, whose label {label} is {names}:"
            " set PROMETHEUS_CLUSTER, or for the mesh's Prometheus CONNECTIONS_PROMETHEUS_CLUSTER, to this"
            " cluster's",
        )
    return own
