"""Series of Istio's sidecars and tunnels with the labels of different scrapers."""

from tests.histories.meshes import istio_edge
from tests.histories.proxies import Labels, ProxyHistory

POD = "web-6b6f9d7d5c-2x8qz"
# The ports of Envoy itself and of the agent that merges its metrics, each with a PodMonitor.
ENVOY = {
    "job": "istio-system/envoy-stats-monitor",
    "instance": "10.42.0.21:15090",
    "endpoint": "http-envoy-prom",
}
AGENT = {"job": "istio-system/istio-agent", "instance": "10.42.0.21:15020", "endpoint": "http-monitoring"}
HTTP = {"request_protocol": "http", "response_code": "200", "response_flags": "-"}
GRPC = {
    "request_protocol": "grpc",
    "response_code": "200",
    "response_flags": "-",
    "grpc_response_status": "0",
}
TCP = {"request_protocol": "tcp", "response_flags": "-"}


def sidecar(namespace: str, scraper: Labels = ENVOY, pod: str = POD) -> dict[str, str]:
    """The labels that scraping gives to all series of a sidecar."""
    return {"namespace": namespace, "pod": pod, "container": "istio-proxy", **scraper}


def call(source: Labels, destination: str = "db", reporter: str = "source", **labels: str) -> dict[str, str]:
    """The labels of an edge from `web` within the namespace of its proxy, or of the one in *labels*."""
    namespace = labels.pop("in_namespace", source["namespace"])
    return {**istio_edge(reporter, (namespace, "web"), (namespace, destination), **source), **labels}


def count_bytes(history: ProxyHistory, edge: Labels, received: float, sent: float) -> None:
    history.count("istio_tcp_received_bytes_total", {**edge, **TCP}, received)
    history.count("istio_tcp_sent_bytes_total", {**edge, **TCP}, sent)
