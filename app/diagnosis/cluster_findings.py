"""Findings on series of several clusters in one server, and the setting that names the profiled one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.diagnosis.catalogue import MESHES, Exporter
from app.diagnosis.finding import MetricFinding, Section, Severity, counted
from app.diagnosis.observations import Observations
from app.diagnosis.remedy import Program, Remedy, quoted
from app.sources.cluster_labels import CLUSTER_LABEL, GOOGLE_LABELS, cluster_labels

# Values of fewer namespaces are those of a small cluster, or the claim of a tenant.
_LARGE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Clusters:
    """The namespaces of each value of *label*; series without the label have the value ""."""

    label: str
    namespaces: Mapping[str, frozenset[str]]

    @property
    def are_large(self) -> bool:
        """True if two values have a fifth of the namespaces each, so that neither is clearly this cluster."""
        all_namespaces = len(frozenset().union(*self.namespaces.values()))
        large = [names for names in self.namespaces.values() if len(names) >= _LARGE_SHARE * all_namespaces]
        return len(large) > 1

    @property
    def largest(self) -> str:
        """The value with the most namespaces, but for series without the label."""
        named = [name for name in self.namespaces if name]
        return max(named, key=lambda name: (len(self.namespaces[name]), name))

    def __str__(self) -> str:
        counts = {name or "absent": len(names) for name, names in self.namespaces.items()}
        return f"{self.label}: {counted(counts, 'namespace')}"


def several_clusters(seen: Observations, exporter: Exporter) -> Clusters | None:
    """The clusters that the metrics of *exporter* are of, if there are several.

    Of the labels with several values, the first is taken whose values are large.
    """
    found = [clusters for clusters in _by_label(seen, exporter) if len(clusters.namespaces) > 1]
    large = [clusters for clusters in found if clusters.are_large]
    return next(iter((*large, *found)), None)


def clusters_by_label(seen: Observations) -> dict[str, dict[str, int]]:
    """The number of namespaces with containers, by each label that names a cluster and by its values."""
    values = {
        label: {name: len(names) for name, names in seen.clusters(Exporter.KUBELET, label).items()}
        for label in cluster_labels(seen.target.scope)
    }
    return {label: counts for label, counts in values.items() if any(counts)}


def _by_label(seen: Observations, exporter: Exporter) -> Iterator[Clusters]:
    scope = seen.target.scope_of(exporter)
    if scope.cluster and scope.cluster not in seen.clusters(exporter):
        return  # there is nothing of the named cluster, and the others are no question
    for label in cluster_labels(scope):
        if label in GOOGLE_LABELS and not seen.has_google_labels(exporter):
            continue
        covered = {
            cluster: frozenset(filter(scope.covers, namespaces))
            for cluster, namespaces in seen.clusters(exporter, label).items()
        }
        clusters = Clusters(label, {cluster: names for cluster, names in covered.items() if names})
        if exporter not in MESHES or not _is_of_pods(clusters):
            yield clusters


def _is_of_pods(clusters: Clusters) -> bool:
    """True if it is a label of single Pods, which Linkerd copies: most namespaces have series without it."""
    named = frozenset().union(*(names for name, names in clusters.namespaces.items() if name))
    return 2 * len(named & clusters.namespaces.get("", frozenset())) > len(named)


def is_mixed(seen: Observations, exporter: Exporter) -> bool:
    """True if the metrics of *exporter* are of several clusters, and none of them is clearly this one."""
    clusters = several_clusters(seen, exporter)
    return clusters is not None and clusters.are_large


def cluster_findings(seen: Observations, exporter: Exporter) -> Iterator[MetricFinding]:
    """The finding on the clusters that the metrics of *exporter* are of."""
    clusters = several_clusters(seen, exporter)
    if clusters is None:
        return
    is_of_containers = exporter is Exporter.KUBELET
    text = f"name this cluster, which may be another than here, by {settings_of(seen, exporter)}"
    if "" in clusters.namespaces:
        text += "; series without the label can't be named, and need one (relabel_configs of their jobs)"
    if not clusters.are_large:
        severity, reason = Severity.GAP, "OtherClusters"
        costs = "what is of another cluster may count as this one's, or is left out"
    else:
        severity, reason = Severity.BLOCKING if is_of_containers else Severity.GAP, "SeveralClusters"
        profiles = "CPU and memory profiles" if is_of_containers else "connection profiles"
        costs = f"{profiles} are refused, or are of several clusters"
    yield MetricFinding(
        severity,
        reason,
        f"{exporter} has series of several clusters: {clusters}",
        costs,
        name_cluster(seen, exporter, clusters.label, clusters.largest, text),
        Section.SEVERAL_CLUSTERS,
    )


def settings_of(seen: Observations, exporter: Exporter) -> str:
    """The settings that name the cluster in the server with the metrics of *exporter*."""
    prefix = "CONNECTIONS_" if seen.target.is_in_mesh_server(exporter) else ""
    return f"{prefix}PROMETHEUS_CLUSTER, {prefix}PROMETHEUS_CLUSTER_LABEL"


def name_cluster(seen: Observations, exporter: Exporter, label: str, name: str, text: str) -> Remedy:
    """The settings with which only series with *label* = *name* are read."""
    is_of_mesh = seen.target.is_in_mesh_server(exporter)
    key, label_key = (
        ("connectionsCluster", "connectionsClusterLabel") if is_of_mesh else ("cluster", "clusterLabel")
    )
    of_label = "" if label == CLUSTER_LABEL else f", {label_key}: {label}"
    return Remedy(text, Program.CHART, (f"prometheus: {{{key}: {quoted(name)}{of_label}}}",))
