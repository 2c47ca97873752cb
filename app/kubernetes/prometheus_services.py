"""Services of Prometheus-compatible servers, recognised by the labels that common installations give them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.untyped import list_in, mapping_in, text_in
from app.errors import ClusterError, ForbiddenError
from app.kubernetes import paths
from app.kubernetes.list_options import ListOptions

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient

_HTTP_PORTS = ("http-web", "web", "http", "http-metrics", "http-query", "admin-http")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PrometheusService:
    """The port of a Service that answers queries, and the path before `/api/v1`."""

    namespace: str
    name: str
    port: int
    scheme: str = "http"
    path: str = ""

    @property
    def url(self) -> str:
        """The URL inside of the cluster."""
        return f"{self.scheme}://{self.name}.{self.namespace}.svc:{self.port}{self.path}"

    @property
    def port_forward(self) -> str:
        """The command that makes it reachable from outside."""
        return f"kubectl port-forward -n {self.namespace} svc/{self.name} 9090:{self.port}"

    @property
    def forwarded_url(self) -> str:
        """The URL of the forwarded port."""
        return f"{self.scheme}://localhost:9090{self.path}"


@dataclass(frozen=True, slots=True)
class _Product:
    """Sets of labels, any of which a Service has, its ports in the order of preference, and the path."""

    labels: Sequence[Mapping[str, str]]
    ports: Sequence[int]
    path: str = ""


# In the order in which they are tried within a namespace: a Prometheus knows least of other clusters.
_PRODUCTS = (
    _Product(
        (
            {"app": "kube-prometheus-stack-prometheus"},
            {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/component": "prometheus"},
            {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/component": "server"},
            {"app": "prometheus", "component": "server"},
            {"app": "prometheus-server"},
            {"app": "prometheus-operator-prometheus"},
            {"app": "rancher-monitoring-prometheus"},
            {"app": "prometheus-prometheus"},
            {"component": "prometheus", "linkerd.io/extension": "viz"},
        ),
        (9090, 80),
    ),
    _Product(
        (
            {"app.kubernetes.io/name": "thanos", "app.kubernetes.io/component": "query-frontend"},
            {"app.kubernetes.io/name": "thanos", "app.kubernetes.io/component": "query"},
            {"app.kubernetes.io/name": "thanos-query"},
            {"app": "thanos-query"},
            {"app": "thanos-querier"},
        ),
        (9090, 10902),
    ),
    _Product(
        (
            {"app.kubernetes.io/name": "vmsingle"},
            {"app.kubernetes.io/name": "victoria-metrics-single"},
        ),
        (8428, 8429),
    ),
    _Product(
        ({"app.kubernetes.io/name": "vmselect"}, {"app": "vmselect"}), (8481,), path="/select/0/prometheus"
    ),
    _Product(
        (
            {"app.kubernetes.io/name": "mimir", "app.kubernetes.io/component": "query-frontend"},
            {"app.kubernetes.io/name": "mimir", "app.kubernetes.io/component": "gateway"},
        ),
        (8080, 80),
        path="/prometheus",
    ),
)


@dataclass(frozen=True, slots=True)
class ListedServices:
    """The servers that were found, in the order to try them, and why a namespace could not be searched."""

    services: Sequence[PrometheusService] = ()
    refusals: Mapping[str, ClusterError] = field(default_factory=dict)


async def list_everywhere(client: "ClusterClient") -> ListedServices:
    """The servers of all namespaces; raises ForbiddenError if the user may not list all Services."""
    services = await _services(client, None)
    return ListedServices(in_order(services))


async def list_in_namespaces(client: "ClusterClient", namespaces: Iterable[str]) -> ListedServices:
    """The servers of *namespaces*, in their order; one that may not be read is left out, with the reason."""
    found: list[PrometheusService] = []
    refusals: dict[str, ClusterError] = {}
    for namespace in dict.fromkeys(namespaces):
        try:
            found += in_order(await _services(client, namespace))
        except ForbiddenError as error:
            refusals[namespace] = error
    return ListedServices(found, refusals)


async def _services(client: "ClusterClient", namespace: str | None) -> Sequence[Mapping[str, Any]]:
    return (await client.list_all(ListOptions(paths.services(namespace)))).items


def in_order(services: Iterable[Mapping[str, Any]]) -> list[PrometheusService]:
    """The servers among *services*: by product, then by namespace and name."""
    ranked = [(rank, service) for each in services for rank, service in _recognised(each)]
    ranked.sort(key=lambda pair: (pair[0], pair[1].namespace, pair[1].name))
    return [service for _, service in ranked]


def _recognised(service: Mapping[str, Any]) -> Iterator[tuple[int, PrometheusService]]:
    """The server of a Service, with the rank of its product; none if it is not one of a known product."""
    metadata, spec = mapping_in(service.get("metadata")), mapping_in(service.get("spec"))
    labels = mapping_in(metadata.get("labels"))
    namespace, name = text_in(metadata.get("namespace")), text_in(metadata.get("name"))
    # An ExternalName is a name outside of the namespace, and perhaps of the cluster.
    if spec.get("type") == "ExternalName" or not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name)):
        return
    for rank, product in enumerate(_PRODUCTS):
        if any(wanted.items() <= labels.items() for wanted in product.labels):
            if port := _port(list_in(spec.get("ports")), product.ports):
                number, scheme = port
                yield rank, PrometheusService(namespace, name, number, scheme, product.path)
            return


def _port(ports: Sequence[object], preferred: Sequence[int]) -> tuple[int, str] | None:
    """The number and scheme of the port that answers queries: by number, then by name, then the only one."""
    tcp = [port for port in map(mapping_in, ports) if port.get("protocol", "TCP") == "TCP"]
    by_number = [port for number in preferred for port in tcp if port.get("port") == number]
    by_name = [port for name in _HTTP_PORTS for port in tcp if port.get("name") == name]
    for port in [*by_number, *by_name, *(tcp if len(tcp) == 1 else [])]:
        number = port.get("port")
        if isinstance(number, int) and 0 < number < 65536:
            is_tls = port.get("appProtocol") == "https" or text_in(port.get("name")).startswith("https")
            return number, "https" if is_tls else "http"
    return None
