"""One finding: what is missing or wrong, what it costs, and the line of configuration that changes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.diagnosis.remedy import Remedy

_PAGE = "docs/pages/prometheus.md"
_MAX_LISTED = 5


def listed(names: Iterable[str]) -> str:
    """The first *names*, sorted, and the number of the others: any target may expose any label."""
    every = sorted(filter(None, names))
    others = f" and {len(every) - _MAX_LISTED} more" if len(every) > _MAX_LISTED else ""
    return ", ".join(every[:_MAX_LISTED]) + others


def counted(counts: Mapping[str, int], noun: str) -> str:
    """The names with their numbers, such as `east (2 namespaces), west (1 namespace)`, the largest first."""
    largest = sorted(counts, key=lambda name: (-counts[name], name))
    texts = [
        f"{name} ({count} {noun}{'' if count == 1 else 's'})" for name in largest if (count := counts[name])
    ]
    others = f" and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else ""
    return ", ".join(texts[:_MAX_LISTED]) + others


class Severity(StrEnum):
    """How much a finding costs."""

    BLOCKING = "blocking"  # CPU or memory has no profiles
    GAP = "gap"  # a feature is missing, or works in part
    NOTE = "note"  # nothing is missing, or it can't be seen from here


class Section(StrEnum):
    """A heading of docs/pages/prometheus.md, as a link to it has it."""

    ADDRESSES = "addresses"
    CREDENTIALS = "credentials"
    WHAT_IS_READ = "what-is-read"
    SCRAPE_INTERVALS = "scrape-intervals"
    SEVERAL_CLUSTERS = "several-clusters"
    LATE_SAMPLES = "late-samples"
    SCRAPED_TWICE = "scraped-twice"
    HOW_LONG = "how-long"
    KUBE_STATE_METRICS = "kube-state-metrics"
    MESHES = "meshes"
    HOW_MUCH_AT_ONCE = "how-much-at-once"
    KUBE_PROMETHEUS_STACK = "kube-prometheus-stack"
    OPENSHIFT = "openshift"
    GKE = "gke-managed-prometheus"
    AKS = "aks"
    AMAZON = "amazon-eks-and-managed-prometheus"
    GRAFANA = "grafana-k8s-monitoring"
    VICTORIA_METRICS = "victoriametrics-k8s-stack"
    LINKERD_VIZ = "linkerd-viz"
    ISTIO_ADDON = "istios-addon"


@dataclass(frozen=True, slots=True)
class MetricFinding:
    """*reason* is a CamelCase word; *section* is where the documentation has more."""

    severity: Severity
    reason: str
    message: str
    costs: str
    remedy: Remedy
    section: Section

    @property
    def page(self) -> str:
        """The page of the documentation."""
        return f"{_PAGE}#{self.section}"
