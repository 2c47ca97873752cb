"""The labels that name a cluster in the field: one server may have the series of several."""

from app.sources.queries import Scope

CLUSTER_LABEL = "cluster"
# Google's managed service sets both beside `cluster`, whose values are unique within a location of a project.
GOOGLE_LABELS = ("location", "project_id")
# The scraper of Amazon EKS.
AMAZON_LABEL = "clusterArn"
CLUSTER_LABELS = (
    *(CLUSTER_LABEL, "k8s_cluster", "k8s_cluster_name", "cluster_name", "cluster_id", AMAZON_LABEL),
    *GOOGLE_LABELS,
)


def cluster_labels(scope: Scope) -> tuple[str, ...]:
    """The label of the settings first, then the others."""
    return tuple(dict.fromkeys((scope.cluster_label, *CLUSTER_LABELS)))


def unnamed_labels(scope: Scope) -> tuple[str, ...]:
    """The labels of which no setting shows this cluster's value."""
    labels = cluster_labels(scope)
    return labels[1:] if scope.cluster else labels
