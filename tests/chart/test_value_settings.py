"""Values of the chart and the program's settings: each value reaches its setting."""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import pytest

from app.settings.environment import Settings
from tests.chart.conftest import Render
from tests.chart.rendered import Release

pytestmark = pytest.mark.chart

SettingsOf = Callable[[Release, str], Settings]

NAMESPACE_SELECTOR = {
    "matchLabels": {"team": "web", "example.org/tier": "1"},
    "matchExpressions": [
        {"key": "stage", "operator": "In", "values": ["live", "test"]},
        {"key": "owner", "operator": "NotIn", "values": ["nobody"]},
        {"key": "cost-centre", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ],
}
SELECTOR_TEXT = "example.org/tier=1,team=web,stage in (live,test),owner notin (nobody),cost-centre,!legacy"
MOUNTS = "/etc/job-profiler"
# Settings that depend on the release, whatever its values are.
OF_THE_RELEASE = {"certificate_names", "identity", "role", "expected_webhook"}


class ChartValue(NamedTuple):
    """A value of the chart by its path, and the settings that it leads to, as JSON."""

    path: str
    value: object
    settings: dict[str, object]


VALUES = [
    ChartValue(
        "fullnameOverride",
        "prof",
        {"tls_secret": "prof-tls", "ca_secret": "prof-ca", "webhook_configuration": "prof", "lease": "prof"},
    ),
    ChartValue("healthPort", 9090, {"health_port": 9090}),
    ChartValue("bindAddress", "0.0.0.0", {"bind_address": "0.0.0.0"}),
    ChartValue("logLevel", "debug", {"log_level": "debug"}),
    ChartValue(
        "combined.extraEnv", [{"name": "PROMETHEUS_TIMEOUT", "value": "120"}], {"prometheus_timeout": 120}
    ),
    ChartValue(
        "prometheus.url", "https://thanos.example/api", {"prometheus_url": "https://thanos.example/api"}
    ),
    ChartValue("prometheus.namespaces", ["o11y", "mesh"], {"prometheus_namespaces": ["o11y", "mesh"]}),
    ChartValue("prometheus.port", 10902, {"prometheus_port": 10902}),
    ChartValue(
        "prometheus.connectionsUrl",
        "prometheus.linkerd-viz.svc",
        {"connections_prometheus_url": "prometheus.linkerd-viz.svc"},
    ),
    ChartValue(
        "prometheus.containerMetricsMatcher",
        'job="kubelet",metrics_path="/metrics/cadvisor"',
        {"container_metrics_matcher": 'job="kubelet",metrics_path="/metrics/cadvisor"'},
    ),
    ChartValue(
        "prometheus.stateMetricsMatcher",
        'job="kube-state-metrics",namespace="monitoring"',
        {"state_metrics_matcher": 'job="kube-state-metrics",namespace="monitoring"'},
    ),
    ChartValue("prometheus.cluster", 'prod "1"', {"prometheus_cluster": 'prod "1"'}),
    ChartValue("prometheus.clusterLabel", "k8s_cluster", {"prometheus_cluster_label": "k8s_cluster"}),
    ChartValue("prometheus.connectionsCluster", "prod", {"connections_prometheus_cluster": "prod"}),
    ChartValue("prometheus.connectionsClusterLabel", "k8s", {"connections_prometheus_cluster_label": "k8s"}),
    ChartValue(
        "prometheus.auth.basicAuthSecret",
        "prometheus",
        {
            "prometheus_username": "prometheus/username",
            "prometheus_password_file": f"{MOUNTS}/prometheus-credentials/password",
        },
    ),
    ChartValue(
        "prometheus.auth.tlsSecret",
        "prometheus-client",
        {
            "prometheus_certificate_file": f"{MOUNTS}/prometheus-certificate/tls.crt",
            "prometheus_key_file": f"{MOUNTS}/prometheus-certificate/tls.key",
        },
    ),
    ChartValue(
        "prometheus.auth.ca.configMap",
        "prometheus-ca",
        {"prometheus_ca_file": f"{MOUNTS}/prometheus-ca/ca.crt"},
    ),
    ChartValue("prometheus.auth.tenant", "shop", {"prometheus_tenant": "shop"}),
    ChartValue("probe.intervalSeconds", 5, {"probe_interval": 5}),
    ChartValue(
        "profiling.namespaceSelector", NAMESPACE_SELECTOR, {"profiling_namespace_selector": SELECTOR_TEXT}
    ),
    ChartValue("profiling.namespaces", ["emojivoto", "shop"], {"profiling_namespace": ["emojivoto", "shop"]}),
    # The namespaces of the profiles and of the release are excluded too.
    ChartValue(
        "profiling.excludedNamespaces",
        ["kube-system", "ci"],
        {"excluded_namespaces": ["ci", "kube-system", "profiles", "profiling"]},
    ),
    ChartValue("profiling.profilesNamespace", "profiles", {"profiles_namespace": "profiles"}),
    ChartValue("profiling.updateSeconds", 600, {"background_routine_update_time": 600}),
    ChartValue("profiling.historyDays", 14, {"history_days": 14}),
    ChartValue("profiling.timeslots", 24, {"timeslots": 24}),
    ChartValue("profiling.minSamples", 99, {"min_samples": 99}),
    ChartValue("profiling.risk", "high", {"risk": "high"}),
    ChartValue("profiling.maxProfiles", 2000000, {"max_profiles": 2000000}),
    ChartValue("profiling.maxEdges", 1000, {"max_edges": 1000}),
    ChartValue("profiling.maxHistorySize", "1Gi", {"max_history_size": "1Gi"}),
    ChartValue("profiling.maxCpuNeed", 64, {"max_cpu_need": "64"}),
    ChartValue("profiling.maxMemoryNeed", "512Gi", {"max_memory_need": "512Gi"}),
    ChartValue("profiling.meshProxyNamespaces", [], {"mesh_proxy_namespaces": []}),
    ChartValue("profiling.profileWriteRate", 0.5, {"profile_write_rate": 0.5}),
    ChartValue("profiling.staleAfterDays", 1.5, {"stale_after_days": 1.5}),
    ChartValue("profiling.expireAfterDays", 3650, {"expire_after_days": 3650}),
    ChartValue("profiling.maxConnections", 1000, {"max_connections": 1000}),
    ChartValue(
        "profiling.networkMetricProvider", "obi, hubble", {"network_metric_provider": ["obi", "hubble"]}
    ),
    ChartValue("profiling.serviceGraphSampling", 0.05, {"service_graph_sampling": 0.05}),
    ChartValue("prices.cpu", 20.5, {"cpu_price": 20.5}),
    ChartValue("prices.memory", 3, {"memory_price": 3.0}),
    ChartValue("backfill.enabled", False, {"backfill_enabled": False}),
    ChartValue("backfill.rate", 0.25, {"backfill_rate": 0.25}),
    ChartValue("monitoring.workloadMetrics", True, {"workload_metrics": True}),
    ChartValue("monitoring.maxWorkloadSeries", 1000000, {"max_workload_series": 1000000}),
    ChartValue("scheduling.enabled", True, {"operating_mode": "PROFILING_SCHEDULING"}),
    ChartValue("scheduling.minConfidence", 0.75, {"scheduling_min_confidence": 0.75}),
    ChartValue("scheduling.deadband", 0.3, {"scheduling_deadband": 0.3}),
    ChartValue("scheduling.cpu.floor", "50m", {"scheduling_cpu_floor": "50m"}),
    ChartValue("scheduling.cpu.ceiling", 8, {"scheduling_cpu_ceiling": "8"}),
    ChartValue("scheduling.cpu.limitRatio", 2, {"scheduling_cpu_limit_ratio": 2}),
    ChartValue("scheduling.memory.floor", "64Mi", {"scheduling_memory_floor": "64Mi"}),
    ChartValue("scheduling.memory.ceiling", "8Gi", {"scheduling_memory_ceiling": "8Gi"}),
    ChartValue("scheduling.memory.limitRatio", 1.5, {"scheduling_memory_limit_ratio": 1.5}),
    ChartValue("vpa.recommender.enabled", True, {"vpa_recommender_enabled": True}),
    ChartValue("vpa.recommender.name", "need", {"vpa_recommender_name": "need"}),
    ChartValue("vpa.recommender.writeRate", 5, {"vpa_write_rate": 5}),
    ChartValue("vpa.objects.enabled", True, {"vpa_objects_enabled": True}),
    ChartValue("webhook.port", 9443, {"webhook_port": 9443}),
    ChartValue("webhook.shutdownDelaySeconds", 0, {"shutdown_delay": 0}),
    ChartValue("webhook.maxClientConnections.total", 1024, {"max_client_connections": 1024}),
    ChartValue("webhook.maxClientConnections.perAddress", 512, {"max_client_connections_per_address": 512}),
    ChartValue("webhook.clientCa.secretName", "front-proxy", {"client_ca_file": f"{MOUNTS}/client/ca.crt"}),
    ChartValue(
        "webhook.clientCa.names",
        ["front-proxy-client", "apiserver"],
        {"client_names": ["front-proxy-client", "apiserver"]},
    ),
]


def merged(values: dict[str, Any], chart_value: ChartValue) -> dict[str, Any]:
    """*values* with *chart_value* at its path."""
    *parents, key = chart_value.path.split(".")
    inner = values
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[key] = chart_value.value
    return values


@pytest.fixture
def changed_settings(render: Render, settings_of: SettingsOf) -> dict[str, object]:
    """The settings other than the defaults, as JSON, of a release with all values of `VALUES`."""
    values: dict[str, Any] = reduce(merged, VALUES, {"topology": "combined"})
    settings = settings_of(render(**values), "combined")
    return settings.model_dump(exclude=OF_THE_RELEASE, exclude_defaults=True, mode="json")


@pytest.mark.parametrize("chart_value", VALUES, ids=lambda chart_value: chart_value.path)
def test_a_value_reaches_its_setting(changed_settings: dict[str, object], chart_value: ChartValue) -> None:
    """The setting has the value, which differs from its default; all other values are set too."""
    reached = {name: changed_settings.get(name) for name in chart_value.settings}

    assert reached == chart_value.settings


def test_no_value_reaches_another_setting(changed_settings: dict[str, object]) -> None:
    """Settings to which no value of `VALUES` leads keep their defaults."""
    assert changed_settings.keys() == {name for chart_value in VALUES for name in chart_value.settings}
