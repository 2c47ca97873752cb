"""The distribution of Prometheus that a server belongs to, by its address, scrape jobs and namespaces."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.diagnosis.catalogue import Exporter, Metric
from app.diagnosis.cluster_labels import AMAZON_LABEL, CLUSTER_LABEL, GOOGLE_LABELS
from app.diagnosis.finding import Section


@dataclass(frozen=True, slots=True)
class Distribution:
    """Its name, its heading in docs/prometheus.md, and how it keeps one more metric of each exporter."""

    name: str
    section: Section
    keep_of_kubelet: str
    keep_of_objects: str = ""
    kube_state_metrics: str = (
        "install kube-state-metrics, and scrape it with honorLabels: true"
        " (kube-prometheus-stack: kubeStateMetrics.enabled: true)"
    )

    def keep(self, *metrics: Metric) -> str:
        """The configuration that keeps *metrics*, which are all of one exporter."""
        is_of_objects = metrics[0].exporter is Exporter.KUBE_STATE_METRICS
        line = (self.keep_of_objects if is_of_objects else "") or self.keep_of_kubelet
        return line.format("|".join(metric.name for metric in metrics))


UNKNOWN = Distribution(
    "",
    Section.WHAT_IS_READ,
    "metric_relabel_configs of the scrape job: keep {}",
)
_OTHER_SERVER = (
    "PROMETHEUS_URL of a Prometheus with kube-state-metrics; CONNECTIONS_PROMETHEUS_URL of this one"
)
_KUBE_PROMETHEUS = Distribution(
    "kube-prometheus-stack",
    Section.KUBE_PROMETHEUS_STACK,
    "kubelet.serviceMonitor.cAdvisorMetricRelabelings: no rule that drops {}",
    "kube-state-metrics.prometheus.monitor.metricRelabelings: no rule that drops {}",
)
_OPENSHIFT = Distribution(
    "OpenShift",
    Section.OPENSHIFT,
    "cluster-monitoring-config, prometheusK8s.collectionProfile: full (keeps {})",
)
_GKE = Distribution(
    "GKE managed Prometheus",
    Section.GKE,
    "ClusterNodeMonitoring for /metrics/cadvisor that keeps {}",
    "an own kube-state-metrics with a PodMonitoring that keeps {}",
    "install kube-state-metrics with a PodMonitoring, or the packages of --monitoring",
)
_AKS = Distribution(
    "AKS",
    Section.AKS,
    'ama-metrics-settings-configmap, default-targets-metrics-keep-list: cadvisor = "{}"',
    'ama-metrics-settings-configmap, default-targets-metrics-keep-list: kubestate = "{}"',
)
_AMAZON = Distribution(
    "Amazon Managed Prometheus",
    Section.AMAZON,
    "metric_relabel_configs of the collector: keep {}",
)
_GRAFANA = Distribution(
    "Grafana k8s-monitoring",
    Section.GRAFANA,
    "clusterMetrics.cadvisor.metricsTuning.includeMetrics: [{}]",
    "clusterMetrics.kube-state-metrics.metricsTuning.includeMetrics: [{}]",
)
_VICTORIA_METRICS = Distribution(
    "VictoriaMetrics k8s stack",
    Section.VICTORIA_METRICS,
    "kubelet.vmScrapes.cadvisor.spec.metricRelabelConfigs: no rule that drops {}",
    "kube-state-metrics.vmScrape.spec.endpoints: no rule that drops {}",
)
_LINKERD_VIZ = Distribution(
    "Linkerd viz",
    Section.LINKERD_VIZ,
    "PROMETHEUS_URL of a Prometheus that keeps {}; CONNECTIONS_PROMETHEUS_URL of this one",
    kube_state_metrics=_OTHER_SERVER,
)
_ISTIO_ADDON = Distribution(
    "Istio's addon",
    Section.ISTIO_ADDON,
    "PROMETHEUS_URL of a Prometheus that keeps {}; CONNECTIONS_PROMETHEUS_URL of this one",
    kube_state_metrics=_OTHER_SERVER,
)
ALL = (
    *(UNKNOWN, _KUBE_PROMETHEUS, _OPENSHIFT, _GKE, _AKS, _AMAZON),
    *(_GRAFANA, _VICTORIA_METRICS, _LINKERD_VIZ, _ISTIO_ADDON),
)
_ADDRESSES = {
    r"monitoring\.googleapis\.com": _GKE,
    r"aps-workspaces": _AMAZON,
    r"prometheus\.monitor\.azure": _AKS,
    r"openshift": _OPENSHIFT,
    r"linkerd-viz": _LINKERD_VIZ,
    r"vmselect|vmsingle|victoria": _VICTORIA_METRICS,
}
_NODES_CADVISOR = "kubernetes-nodes-cadvisor"


def distribution(
    url: str, jobs: Collection[str], namespaces: Collection[str], labels: Collection[str] = ()
) -> Distribution:
    """The distribution of the server at *url*, where *jobs* scrape containers, also in *namespaces*.

    The first rule that fits counts: a managed service has the jobs of whatever collects for it. A proxy that
    signs requests hides its address, but not the *labels* of clusters that it adds.
    """
    addresses = ((bool(re.search(pattern, url)), one) for pattern, one in _ADDRESSES.items())
    rules = (
        *addresses,
        ({*GOOGLE_LABELS, CLUSTER_LABEL} <= {*labels}, _GKE),
        (AMAZON_LABEL in labels, _AMAZON),
        ("openshift-monitoring" in namespaces, _OPENSHIFT),
        (any(job.startswith("integrations/kubernetes/") for job in jobs), _GRAFANA),
        ({_NODES_CADVISOR, "linkerd-proxy"} <= {*jobs}, _LINKERD_VIZ),
        (_NODES_CADVISOR in jobs, _ISTIO_ADDON),
        ("kubelet" in jobs, _KUBE_PROMETHEUS),
        ({"cadvisor", "kube-state-metrics"} <= {*jobs}, _AKS),
    )
    return next((one for fits, one in rules if fits), UNKNOWN)
