"""The distribution of Prometheus that a server belongs to, by its address, jobs, namespaces and labels."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.diagnosis.catalogue import Exporter, Metric
from app.diagnosis.finding import Section
from app.diagnosis.remedy import Program, Remedy
from app.sources.cluster_labels import AMAZON_LABEL, CLUSTER_LABEL, GOOGLE_LABELS

# Stand for metrics in a remedy: in a sentence or a YAML list, and as a regular expression.
_NAMES, _PATTERN = "<names>", "<pattern>"
_RULES = "take {} out of the rules with action drop, or add it to the regex of those with action keep, in {}"
_OWN_OBJECTS = Remedy(
    "install kube-state-metrics and scrape it with honor_labels, with its own name and namespace",
    Program.SCRAPE_JOBS,
    (
        "- job_name: kube-state-metrics",
        "  honor_labels: true",
        "  static_configs: [{targets: ['kube-state-metrics.NAMESPACE.svc:8080']}]",
    ),
)

_HONOR_LABELS = Remedy(
    "scrape kube-state-metrics with honor_labels (honorLabels: true in a ServiceMonitor)",
    Program.SCRAPE_JOB,
    ("honor_labels: true",),
)
_GOOGLE_PACKAGES = "SYSTEM,CADVISOR,POD,DEPLOYMENT,STATEFULSET,DAEMONSET"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Name, heading in docs/pages/prometheus.md, and how it keeps one more metric of each exporter."""

    name: str
    section: Section
    keep_of_kubelet: Remedy
    keep_of_objects: Remedy | None = None
    kube_state_metrics: Remedy = _OWN_OBJECTS
    honor_labels: Remedy = _HONOR_LABELS

    def keep(self, *metrics: Metric) -> Remedy:
        """The configuration that keeps *metrics*, which are all of one exporter."""
        is_of_objects = metrics[0].exporter is Exporter.KUBE_STATE_METRICS
        remedy = (self.keep_of_objects if is_of_objects else None) or self.keep_of_kubelet
        names = [metric.name for metric in metrics]

        def filled(text: str) -> str:
            return text.replace(_NAMES, ", ".join(names)).replace(_PATTERN, "|".join(names))

        return Remedy(filled(remedy.text), remedy.program, tuple(map(filled, remedy.lines)))


def _in_rules(where: str) -> Remedy:
    return Remedy(_RULES.format(_NAMES, where))


UNKNOWN = Distribution(
    "",
    Section.WHAT_IS_READ,
    _in_rules("metric_relabel_configs of the scrape job, or write_relabel_configs of an agent"),
)
_KUBE_PROMETHEUS = Distribution(
    "kube-prometheus-stack",
    Section.KUBE_PROMETHEUS_STACK,
    _in_rules("kubelet.serviceMonitor.cAdvisorMetricRelabelings of the stack's values"),
    _in_rules("kube-state-metrics.prometheus.monitor.http.metricRelabelings of the stack's values"),
    Remedy(
        "let it install kube-state-metrics",
        Program.KUBE_PROMETHEUS_STACK,
        ("kubeStateMetrics: {enabled: true}",),
    ),
    Remedy(
        "scrape kube-state-metrics with honorLabels",
        Program.KUBE_PROMETHEUS_STACK,
        ("kube-state-metrics: {prometheus: {monitor: {http: {honorLabels: true}}}}",),
    ),
)
_OPENSHIFT = Distribution(
    "OpenShift",
    Section.OPENSHIFT,
    Remedy(
        f"the collection profile full keeps {_NAMES}",
        Program.CLUSTER_MONITORING,
        ("prometheusK8s: {collectionProfile: full}",),
    ),
)
_GKE = Distribution(
    "GKE managed Prometheus",
    Section.GKE,
    Remedy(
        f"let the collectors read {_NAMES} from the kubelets",
        Program.KUBECTL,
        (
            "apiVersion: monitoring.googleapis.com/v1",
            "kind: ClusterNodeMonitoring",
            "metadata: {name: job-profiler}",
            "spec:",
            "  selector: {matchLabels: {}}",
            "  endpoints:",
            "  - path: /metrics/cadvisor",
            "    scheme: https",
            "    interval: 30s",
            "    tls: {insecureSkipVerify: true}",
            "    metricRelabeling:",
            f"    - {{action: keep, sourceLabels: [__name__], regex: {_PATTERN}}}",
        ),
    ),
    Remedy(
        f"Google's packages lack {_NAMES}: install kube-state-metrics with a PodMonitoring, and name it in"
        " the regex of its metricRelabeling with action keep"
    ),
    Remedy(
        "enable Google's packages, or install kube-state-metrics with a PodMonitoring",
        Program.SHELL,
        (f"gcloud container clusters update CLUSTER --monitoring={_GOOGLE_PACKAGES}",),
    ),
)
_AKS = Distribution(
    "AKS",
    Section.AKS,
    Remedy(
        f"add {_NAMES} to the line of cadvisor",
        Program.AKS_KEEP_LIST,
        (f'cadvisor = "{_PATTERN}"',),
    ),
    Remedy(
        f"add {_NAMES} to the line of kubestate",
        Program.AKS_KEEP_LIST,
        (f'kubestate = "{_PATTERN}"',),
    ),
    Remedy(
        "let the add-on scrape its kube-state-metrics",
        Program.AKS_TARGETS,
        ("kubestate = true",),
    ),
)
_AMAZON = Distribution(
    "Amazon Managed Prometheus",
    Section.AMAZON,
    _in_rules("metric_relabel_configs of the collector"),
)
_GRAFANA = Distribution(
    "Grafana k8s-monitoring",
    Section.GRAFANA,
    Remedy(
        f"add {_NAMES} to its allow list",
        Program.K8S_MONITORING,
        (f"clusterMetrics: {{cadvisor: {{metricsTuning: {{includeMetrics: [{_NAMES}]}}}}}}",),
    ),
    Remedy(
        f"add {_NAMES} to its allow list",
        Program.K8S_MONITORING,
        (f"clusterMetrics: {{kube-state-metrics: {{metricsTuning: {{includeMetrics: [{_NAMES}]}}}}}}",),
    ),
    Remedy(
        "let it install kube-state-metrics, and scrape it",
        Program.K8S_MONITORING,
        ("telemetryServices: {kube-state-metrics: {deploy: true}}", "clusterMetrics: {enabled: true}"),
    ),
)
_VICTORIA_METRICS = Distribution(
    "VictoriaMetrics k8s stack",
    Section.VICTORIA_METRICS,
    _in_rules("kubelet.vmScrape.spec.metricRelabelConfigs of the stack's values"),
    _in_rules("kube-state-metrics.vmScrape.spec.endpoints of the stack's values, metricRelabelConfigs"),
    Remedy(
        "let it install kube-state-metrics",
        Program.VICTORIA_METRICS,
        ("kube-state-metrics: {enabled: true}",),
    ),
)


def _mesh_only(name: str, section: Section, service: str, *others: str) -> Distribution:
    """The Prometheus of a mesh, beside which another one is needed."""
    lines = (
        f"prometheus: {{url: 'http://NAME.NAMESPACE:9090', connectionsUrl: 'http://{service}:9090'}}",
        *others,
    )
    text = "read containers from another Prometheus, which {} and connections from this one"
    return Distribution(
        name,
        section,
        Remedy(text.format(f"keeps {_NAMES},"), Program.CHART, lines),
        kube_state_metrics=Remedy(text.format("scrapes kube-state-metrics,"), Program.CHART, lines),
    )


_LINKERD_VIZ = _mesh_only(
    "Linkerd viz", Section.LINKERD_VIZ, "prometheus.linkerd-viz", "linkerd: {viz: true}"
)
_ISTIO_ADDON = _mesh_only("Istio's addon", Section.ISTIO_ADDON, "prometheus.istio-system")
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
