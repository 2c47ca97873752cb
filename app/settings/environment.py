"""What the user may set: one frozen object, read once, validated as a whole before anything starts.

Every field is an environment variable (its name in capitals) and a flag of the command line
(`prometheus_url` is `PROMETHEUS_URL` and `--prometheus-url`); a flag wins over the environment.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain.profiles import RiskLevel
from app.domain.quantities import parse_quantity
from app.errors import SettingsError
from app.settings.types import (
    CertificateProvider,
    CommaSeparated,
    JsonObject,
    LimitRatio,
    LogFormat,
    NetworkMetricProvider,
    OperatingMode,
    Port,
    Quantity,
    Role,
)

__all__ = [
    "CertificateProvider",
    "LogFormat",
    "NetworkMetricProvider",
    "OperatingMode",
    "Role",
    "Settings",
    "read_settings",
]

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[\w.:%-]+")


class Settings(BaseSettings):
    """All settings, with the unit and the default of each."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_default=True, allow_inf_nan=False)

    role: Role = Field(
        Role.COMBINED, description="What this process does: webhook, profiler or combined (both)"
    )

    prometheus_url: str = Field(
        "prometheus.linkerd-viz.svc", description="Prometheus: a host name, or a whole URL with port and path"
    )
    prometheus_port: Port = Field(9090, description="Port of Prometheus where PROMETHEUS_URL is a host name")
    connections_prometheus_url: str = Field(
        "", description="Prometheus of the service mesh, like PROMETHEUS_URL; empty means the same"
    )
    prometheus_timeout: float = Field(60, gt=0, le=600, description="Seconds that one query may take")
    prometheus_concurrency: int = Field(4, ge=1, le=64, description="Queries that run at the same time")
    prometheus_sample_budget: int = Field(
        20_000_000, ge=100_000, le=1_000_000_000, description="Samples that one query may load, about"
    )
    prometheus_bearer_token_file: str = Field(
        "", description="File with the bearer token for Prometheus, read for each query; empty means none"
    )
    prometheus_username: str = Field(
        "", description="User name for Prometheus, with PROMETHEUS_PASSWORD_FILE; empty means none"
    )
    prometheus_password_file: str = Field(
        "", description="File with the password of PROMETHEUS_USERNAME, read for each query"
    )
    prometheus_ca_file: str = Field(
        "", description="CA file that signs Prometheus' certificate; empty means the public ones"
    )
    prometheus_certificate_file: str = Field(
        "", description="File with the client certificate for Prometheus; empty means none"
    )
    prometheus_key_file: str = Field(
        "",
        description="File with the key of PROMETHEUS_CERTIFICATE_FILE; empty means that it holds that too",
    )
    prometheus_tenant: str = Field(
        "", description="Tenant of Mimir or Cortex, sent as X-Scope-OrgID; empty sends none"
    )
    prometheus_sigv4_region: str = Field(
        "", description="AWS region to sign requests for (the extra aws is needed); empty signs none"
    )
    prometheus_cluster: str = Field(
        "", description="Value of PROMETHEUS_CLUSTER_LABEL in a Prometheus that several clusters share"
    )
    prometheus_cluster_label: str = Field(
        "cluster",
        pattern="^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="Label that tells clusters apart where PROMETHEUS_CLUSTER is set",
    )
    network_metric_provider: NetworkMetricProvider = Field(
        NetworkMetricProvider.AUTO, description="Source of connection profiles: auto, linkerd, istio or none"
    )

    profiling_namespace: CommaSeparated = Field(
        (), description="Namespaces to profile, separated by commas; empty means all"
    )
    excluded_namespaces: CommaSeparated = Field(
        ("kube-system", "kube-public", "kube-node-lease"),
        description="Namespaces whose Pods are neither profiled nor annotated, separated by commas",
    )
    profiling_namespace_selector: str = Field(
        "", description="Label selector of the namespaces to profile, such as team=web; empty means all"
    )
    background_routine_enabled: bool = Field(True, description="Whether the profiler refreshes the profiles")
    background_routine_update_time: float = Field(
        150, ge=1, le=86400, description="Seconds between two refreshes of the profiles"
    )
    history_days: int = Field(7, ge=1, le=14, description="Days of history that the first refresh reads")
    timeslots: int = Field(4, ge=1, le=24, description="Time slots a day (UTC); must divide 24")
    min_samples: int = Field(12, ge=1, description="5-minute samples below which a workload gets no profile")
    risk: RiskLevel = Field(
        RiskLevel.NORMAL,
        description="Risk that usage exceeds a value: low leaves more slack, high less (low, normal or high)",
    )
    max_profiles: int = Field(
        50_000, ge=1, description="Profiles that are stored at most; newcomers beyond it are left out"
    )
    profile_write_rate: float = Field(
        50, gt=0, le=1000, description="Profiles a second that may be written, the largest change first"
    )
    stale_after_days: float = Field(
        2, ge=1, le=365, description="Days without new samples after which a profile is marked Stale"
    )
    expire_after_days: float = Field(
        30, ge=1, le=3650, description="Days without new samples after which a profile is removed"
    )
    max_connections: int = Field(64, ge=0, le=1000, description="Connections on one Pod, the largest first")
    backfill_enabled: bool = Field(
        True, description="Whether annotations of Pods that run already are set right"
    )
    backfill_rate: float = Field(50, gt=0, le=1000, description="Pods a second that back-fill may change")

    operating_mode: OperatingMode = Field(
        OperatingMode.PROFILING,
        description="PROFILING annotates Pods; PROFILING_SCHEDULING also sets the requests of those that ask",
    )
    scheduling_min_confidence: float = Field(
        0.5, ge=0, lt=1, description="Confidence below which a profile sets no request"
    )
    scheduling_deadband: float = Field(
        0.15, ge=0, le=10, description="Relative difference up to which a request is left as it is"
    )
    scheduling_cpu_floor: Quantity = Field(
        "20m", description="Least CPU request that is set, as a Kubernetes quantity"
    )
    scheduling_cpu_ceiling: Quantity = Field(
        "16", description="Largest CPU request that is set, as a Kubernetes quantity"
    )
    scheduling_memory_floor: Quantity = Field(
        "32Mi", description="Least memory request that is set, as a Kubernetes quantity"
    )
    scheduling_memory_ceiling: Quantity = Field(
        "64Gi", description="Largest memory request that is set, as a Kubernetes quantity"
    )
    scheduling_cpu_limit_ratio: LimitRatio = Field(
        0, description="Multiple of the request to set as CPU limit; 0 leaves limits alone"
    )
    scheduling_memory_limit_ratio: LimitRatio = Field(
        0, description="Multiple of the request to set as memory limit; 0 leaves limits alone"
    )

    own_namespace: str = Field("profiling", description="Namespace that the profiler itself runs in")
    profiles_namespace: str = Field("", description="Namespace of all profiles; empty means OWN_NAMESPACE")
    kubeconfig: str = Field("", description="Path of a kubeconfig; empty means the Pod's service account")

    bind_address: str = Field("0.0.0.0", description="Address that both listeners bind")  # noqa: S104 - a Pod's
    webhook_port: Port = Field(10250, description="Port of the webhook (HTTPS)")
    health_port: Port = Field(8080, description="Port of /livez, /readyz and /metrics (HTTP)")
    max_review_bytes: int = Field(
        3 * 1024 * 1024, ge=65536, description="Bytes of the largest admission review that is read"
    )
    shutdown_delay: float = Field(
        10, ge=0, le=300, description="Seconds that the webhook serves on after SIGTERM, while not ready"
    )

    certificate_provider: CertificateProvider = Field(
        CertificateProvider.SELF, description="Who issues the webhook's certificate: self or cert-manager"
    )
    certificate_names: CommaSeparated = Field(
        (), description="DNS names and IP addresses of the webhook's certificate, separated by commas"
    )
    serving_certificate_lifetime: float = Field(
        7 * 86400, ge=10, description="Seconds that a certificate of the webhook lives; renewed at two thirds"
    )
    authority_lifetime: float = Field(
        365 * 86400, ge=30, description="Seconds that the certificate authority lives; renewed at two thirds"
    )
    certificate_check_period: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="Seconds between two looks at what the wall clock says of certificates",
    )
    trust_lag: float = Field(
        10, ge=0, le=600, description="Seconds that API servers may take to learn of a new authority"
    )
    client_ca_file: str = Field(
        "", description="CA file that signs the API servers' client certificates; empty asks for none"
    )
    client_names: CommaSeparated = Field(
        (),
        description="Common names that a client certificate may bear, separated by commas; empty means any",
    )
    tls_secret: str = Field("job-profiler-tls", description="Secret with the webhook's certificate and key")
    ca_secret: str = Field("job-profiler-ca", description="Secret with the certificate authority and its key")
    webhook_configuration: str = Field(
        "job-profiler", description="MutatingWebhookConfiguration whose caBundle the profiler publishes"
    )
    probe_enabled: bool = Field(
        True, description="Whether the leader asks through the API server if the webhook answers"
    )
    probe_interval: float = Field(60, ge=1, le=3600, description="Seconds between two probes of the webhook")
    expected_webhook: JsonObject = Field(
        "",
        description="JSON of what selects Pods in WEBHOOK_CONFIGURATION; empty means that it is not compared",
    )

    lease: str = Field("job-profiler", description="Lease in OWN_NAMESPACE that elects the leader")
    lease_retry_period: float = Field(2, gt=0, description="Seconds between two tries on the Lease")
    lease_renew_deadline: float = Field(
        10, gt=0, description="Seconds without a renewal until the leader stops; more than LEASE_RETRY_PERIOD"
    )
    lease_duration: float = Field(
        15, ge=1, description="Seconds after which an unrenewed Lease is free; more than LEASE_RENEW_DEADLINE"
    )
    identity: str = Field(
        "", description="Name of this process in the Lease; empty means host and process id"
    )

    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="debug, info, warning, error"
    )
    log_format: LogFormat = Field(LogFormat.JSON, description="Log lines as json or console")

    @field_validator("profiling_namespace", "excluded_namespaces")
    @classmethod
    def _namespaces_are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in names if not _NAMESPACE.fullmatch(name)]:
            raise ValueError(f"not a namespace's name: {', '.join(wrong)}")
        return names

    @field_validator("own_namespace", "profiles_namespace")
    @classmethod
    def _namespace_is_a_name(cls, name: str, info: ValidationInfo) -> str:
        may_be_empty = info.field_name == "profiles_namespace"
        if not _NAMESPACE.fullmatch(name) and (name or not may_be_empty):
            raise ValueError("not a namespace's name")
        return name

    @field_validator("timeslots")
    @classmethod
    def _slots_divide_the_day(cls, slots: int) -> int:
        if 24 % slots:
            raise ValueError(f"{slots} does not divide 24: use 1, 2, 3, 4, 6, 8, 12 or 24")
        return slots

    @field_validator("prometheus_url", "connections_prometheus_url")
    @classmethod
    def _url_has_a_host(cls, url: str, info: ValidationInfo) -> str:
        url = url.strip()
        if not url and info.field_name == "connections_prometheus_url":
            return url
        parts = urlsplit(url if "://" in url else f"//{url}")
        known = parts.scheme in {"", "http", "https"} and _HOST.fullmatch(parts.hostname or "")
        # Reading a port that is no port raises a ValueError that says so.
        if not known or parts.port == 0 or parts.query or parts.fragment:
            raise ValueError("give a host name, or a URL with http:// or https:// that ends with its path")
        return url

    @field_validator("prometheus_password_file")
    @classmethod
    def _password_goes_with_a_user(cls, file: str, info: ValidationInfo) -> str:
        if bool(file) != bool(info.data.get("prometheus_username")):
            raise ValueError("goes with PROMETHEUS_USERNAME: set both or none of them")
        return file

    @field_validator("prometheus_key_file")
    @classmethod
    def _key_goes_with_a_certificate(cls, file: str, info: ValidationInfo) -> str:
        if file and not info.data.get("prometheus_certificate_file"):
            raise ValueError("goes with PROMETHEUS_CERTIFICATE_FILE, which is not set")
        return file

    @field_validator("prometheus_username", "prometheus_sigv4_region")
    @classmethod
    def _one_way_to_prove_who_asks(cls, value: str, info: ValidationInfo) -> str:
        others = ("prometheus_bearer_token_file", "prometheus_username")
        if value and (other := next((name for name in others if info.data.get(name)), None)):
            raise ValueError(f"give only one of this and {other.upper()}")
        return value

    @field_validator("prometheus_tenant")
    @classmethod
    def _tenant_fits_a_header(cls, tenant: str) -> str:
        if not tenant.isascii() or not tenant.isprintable() or tenant != tenant.strip():
            raise ValueError("a header can't hold it")
        return tenant

    @field_validator("lease_renew_deadline", "lease_duration")
    @classmethod
    def _lease_times_rise(cls, seconds: float, info: ValidationInfo) -> float:
        shorter = (
            "lease_retry_period" if info.field_name == "lease_renew_deadline" else "lease_renew_deadline"
        )
        if seconds <= info.data.get(shorter, 0):
            raise ValueError(f"must be more than {shorter.upper()}, which is {info.data[shorter]:g}")
        return seconds

    @field_validator("expire_after_days")
    @classmethod
    def _stale_comes_first(cls, days: float, info: ValidationInfo) -> float:
        stale = info.data.get("stale_after_days", 0)
        if days < stale:
            raise ValueError(f"must not be less than STALE_AFTER_DAYS, which is {stale:g}")
        return days

    @field_validator("health_port")
    @classmethod
    def _ports_differ(cls, port: int, info: ValidationInfo) -> int:
        if port == info.data.get("webhook_port"):
            raise ValueError("must not be WEBHOOK_PORT: one process listens on both")
        return port

    @field_validator("scheduling_cpu_limit_ratio", "scheduling_memory_limit_ratio")
    @classmethod
    def _limit_is_no_less_than_its_request(cls, ratio: float) -> float:
        if 0 < ratio < 1:
            raise ValueError("a limit can't be less than its request: give 0, or 1 and more")
        return ratio

    @field_validator("scheduling_cpu_ceiling", "scheduling_memory_ceiling")
    @classmethod
    def _ceiling_is_above_its_floor(cls, ceiling: str, info: ValidationInfo) -> str:
        floor_name = str(info.field_name).replace("ceiling", "floor")
        floor = info.data.get(floor_name)
        if floor is not None and parse_quantity(ceiling) < parse_quantity(floor):
            raise ValueError(f"must not be less than {floor_name.upper()}, which is {floor}")
        return ceiling

    @property
    def prometheus_base_url(self) -> str:
        """The URL before `/api/v1`: PROMETHEUS_URL itself, or made of it and PROMETHEUS_PORT."""
        return self._base_url(self.prometheus_url)

    @property
    def connections_base_url(self) -> str:
        """The same for the Prometheus of the mesh; empty where that is no other one."""
        return self._base_url(self.connections_prometheus_url) if self.connections_prometheus_url else ""

    def _base_url(self, url: str) -> str:
        if "://" in url:
            return url.rstrip("/")
        host, _, path = url.partition("/")
        address = host if urlsplit(f"//{host}").port is not None else f"{host}:{self.prometheus_port}"
        return f"http://{address}/{path}".rstrip("/")

    @property
    def profiles_home(self) -> str:
        """The one namespace in which all profiles are stored."""
        return self.profiles_namespace or self.own_namespace

    def profiles_pods_of(self, namespace: str) -> bool:
        """True where Pods of *namespace* are in scope."""
        excluded = namespace in self.excluded_namespaces or namespace == self.own_namespace
        return not excluded and (not self.profiling_namespace or namespace in self.profiling_namespace)


def read_settings(flags: Mapping[str, Any]) -> Settings:
    """The settings from the environment and *flags* (field name to text; None means not given).

    Raises:
        SettingsError: names every wrong setting, with the value that was given.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError([_fault(fault) for fault in error.errors()]) from error


def _fault(fault: Any) -> str:  # pydantic's ErrorDetails
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = str(fault["loc"][0])
    return f"{name.upper()} (--{name.replace('_', '-')}) is {fault['input']!r}: {message}"
