"""The distribution that a Prometheus belongs to."""

import pytest

from app.diagnosis.catalogue import CATALOGUE
from app.diagnosis.distributions import ALL, Distribution, distribution
from app.sources.owners import JOB_OWNER
from app.sources.pressure import OOM_EVENTS

LOCAL = "http://localhost:9090"  # of a port-forward
OPERATOR = {"kubelet", "kube-state-metrics"}
ADDON = {"kubernetes-nodes-cadvisor", "kubernetes-pods"}


@pytest.mark.parametrize(
    ("url", "jobs", "namespaces", "name"),
    [
        (LOCAL, OPERATOR, {"shop"}, "kube-prometheus-stack"),
        (LOCAL, OPERATOR, {"shop", "openshift-monitoring"}, "OpenShift"),
        ("https://thanos-querier.openshift-monitoring.svc:9091", OPERATOR, {"shop"}, "OpenShift"),
        (
            "http://vmselect.monitoring:8481/select/0/prometheus",
            OPERATOR,
            {"shop"},
            "VictoriaMetrics k8s stack",
        ),
        (
            "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/a",
            OPERATOR,
            set(),
            "Amazon Managed Prometheus",
        ),
        (LOCAL, {"integrations/kubernetes/cadvisor"}, set(), "Grafana k8s-monitoring"),
        (LOCAL, {"cadvisor", "kube-state-metrics"}, set(), "AKS"),
        (LOCAL, {*ADDON, "linkerd-proxy"}, set(), "Linkerd viz"),
        (LOCAL, ADDON, set(), "Istio's addon"),
        (LOCAL, {"nodes"}, set(), ""),
    ],
)
def test_by_address_jobs_and_namespaces(url: str, jobs: set[str], namespaces: set[str], name: str) -> None:
    """The address says more than the jobs, which are those of whatever collects for a service."""
    assert distribution(url, jobs, namespaces).name == name


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_each_has_a_line_that_keeps_a_metric(one: Distribution) -> None:
    """The line names the metric, of the kubelets and of kube-state-metrics."""
    for name in (OOM_EVENTS, JOB_OWNER):
        text, _, lines = one.keep(CATALOGUE[name])
        assert name in " ".join((text, *lines))
