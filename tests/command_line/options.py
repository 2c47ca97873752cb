"""The settings that are options of each command."""

from app.settings.environment import Settings

PAST = {
    "kubeconfig",
    "prometheus_url",
    "prometheus_namespaces",
    "prometheus_port",
    "prometheus_timeout",
    "prometheus_concurrency",
    "prometheus_sample_budget",
    "prometheus_bearer_token_file",
    "prometheus_username",
    "prometheus_password_file",
    "prometheus_ca_file",
    "prometheus_certificate_file",
    "prometheus_key_file",
    "prometheus_tenant",
    "prometheus_sigv4_region",
    "prometheus_cluster",
    "prometheus_cluster_label",
    "profiling_namespace",
    "excluded_namespaces",
    "own_namespace",
}
STORED = {"kubeconfig", "profiling_namespace", "own_namespace", "profiles_namespace"}
SCHEDULING = {name for name in Settings.model_fields if name.startswith("scheduling_")} | {
    "excluded_namespaces"
}
PAGES = (
    STORED
    | {name for name in Settings.model_fields if "prometheus_" in name}
    | {"lease", "cpu_price", "memory_price", "excluded_namespaces", "history_days", "min_samples", "risk"}
    | {"container_metrics_matcher", "state_metrics_matcher"}
)
COMMANDS = {
    "serve": set(Settings.model_fields),
    "profile": PAST
    | {
        "connections_prometheus_url",
        "network_metric_provider",
        "service_graph_sampling",
        "profiling_namespace_selector",
        "history_days",
        "timeslots",
        "min_samples",
        "risk",
        "profiles_namespace",
    },
    "status": {"kubeconfig", "own_namespace", "profiles_namespace", "lease"},
    "probe": {"kubeconfig", "own_namespace", "webhook_configuration", "expected_webhook"},
    "doctor": PAST - {"prometheus_sample_budget"}
    | {
        "connections_prometheus_url",
        "connections_prometheus_cluster",
        "connections_prometheus_cluster_label",
        "container_metrics_matcher",
        "state_metrics_matcher",
        "network_metric_provider",
        "service_graph_sampling",
    },
    "backtest": PAST,
    "record": PAST,
    "explain": PAST | {"history_days", "risk", "profiles_namespace"},
    "savings": STORED
    | {"cpu_price", "memory_price", "excluded_namespaces", "history_days", "min_samples"}
    | {"container_metrics_matcher", "state_metrics_matcher"},
    "plan": STORED | SCHEDULING,
    "connections": STORED | {"min_samples"},
    "changes": STORED,
    "export patch": STORED | SCHEDULING,
    "export network-policy": STORED | {"excluded_namespaces"},
    "export quota": STORED,
    "export vpa": STORED | {"excluded_namespaces"},
    "diff": set[str](),
    "dashboard": PAGES,
    "report": PAGES,
    "demo": set[str](),
    "completion": set[str](),
}
