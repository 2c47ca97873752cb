"""Address, query limits and credentials of Prometheus."""

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.domain.connection_providers import Provider
from app.settings.types import LabelMatchers, NamespaceNames, NetworkProviders, Port

_HOST = re.compile(r"[\w.:%-]+")
_USE_BRACKETS = "put an IPv6 address in brackets, such as http://[fd00::1]:9090"
# Only an IPv6 address has more than one colon, or brackets.
_ADDRESS = re.compile(r"\[[^\]]*\](:[^:]*)?|[^:\[\]]*(:[^:]*)?")


AUTO = "auto"


class PrometheusSettings(BaseModel):
    """The address of Prometheus, the limits of a query, the credentials and the mesh's metrics."""

    prometheus_url: str = Field(
        AUTO,
        description="Address of Prometheus: a host name or IP address, or a URL with port and path; auto"
        " means that it is searched for in the cluster",
    )
    prometheus_namespaces: NamespaceNames = Field(
        ("monitoring", "prometheus", "observability", "linkerd-viz", "istio-system"),
        description="Namespaces, separated by commas, besides OWN_NAMESPACE, in which auto searches for"
        " Prometheus, in this order; who may create Services there can serve any usage",
    )
    prometheus_port: Port = Field(9090, description="Port of Prometheus if PROMETHEUS_URL is a host name")
    connections_prometheus_url: str = Field(
        "",
        description="Address of the mesh's Prometheus, like PROMETHEUS_URL; empty means the same Prometheus",
    )
    prometheus_timeout: float = Field(60, gt=0, le=600, description="Seconds that one query may take")
    prometheus_concurrency: int = Field(4, ge=1, le=64, description="Queries that run at the same time")
    prometheus_sample_budget: int = Field(
        20_000_000,
        ge=100_000,
        le=1_000_000_000,
        description="Samples that one query may load, approximately; keep it below the server's"
        " --query.max-samples",
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
        "",
        description="CA file for the certificate of Prometheus; empty means the public CAs",
    )
    prometheus_certificate_file: str = Field(
        "", description="File with the client certificate for Prometheus; empty means none"
    )
    prometheus_key_file: str = Field(
        "",
        description="File with the key of PROMETHEUS_CERTIFICATE_FILE; empty means that file itself",
    )
    prometheus_tenant: str = Field(
        "", description="Tenant of Mimir or Cortex, sent as X-Scope-OrgID; empty means none"
    )
    prometheus_sigv4_region: str = Field(
        "",
        description="AWS region of SigV4-signed requests (needs an image built with requirements-aws.lock);"
        " empty means unsigned",
    )
    prometheus_cluster: str = Field(
        "",
        description="Value of PROMETHEUS_CLUSTER_LABEL for this cluster, in a Prometheus of several clusters;"
        ' "" in quotes for series without the label; empty means that the Pods that exist show it',
    )
    prometheus_cluster_label: str = Field(
        "cluster",
        pattern="^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="Label that PROMETHEUS_CLUSTER is a value of",
    )
    connections_prometheus_cluster: str = Field(
        "",
        description="Value of CONNECTIONS_PROMETHEUS_CLUSTER_LABEL for this cluster, if"
        " CONNECTIONS_PROMETHEUS_URL has several clusters, as for PROMETHEUS_CLUSTER",
    )
    connections_prometheus_cluster_label: str = Field(
        "cluster",
        pattern="^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="Label that distinguishes clusters in CONNECTIONS_PROMETHEUS_URL",
    )
    container_metrics_matcher: LabelMatchers = Field(
        "",
        description="Matchers of the kubelets' cAdvisor series, such as"
        ' job="kubelet",metrics_path="/metrics/cadvisor"; empty means series of every scrape job',
    )
    state_metrics_matcher: LabelMatchers = Field(
        "",
        description="Matchers of kube-state-metrics' series, such as"
        ' job="kube-state-metrics",namespace="monitoring"; empty means series of every scrape job',
    )
    service_graph_sampling: float = Field(
        0,
        ge=0,
        le=1,
        description="Share of the requests that are traced, such as 0.02, for connections by service graphs;"
        " 0 means that service graphs don't count",
    )
    network_metric_provider: NetworkProviders = Field(
        (AUTO,),
        description="What counts connections: auto (all that have metrics), none, or some of linkerd, istio,"
        " netobserv, obi, beyla, service-graph and hubble, separated by commas",
    )
    mesh_proxy_namespaces: NamespaceNames = Field(
        ("istio-system",),
        description="Namespaces, separated by commas, with Istio proxies (ztunnels, shared waypoints), agents"
        " or collectors that may report connections of other namespaces, beside the usual ones of each"
        " provider",
    )

    @field_validator("prometheus_url", "connections_prometheus_url")
    @classmethod
    def _check_url(cls, url: str, info: ValidationInfo) -> str:
        url = _bracketed(url.strip())
        if url.lower() == AUTO and info.field_name == "prometheus_url":
            return AUTO
        if not url and info.field_name == "connections_prometheus_url":
            return url
        try:
            parts = urlsplit(url if "://" in url else f"//{url}")
        except ValueError as error:  # a pair of brackets that some versions of Python accept
            raise ValueError(_USE_BRACKETS) from error
        if not _ADDRESS.fullmatch(parts.netloc.rpartition("@")[2]):
            raise ValueError(_USE_BRACKETS)
        has_host = parts.scheme in {"", "http", "https"} and _HOST.fullmatch(parts.hostname or "")
        # `parts.port` raises a ValueError with the reason if the port is not a number from 0 to 65535.
        if not has_host or parts.port == 0 or parts.query or parts.fragment:
            raise ValueError("use a host name, or a URL with http:// or https://, without query or fragment")
        return url

    @field_validator("network_metric_provider")
    @classmethod
    def _check_sampling_is_stated(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Traces without the share of requests that they are of would be taken for all requests."""
        if Provider.SERVICE_GRAPH in Provider.named(",".join(names)) and not info.data.get(
            "service_graph_sampling"
        ):
            raise ValueError(
                "service-graph needs SERVICE_GRAPH_SAMPLING, the share of requests that are traced"
            )
        return names

    @field_validator("prometheus_bearer_token_file", "prometheus_username", "prometheus_sigv4_region")
    @classmethod
    def _check_server_is_named(cls, value: str, info: ValidationInfo) -> str:
        """A credential is sent to no server that merely has the right labels."""
        if value and info.data.get("prometheus_url") == AUTO:
            raise ValueError("needs PROMETHEUS_URL: credentials are sent only to a server that is named")
        return value

    @field_validator("prometheus_password_file")
    @classmethod
    def _check_password_has_username(cls, file: str, info: ValidationInfo) -> str:
        if bool(file) != bool(info.data.get("prometheus_username")):
            raise ValueError("requires PROMETHEUS_USERNAME, and vice versa")
        return file

    @field_validator("prometheus_key_file")
    @classmethod
    def _check_key_has_certificate(cls, file: str, info: ValidationInfo) -> str:
        if file and not info.data.get("prometheus_certificate_file"):
            raise ValueError("requires PROMETHEUS_CERTIFICATE_FILE, which is not set")
        return file

    @field_validator("prometheus_username", "prometheus_sigv4_region")
    @classmethod
    def _check_single_authentication(cls, value: str, info: ValidationInfo) -> str:
        others = ("prometheus_bearer_token_file", "prometheus_username")
        if value and (other := next((name for name in others if info.data.get(name)), None)):
            raise ValueError(f"cannot be combined with {other.upper()}")
        return value

    @field_validator("prometheus_tenant")
    @classmethod
    def _check_tenant_fits_header(cls, tenant: str) -> str:
        if not tenant.isascii() or not tenant.isprintable() or tenant != tenant.strip():
            raise ValueError("must be printable ASCII without spaces around it, because it is an HTTP header")
        return tenant

    @property
    def searches_prometheus(self) -> bool:
        """True if no address is given."""
        return self.prometheus_url == AUTO

    @property
    def prometheus_base_url(self) -> str:
        """The URL before `/api/v1`: PROMETHEUS_URL itself, or a host with PROMETHEUS_PORT; not for auto."""
        return self._base_url(self.prometheus_url)

    @property
    def connections_base_url(self) -> str:
        """The same for the mesh's Prometheus; empty if CONNECTIONS_PROMETHEUS_URL is empty."""
        return self._base_url(self.connections_prometheus_url) if self.connections_prometheus_url else ""

    def _base_url(self, url: str) -> str:
        if "://" in url:
            return url.rstrip("/")
        host, _, path = url.partition("/")
        address = host if urlsplit(f"//{host}").port is not None else f"{host}:{self.prometheus_port}"
        return f"http://{address}/{path}".rstrip("/")


def _bracketed(url: str) -> str:
    """*url*, in brackets if it is a bare IPv6 address: only then is its end not taken for a port."""
    host, slash, path = url.partition("/")
    try:
        return f"[{ipaddress.IPv6Address(host)}]{slash}{path}"
    except ValueError:
        return url
