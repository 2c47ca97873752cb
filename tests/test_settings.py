"""Settings: each is read from the environment and from a flag; a wrong one is reported with the remedy."""

import os
import sys
from typing import Any

import pytest

from app.command_line.root import main
from app.errors import SettingsError
from app.settings.environment import Settings, read_settings

# A text and its value for each setting; no value is the default.
EXAMPLES: dict[str, tuple[str, object]] = {
    "cpu_price": ("20.5", 20.5),
    "memory_price": ("3", 3.0),
    "role": ("webhook", "webhook"),
    "prometheus_url": ("https://prometheus.example/select", "https://prometheus.example/select"),
    "prometheus_namespaces": ("o11y, mesh", ("o11y", "mesh")),
    "connections_prometheus_url": ("prometheus.linkerd-viz", "prometheus.linkerd-viz"),
    "prometheus_port": ("9091", 9091),
    "prometheus_timeout": ("2.5", 2.5),
    "prometheus_concurrency": ("2", 2),
    "prometheus_sample_budget": ("1000000", 1_000_000),
    "prometheus_bearer_token_file": ("/etc/token", "/etc/token"),
    "prometheus_username": ("reader", "reader"),
    "prometheus_password_file": ("/etc/password", "/etc/password"),
    "prometheus_ca_file": ("/etc/ca.crt", "/etc/ca.crt"),
    "prometheus_certificate_file": ("/etc/tls.crt", "/etc/tls.crt"),
    "prometheus_key_file": ("/etc/tls.key", "/etc/tls.key"),
    "prometheus_tenant": ("team-a|team-b", "team-a|team-b"),
    "prometheus_sigv4_region": ("eu-west-1", "eu-west-1"),
    "prometheus_cluster": ("prod-1", "prod-1"),
    "prometheus_cluster_label": ("k8s_cluster", "k8s_cluster"),
    "connections_prometheus_cluster": ("viz-1", "viz-1"),
    "connections_prometheus_cluster_label": ("k8s", "k8s"),
    "container_metrics_matcher": ('job="kubelet", path=~"/m.+"', 'job="kubelet", path=~"/m.+"'),
    "state_metrics_matcher": ('job=~".*kube-state-metrics"', 'job=~".*kube-state-metrics"'),
    "service_graph_sampling": ("0.02", 0.02),
    "network_metric_provider": ("Linkerd, netobserv", ("linkerd", "netobserv")),
    "mesh_proxy_namespaces": ("istio-system, gateways", ("istio-system", "gateways")),
    "profiling_namespace": ("emojivoto, shop", ("emojivoto", "shop")),
    "excluded_namespaces": ("kube-system", ("kube-system",)),
    "profiling_namespace_selector": ("team in (web, api),!legacy", "team in (web, api),!legacy"),
    "background_routine_enabled": ("false", False),
    "background_routine_update_time": ("60", 60.0),
    "history_days": ("3", 3),
    "timeslots": ("6", 6),
    "min_samples": ("24", 24),
    "risk": ("low", "low"),
    "max_profiles": ("100", 100),
    "max_edges": ("100", 100),
    "max_history_size": ("256Mi", "256Mi"),
    "max_cpu_need": ("64", "64"),
    "max_memory_need": ("512Gi", "512Gi"),
    "profile_write_rate": ("20", 20.0),
    "stale_after_days": ("1.5", 1.5),
    "expire_after_days": ("7", 7.0),
    "max_connections": ("0", 0),
    "backfill_enabled": ("false", False),
    "backfill_rate": ("2.5", 2.5),
    "workload_metrics": ("true", True),
    "vpa_recommender_enabled": ("true", True),
    "vpa_recommender_name": ("need", "need"),
    "vpa_objects_enabled": ("true", True),
    "vpa_write_rate": ("5", 5.0),
    "max_workload_series": ("500", 500),
    "operating_mode": ("PROFILING_SCHEDULING", "PROFILING_SCHEDULING"),
    "scheduling_min_confidence": ("0.8", 0.8),
    "scheduling_deadband": ("0.3", 0.3),
    "scheduling_cpu_floor": ("0.01", "0.01"),
    "scheduling_cpu_ceiling": ("4", "4"),
    "scheduling_memory_floor": ("1e6", "1e6"),
    "scheduling_memory_ceiling": ("8G", "8G"),
    "scheduling_cpu_limit_ratio": ("1.7", 1.7),
    "scheduling_memory_limit_ratio": ("1.5", 1.5),
    "own_namespace": ("job-profiler", "job-profiler"),
    "profiles_namespace": ("profiles", "profiles"),
    "kubeconfig": ("/etc/kubeconfig", "/etc/kubeconfig"),
    "bind_address": ("10.0.0.7", "10.0.0.7"),
    "webhook_port": ("8443", 8443),
    "health_port": ("8081", 8081),
    "max_review_bytes": ("65536", 65536),
    "max_client_connections": ("1024", 1024),
    "max_client_connections_per_address": ("1000", 1000),
    "shutdown_delay": ("0", 0.0),
    "certificate_provider": ("cert-manager", "cert-manager"),
    "certificate_names": ("webhook.svc,10.0.0.1", ("webhook.svc", "10.0.0.1")),
    "serving_certificate_lifetime": ("3600", 3600.0),
    "authority_lifetime": ("86400", 86400.0),
    "certificate_check_period": ("5", 5.0),
    "trust_lag": ("2.5", 2.5),
    "client_ca_file": ("/etc/ca.crt", "/etc/ca.crt"),
    "client_names": ("apiserver,front", ("apiserver", "front")),
    "tls_secret": ("tls", "tls"),
    "ca_secret": ("ca", "ca"),
    "webhook_configuration": ("hooks", "hooks"),
    "probe_enabled": ("false", False),
    "probe_interval": ("30", 30.0),
    "expected_webhook": ('{"rules":[]}', '{"rules":[]}'),
    "lease": ("leader", "leader"),
    "lease_retry_period": ("1", 1.0),
    "lease_renew_deadline": ("12", 12.0),
    "lease_duration": ("30", 30.0),
    "identity": ("replica-1", "replica-1"),
    "log_level": ("debug", "debug"),
    "log_format": ("console", "console"),
}


# The setting that each of these needs.
COMPANIONS = {
    "prometheus_bearer_token_file": ("prometheus_url",),
    "prometheus_username": ("prometheus_url", "prometheus_password_file"),
    "prometheus_password_file": ("prometheus_url", "prometheus_username"),
    "prometheus_key_file": ("prometheus_certificate_file",),
    "prometheus_sigv4_region": ("prometheus_url",),
}
WRONG_NAMESPACE = "not a valid namespace name (lower-case letters, digits and '-', at most 63)"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower() in Settings.model_fields]:
        monkeypatch.delenv(name)


def faults(**flags: str) -> tuple[str, ...]:
    """The reported faults of these settings."""
    with pytest.raises(SettingsError) as refusal:
        read_settings(flags)
    return refusal.value.faults


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that `serve` received."""
    received: list[Settings] = []
    monkeypatch.setattr("app.runtime.serving.serve", received.append)
    return received


def serve(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["job-profiler", "serve", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0


def test_every_setting_is_tested_here() -> None:
    """A new setting has to be added to the table, with a value that is not its default."""
    assert EXAMPLES.keys() == Settings.model_fields.keys()
    defaults = read_settings({})
    assert [name for name, (_, value) in EXAMPLES.items() if getattr(defaults, name) == value] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable has the setting's name in capitals."""
    text, expected = EXAMPLES[name]
    monkeypatch.setenv(name.upper(), text)
    for companion in COMPANIONS.get(name, ()):
        monkeypatch.setenv(companion.upper(), EXAMPLES[companion][0])

    assert getattr(read_settings({}), name) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_setting_is_read_from_a_flag(
    name: str, monkeypatch: pytest.MonkeyPatch, served: list[Settings]
) -> None:
    """The flag has the setting's name with dashes."""
    text, expected = EXAMPLES[name]
    for companion in COMPANIONS.get(name, ()):
        monkeypatch.setenv(companion.upper(), EXAMPLES[companion][0])

    serve(monkeypatch, f"--{name.replace('_', '-')}", text)

    assert getattr(served[0], name) == expected


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, served: list[Settings]) -> None:
    """TIMESLOTS is given twice, HISTORY_DAYS in the environment only."""
    monkeypatch.setenv("TIMESLOTS", "6")
    monkeypatch.setenv("HISTORY_DAYS", "3")

    serve(monkeypatch, "--timeslots", "8")

    assert (served[0].timeslots, served[0].history_days) == (8, 3)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("prometheus", "http://prometheus:9090"),
        ("prometheus.linkerd-viz.svc", "http://prometheus.linkerd-viz.svc:9090"),
        ("prometheus:8080", "http://prometheus:8080"),
        ("10.0.0.1", "http://10.0.0.1:9090"),
        ("[fd00::1]", "http://[fd00::1]:9090"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("fd00::1", "http://[fd00::1]:9090"),
        ("::1", "http://[::1]:9090"),
        ("FD00:0:0::9090", "http://[fd00::9090]:9090"),
        ("fd00::1/prometheus", "http://[fd00::1]:9090/prometheus"),
        ("[::1]/prometheus", "http://[::1]:9090/prometheus"),
        ("https://[fd00::1]:8443/a", "https://[fd00::1]:8443/a"),
        ("mimir/prometheus", "http://mimir:9090/prometheus"),
        ("mimir:8080/prometheus/", "http://mimir:8080/prometheus"),
        ("http://mimir", "http://mimir"),
        ("https://mimir.example/prometheus/", "https://mimir.example/prometheus"),
        ("https://user:word@mimir.example:8443/a/b", "https://user:word@mimir.example:8443/a/b"),
        (" prometheus\n", "http://prometheus:9090"),
    ],
)
def test_prometheus_is_a_host_or_a_whole_url(url: str, base: str) -> None:
    """A host gets PROMETHEUS_PORT and may have a path; a URL with a scheme is used unchanged."""
    assert read_settings({"prometheus_url": url}).prometheus_base_url == base


def test_the_port_goes_with_a_host_alone() -> None:
    """PROMETHEUS_PORT=8080 applies to a host, not to a host with a port or to a URL."""
    bases = [
        read_settings({"prometheus_url": url, "prometheus_port": "8080"}).prometheus_base_url
        for url in ("prometheus", "prometheus:9091", "https://prometheus")
    ]

    assert bases == ["http://prometheus:8080", "http://prometheus:9091", "https://prometheus"]


@pytest.mark.parametrize(
    "url",
    ["", "http://", "ftp://prometheus", "my host", "/path", "prometheus:0", "http://p/?query=up"],
)
def test_an_invalid_host_is_refused(url: str) -> None:
    """The message says what to give instead."""
    remedy = "use a host name, or a URL with http:// or https://, without query or fragment"

    assert faults(prometheus_url=url) == (f"PROMETHEUS_URL (--prometheus-url) is {url!r}: {remedy}",)


@pytest.mark.parametrize(
    "url", ["http://fd00::1", "http://::1:9090", "::1::", "a:b:c", "[::1]x", "[::1]:1:2"]
)
def test_brackets_of_an_ipv6_address_are_explained(url: str) -> None:
    """Without brackets, the end of an IPv6 address may be a port."""
    remedy = "put an IPv6 address in brackets, such as http://[fd00::1]:9090"

    assert faults(prometheus_url=url) == (f"PROMETHEUS_URL (--prometheus-url) is {url!r}: {remedy}",)


def test_connections_have_the_same_prometheus_unless_one_is_named() -> None:
    """The base URL is empty by default; a host gets PROMETHEUS_PORT; a wrong URL is refused."""
    flags = {"connections_prometheus_url": "viz.linkerd-viz", "prometheus_port": "9091"}

    assert read_settings({}).connections_base_url == ""
    assert read_settings(flags).connections_base_url == "http://viz.linkerd-viz:9091"
    assert faults(connections_prometheus_url="ftp://viz")[0].startswith("CONNECTIONS_PROMETHEUS_URL (--conn")


@pytest.mark.parametrize("url", ["prometheus:99999", "prometheus:web", "http://prometheus:web/"])
def test_a_port_within_the_url_is_checked_too(url: str) -> None:
    """The message states what is wrong with the port."""
    (fault,) = faults(prometheus_url=url)

    assert fault.startswith(f"PROMETHEUS_URL (--prometheus-url) is {url!r}: Port ")


@pytest.mark.parametrize("name", ["prometheus_port", "webhook_port", "health_port"])
def test_a_port_that_kubernetes_set_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a Service named `prometheus`, every Pod gets PROMETHEUS_PORT=tcp://10.0.0.1:9090."""
    monkeypatch.setenv(name.upper(), "tcp://10.0.0.1:9090")

    (fault,) = faults()

    assert fault.startswith(f"{name.upper()} (--{name.replace('_', '-')}) is 'tcp://10.0.0.1:9090': ")
    assert "enableServiceLinks" in fault


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 6, 8, 12, 24])
def test_timeslots_divide_the_day(slots: int) -> None:
    """Each slot is a whole number of hours."""
    assert read_settings({"timeslots": str(slots)}).timeslots == slots


@pytest.mark.parametrize("slots", ["5", "7", "9", "10", "16", "23"])
def test_other_timeslots_are_refused(slots: str) -> None:
    """The message lists the allowed numbers."""
    assert faults(timeslots=slots) == (
        f"TIMESLOTS (--timeslots) is '{slots}': {slots} does not divide 24: use 1, 2, 3, 4, 6, 8, 12 or 24",
    )


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("profiling_namespace", "shop,Shop", "Shop"),
        ("profiling_namespace", "a_b, -c", "a_b, -c"),
        ("excluded_namespaces", "kube-*", "kube-*"),
        ("excluded_namespaces", "x" * 64, "x" * 64),
    ],
)
def test_names_that_no_namespace_can_have_are_refused(name: str, value: str, wrong: str) -> None:
    """The message names only the wrong items; a pattern or a capital letter would match no namespace."""
    (fault,) = faults(**{name: value})

    assert fault == f"{name.upper()} (--{name.replace('_', '-')}) is {value!r}: {WRONG_NAMESPACE}: {wrong}"


@pytest.mark.parametrize("name", ["own_namespace", "profiles_namespace"])
def test_the_own_and_the_profiles_namespace_are_valid_names(name: str) -> None:
    """`a/b` would be another path of the API; an empty PROFILES_NAMESPACE means OWN_NAMESPACE."""
    assert faults(**{name: "a/b"}) == (
        f"{name.upper()} (--{name.replace('_', '-')}) is 'a/b': {WRONG_NAMESPACE}",
    )
    assert faults(own_namespace="") == (f"OWN_NAMESPACE (--own-namespace) is '': {WRONG_NAMESPACE}",)
    assert read_settings({"own_namespace": "here", "profiles_namespace": ""}).profiles_home == "here"
    assert read_settings({"own_namespace": "here", "profiles_namespace": "there"}).profiles_home == "there"


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ({"lease_renew_deadline": "2"}, ("LEASE_RENEW_DEADLINE", "'2'", "LEASE_RETRY_PERIOD, which is 2")),
        ({"lease_duration": "10"}, ("LEASE_DURATION", "'10'", "LEASE_RENEW_DEADLINE, which is 10")),
        ({"lease_renew_deadline": "20"}, ("LEASE_DURATION", "15", "LEASE_RENEW_DEADLINE, which is 20")),
    ],
)
def test_the_times_of_the_lease_rise(flags: dict[str, str], fault: tuple[str, str, str]) -> None:
    """Retry period < renew deadline < duration, also if only one of them is given."""
    variable, value, shorter = fault
    flag = variable.lower().replace("_", "-")

    assert faults(**flags) == (f"{variable} (--{flag}) is {value}: must be more than {shorter}",)


def test_a_profile_is_stale_before_it_expires() -> None:
    """EXPIRE_AFTER_DAYS of 1 is less than STALE_AFTER_DAYS, which is 2."""
    [fault] = faults(expire_after_days="1")

    assert fault.startswith("EXPIRE_AFTER_DAYS (--expire-after-days) is '1': ")
    assert fault.endswith("must not be less than STALE_AFTER_DAYS, which is 2")


def test_one_port_can_not_have_two_listeners() -> None:
    """WEBHOOK_PORT is 10250 by default."""
    fault = "HEALTH_PORT (--health-port) is '10250': must not be WEBHOOK_PORT: one process listens on both"

    assert faults(health_port="10250") == (fault,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prometheus_port", "0"),
        ("prometheus_port", "65536"),
        ("prometheus_timeout", "0"),
        ("prometheus_timeout", "nan"),
        ("prometheus_concurrency", "0"),
        ("prometheus_concurrency", "65"),
        ("prometheus_sample_budget", "99999"),
        ("prometheus_sample_budget", "1e10"),
        ("prometheus_tenant", " team"),
        ("prometheus_tenant", "a\nb"),
        ("background_routine_update_time", "0.5"),
        ("background_routine_enabled", "perhaps"),
        ("history_days", "29"),
        ("history_days", "1.5"),
        ("min_samples", "0"),
        ("max_connections", "-1"),
        ("max_review_bytes", "1"),
        ("shutdown_delay", "301"),
        ("lease_duration", "inf"),
        ("prometheus_cluster_label", "k8s-cluster"),
        ("operating_mode", "SCHEDULING"),
        ("serving_certificate_lifetime", "9"),
        ("trust_lag", "-1"),
        ("probe_interval", "0.5"),
        ("expected_webhook", "{"),
        ("expected_webhook", "[]"),
        ("scheduling_min_confidence", "1"),
        ("scheduling_deadband", "-0.1"),
        ("scheduling_cpu_floor", "0"),
        ("scheduling_cpu_floor", "20 m"),
        ("scheduling_memory_floor", "32MiB"),
        ("scheduling_cpu_limit_ratio", "0.5"),
        ("role", "leader"),
        ("network_metric_provider", "consul"),
        ("network_metric_provider", ""),
        ("network_metric_provider", "auto,linkerd"),
        ("network_metric_provider", "linkerd,none"),
        ("network_metric_provider", "service-graph"),
        ("service_graph_sampling", "50"),
        ("container_metrics_matcher", "job=kubelet"),
        ("container_metrics_matcher", 'job="kubelet"}) or vector(1'),
        ("state_metrics_matcher", "kube-state-metrics"),
        ("max_cpu_need", "0"),
        ("max_history_size", "0"),
        ("certificate_provider", "vault"),
        ("log_level", "verbose"),
        ("log_format", "xml"),
    ],
)
def test_a_value_out_of_its_range_is_named(name: str, value: str) -> None:
    """The message has the variable, the flag and the value."""
    (fault,) = faults(**{name: value})

    assert fault.startswith(f"{name.upper()} (--{name.replace('_', '-')}) is {value!r}: ")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("min_samples", "1.5", "must be a whole number"),
        ("timeslots", "x", "must be a whole number"),
        ("prometheus_timeout", "x", "must be a number"),
        ("trust_lag", "inf", "must be a finite number"),
        ("backfill_enabled", "perhaps", "use true or false"),
        ("role", "leader", "use webhook, profiler or combined"),
        ("certificate_provider", "vault", "use self or cert-manager"),
        ("log_level", "verbose", "use debug, info, warning or error"),
        ("prometheus_cluster_label", "a-b", "must match the regular expression ^[a-zA-Z_][a-zA-Z0-9_]*$"),
        ("prometheus_sample_budget", "99999", "must be at least 100000"),
        ("prometheus_sample_budget", "5000000000", "must be at most 1000000000"),
        ("probe_interval", "0.5", "must be at least 1"),
        ("serving_certificate_lifetime", "9", "must be at least 10"),
        ("certificate_check_period", "0.01", "must be at least 0.1"),
        ("lease_retry_period", "0", "must be more than 0"),
        ("scheduling_min_confidence", "1", "must be less than 1"),
    ],
)
def test_the_message_has_the_remedy(name: str, value: str, remedy: str) -> None:
    """The type or the limit that is missed is stated in plain words, limits as they are typed."""
    assert faults(**{name: value}) == (f"{name.upper()} (--{name.replace('_', '-')}) is {value!r}: {remedy}",)


@pytest.mark.parametrize(
    ("name", "value", "choice"),
    [
        ("log_level", "INFO", "info"),
        ("log_level", "Warning\n", "warning"),
        ("log_format", "JSON", "json"),
        ("role", "Webhook", "webhook"),
        ("risk", "LOW", "low"),
        ("certificate_provider", "Cert-Manager", "cert-manager"),
        ("network_metric_provider", "Linkerd", ("linkerd",)),
        ("operating_mode", "profiling_scheduling", "PROFILING_SCHEDULING"),
    ],
)
def test_a_choice_is_read_in_any_case(
    name: str, value: str, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment and from a flag; LOG_LEVEL=INFO is what most programs take."""
    assert getattr(read_settings({name: value}), name) == choice
    monkeypatch.setenv(name.upper(), value)
    assert getattr(read_settings({}), name) == choice


def test_only_the_variables_in_use_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign ROLE and TIMESLOTS have no effect if only HISTORY_DAYS is read; a flag has one."""
    monkeypatch.setenv("ROLE", "admin")
    monkeypatch.setenv("TIMESLOTS", "6")
    monkeypatch.setenv("HISTORY_DAYS", "3")

    settings = read_settings({"min_samples": "5"}, ["history_days"])

    assert (settings.role, settings.timeslots) == ("combined", 4)
    assert (settings.history_days, settings.min_samples) == (3, 5)


def test_a_ceiling_is_no_less_than_its_floor() -> None:
    """100m is 0.1 cores, more than 0.09; 1Gi is 1073741824 bytes, more than the 1G of 1000000000."""
    cpu = faults(scheduling_cpu_floor="100m", scheduling_cpu_ceiling="0.09")
    memory = faults(scheduling_memory_floor="1Gi", scheduling_memory_ceiling="1G")

    assert [fault.split()[0] for fault in (*cpu, *memory)] == [
        "SCHEDULING_CPU_CEILING",
        "SCHEDULING_MEMORY_CEILING",
    ]
    assert cpu[0].endswith("must not be less than SCHEDULING_CPU_FLOOR, which is 100m")
    equal = read_settings({"scheduling_cpu_floor": "1", "scheduling_cpu_ceiling": "1000m"})
    assert equal.scheduling_cpu_ceiling == "1000m"


@pytest.mark.parametrize(
    ("flags", "name", "message"),
    [
        ({"prometheus_username": "me"}, "password_file", "requires PROMETHEUS_USERNAME, and vice versa"),
        ({"prometheus_password_file": "/p"}, "password_file", "requires PROMETHEUS_USERNAME"),
        ({"prometheus_key_file": "/k"}, "key_file", "requires PROMETHEUS_CERTIFICATE_FILE"),
        (
            {"prometheus_bearer_token_file": "/t", "prometheus_sigv4_region": "eu-west-1"},
            "sigv4_region",
            "cannot be combined with PROMETHEUS_BEARER_TOKEN_FILE",
        ),
        (
            {"prometheus_username": "u", "prometheus_password_file": "/p", "prometheus_sigv4_region": "x"},
            "sigv4_region",
            "cannot be combined with PROMETHEUS_USERNAME",
        ),
    ],
)
def test_credentials_of_prometheus_fit_together(flags: dict[str, str], name: str, message: str) -> None:
    """Both halves of a pair are needed, and only one kind of credentials is accepted."""
    (fault,) = faults(prometheus_url="prometheus", **flags)

    assert fault.startswith(f"PROMETHEUS_{name.upper()} (--prometheus-{name.replace('_', '-')}) is ")
    assert message in fault


def test_a_token_beside_a_user_is_refused() -> None:
    """The user name is refused; so is the password, which then has no user name."""
    reported = faults(
        prometheus_url="prometheus",
        prometheus_bearer_token_file="/t",
        prometheus_username="u",
        prometheus_password_file="/p",
    )

    assert "cannot be combined with PROMETHEUS_BEARER_TOKEN_FILE" in reported[0]


@pytest.mark.parametrize("url", [None, "auto", " AUTO "])
@pytest.mark.parametrize("name", ["bearer_token_file", "username", "sigv4_region"])
def test_credentials_need_a_named_server(name: str, url: str | None) -> None:
    """Who creates a Service with the labels of a Prometheus must not receive a token or a password."""
    flags = {f"prometheus_{name}": "x", "prometheus_password_file": "/p" if name == "username" else None}
    flags |= {"prometheus_url": url}

    reported = faults(**{key: value for key, value in flags.items() if value})

    assert "needs PROMETHEUS_URL: credentials are sent only to a server that is named" in reported[0]


def test_all_faults_are_reported_together() -> None:
    """One run reports every wrong setting, in the order of the fields."""
    reported = faults(timeslots="5", prometheus_port="x", role="leader", lease_duration="1")

    assert [fault.split()[0] for fault in reported] == [
        "ROLE",
        "PROMETHEUS_PORT",
        "TIMESLOTS",
        "LEASE_DURATION",
    ]


def test_settings_do_not_change() -> None:
    """A field can't be assigned."""
    settings: Any = read_settings({})

    with pytest.raises(ValueError, match="frozen"):
        settings.timeslots = 6


@pytest.mark.parametrize(
    ("flags", "in_scope", "out_of_scope"),
    [
        ({}, ["emojivoto", "default"], ["kube-system", "kube-public", "kube-node-lease", "profiling"]),
        ({"profiling_namespace": "shop"}, ["shop"], ["emojivoto", "kube-system", "profiling"]),
        ({"profiling_namespace": "profiling,shop"}, ["shop"], ["profiling"]),
        ({"excluded_namespaces": ""}, ["kube-system", "shop"], ["profiling"]),
        ({"own_namespace": "here"}, ["profiling"], ["here"]),
    ],
)
def test_which_pods_are_in_scope(flags: dict[str, str], in_scope: list[str], out_of_scope: list[str]) -> None:
    """All namespaces or the listed ones, without the excluded ones and never OWN_NAMESPACE."""
    settings = read_settings(flags)

    assert [name for name in in_scope if not settings.namespaces.covers(name)] == []
    assert [name for name in out_of_scope if settings.namespaces.covers(name)] == []


def test_a_service_graph_needs_the_share_that_is_traced(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is stated beside the provider; without it, the refused settings name it."""
    serve(monkeypatch, "--network-metric-provider", "service-graph", "--service-graph-sampling", "0.02")

    assert served[0].network_metric_provider == ("service-graph",)
    assert served[0].service_graph_sampling == 0.02
