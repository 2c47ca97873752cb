"""What closes a gap: a sentence, and the lines that are to be written, in the syntax of what reads them."""

from enum import StrEnum
from typing import NamedTuple


class Program(StrEnum):
    """What reads lines of configuration, and where they belong."""

    CHART = "values of job-profiler's chart"
    SCRAPE_JOB = "scrape job in Prometheus' configuration"
    SCRAPE_JOBS = "scrape_configs in Prometheus' configuration"
    PROMETHEUS_FLAG = "flag of Prometheus"
    KUBE_PROMETHEUS_STACK = "values of kube-prometheus-stack"
    CLUSTER_MONITORING = "config.yaml of the ConfigMap openshift-monitoring/cluster-monitoring-config"
    KUBECTL = "manifest for kubectl apply"
    AKS_KEEP_LIST = (
        "default-targets-metrics-keep-list of the ConfigMap kube-system/ama-metrics-settings-configmap"
    )
    AKS_TARGETS = (
        "default-scrape-settings-enabled of the ConfigMap kube-system/ama-metrics-settings-configmap"
    )
    K8S_MONITORING = "values of Grafana's k8s-monitoring"
    VICTORIA_METRICS = "values of victoria-metrics-k8s-stack"
    FLOW_COLLECTOR = "spec of NetObserv's FlowCollector"
    AGENT_VARIABLES = "environment of the agent's container"
    CILIUM = "values of Cilium's chart"
    SHELL = "command"


class Remedy(NamedTuple):
    """A sentence; and the *lines* that *program* reads, if it needs any."""

    text: str
    program: Program | None = None
    lines: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """The text as YAML takes it, whatever characters it has."""
    return "'" + text.replace("'", "''") + "'"
