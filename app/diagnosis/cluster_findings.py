"""Findings on series of several clusters in one server, and the setting that names the profiled one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.diagnosis.catalogue import MESHES, Exporter
from app.diagnosis.finding import MetricFinding, Section, Severity, counted
from app.diagnosis.observations import Observations
from app.diagnosis.remedy import Program, Remedy, quoted
from app.sources.cluster_labels import CLUSTER_LABEL, GOOGLE_LABELS, cluster_labels
from app.sources.queries import ABSENT


@dataclass(frozen=True, slots=True)
class Clusters:
    """The namespaces of each value of *label*; series without the label have the value ""."""

    label: str
    namespaces: Mapping[str, frozenset[str]]

    @property
    def largest(self) -> str:
        """The value with the most namespaces."""
        return max(self.namespaces, key=lambda name: (len(self.namespaces[name]), name))

    def __str__(self) -> str:
        counts = {name or "absent": len(names) for name, names in self.namespaces.items()}
        return f"{self.label}: {counted(counts, 'namespace')}"


def several_clusters(seen: Observations, exporter: Exporter) -> Clusters | None:
    """The clusters that the metrics of *exporter* are of, if a label has several; by the first such label."""
    found = (clusters for clusters in _by_label(seen, exporter) if len(clusters.namespaces) > 1)
    return next(found, None)


def clusters_by_label(seen: Observations) -> dict[str, dict[str, int]]:
    """The number of namespaces with containers, by each label that names a cluster and by its values."""
    values = {
        label: {name: len(names) for name, names in seen.clusters(Exporter.KUBELET, label).items()}
        for label in cluster_labels(seen.target.scope)
    }
    return {label: counts for label, counts in values.items() if any(counts)}


def _by_label(seen: Observations, exporter: Exporter) -> Iterator[Clusters]:
    scope = seen.target.scope_of(exporter)
    if scope.cluster and scope.cluster_value not in seen.clusters(exporter):
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


def cluster_findings(seen: Observations, exporter: Exporter) -> Iterator[MetricFinding]:
    """The finding on the clusters that the metrics of *exporter* are of."""
    clusters = several_clusters(seen, exporter)
    if clusters is None:
        return
    is_of_containers = exporter is Exporter.KUBELET
    profiles = "CPU and memory profiles" if is_of_containers else "connection profiles"
    text = (
        f"name this cluster, which may be another than here, by {settings_of(seen, exporter)}: one of the"
        f" values, or {ABSENT} for series without the label"
    )
    yield MetricFinding(
        Severity.GAP,
        "SeveralClusters",
        f"{exporter} has series of several clusters: {clusters}",
        "the profiler recognizes its own by the Pods that exist, unknown here: where these don't show it,"
        f" {profiles} are refused, and so are all by commands without the API server",
        name_cluster(seen, exporter, clusters.label, clusters.largest or ABSENT, text),
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
