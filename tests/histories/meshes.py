"""What meshes tell, in the label schema of each: rates are constant, scraped every 30 seconds.

Linkerd, as linkerd-viz scrapes it: `namespace`, `pod`, the kind and every label of the Pod itself become
labels of all that is scraped from its proxy; `dst_*` tell the destination. Istio: `source_*` and
`destination_*` without kinds, each request reported by the client's and by the server's sidecar, or by a
waypoint.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.histories.openmetrics import Family, Series, write_openmetrics

SCRAPE_SECONDS = 30


@dataclass(frozen=True)
class Counter:
    """One series that grows by *per_second*."""

    metric: str
    labels: Mapping[str, str]
    per_second: float

    def series(self, times: NDArray[np.int64]) -> Series:
        """From 1000 on: the proxy is older than the history."""
        return Series(self.labels, times, 1000 + self.per_second * (times - times[0]))


def write_counters(
    path: Path, counters: Iterable[Counter], up: Iterable[Mapping[str, str]], *, end: int, seconds: int
) -> None:
    """The OpenMetrics file; a part of a histogram stands there as a gauge, which `rate` takes as well."""
    times = np.arange(end - seconds, end + 1, SCRAPE_SECONDS, dtype=np.int64)
    metrics: dict[str, list[Series]] = {}
    for counter in counters:
        metrics.setdefault(counter.metric, []).append(counter.series(times))
    families = [
        Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
        for metric, series in metrics.items()
    ]
    scrapes = tuple(Series(labels, times, np.ones(len(times))) for labels in up)
    write_openmetrics(path, [*families, Family("up", "gauge", scrapes)])


@dataclass(frozen=True)
class LinkerdPod:
    """A meshed Pod; *own* are the Pod's own labels, which win over those of its kind."""

    namespace: str
    pod: str
    kind: Mapping[str, str]
    own: Mapping[str, str]
    address: str

    @property
    def labels(self) -> dict[str, str]:
        """As relabelling leaves them."""
        scraped = {"namespace": self.namespace, "pod": self.pod, **self.kind, "control_plane_ns": "linkerd"}
        scraped |= {"workload_ns": self.namespace, "instance": f"{self.address}:4191", "job": "linkerd-proxy"}
        return {**scraped, **self.own}


def linkerd_edge(
    source: LinkerdPod,
    destination: Mapping[str, str],
    address: str,
    *,
    requests: float,
    responses: Mapping[str, float],
    written: float,
    read: float,
) -> Iterator[Counter]:
    """The counters of one Pod for one address behind a Service, and the inbound ones that must not count."""
    target = {"target_addr": f"{address}:8080", "target_ip": address, "target_port": "8080", "tls": "true"}
    outbound = {"direction": "outbound", **target, **destination, **source.labels}
    yield Counter("request_total", outbound, requests)
    for classification, per_second in responses.items():
        labels = {"classification": classification, "status_code": "200", "grpc_status": ""}
        yield Counter("response_total", outbound | labels, per_second)
    yield Counter("tcp_write_bytes_total", outbound | {"peer": "dst"}, written)
    yield Counter("tcp_read_bytes_total", outbound | {"peer": "dst"}, read)
    # What the same proxy serves, and its side towards its own application.
    inbound = {"direction": "inbound", **target, "srv_kind": "default", **source.labels}
    yield Counter("request_total", inbound, 100.0)
    yield Counter("tcp_write_bytes_total", inbound | {"peer": "src"}, 1e6)
    yield Counter("tcp_write_bytes_total", {**inbound, "direction": "outbound", "peer": "src"}, 1e6)


def linkerd_destination(namespace: str, kind: Mapping[str, str], pod: str) -> dict[str, str]:
    """The `dst_*` labels of one Pod."""
    told = {"namespace": namespace, **kind, "pod": pod, "control_plane_ns": "linkerd"}
    told |= {"serviceaccount": "default", "zone": "", "zone_locality": "unknown"}
    return {f"dst_{label}": value for label, value in told.items()}


def istio_edge(
    reporter: str, source: tuple[str, str], destination: tuple[str, str], **scraped: str
) -> dict[str, str]:
    """The labels of one edge; *scraped* are those of the proxy that reports."""
    ends: dict[str, str] = {}
    for end, (namespace, name) in {"source": source, "destination": destination}.items():
        ends |= {
            f"{end}_workload_namespace": namespace,
            f"{end}_workload": name,
            f"{end}_app": name,
            f"{end}_canonical_service": name,
            f"{end}_cluster": "Kubernetes",
        }
    service = {"destination_service_name": destination[1], "destination_service_namespace": destination[0]}
    return {"reporter": reporter, **ends, **service, "connection_security_policy": "unknown", **scraped}


def istio_http(
    labels: Mapping[str, str], codes: Mapping[str, float], sizes: tuple[float, float]
) -> Iterator[Counter]:
    """Requests per second by status, and the bytes per second of requests and of responses."""
    http = {**labels, "request_protocol": "http", "response_flags": "-"}
    for code, per_second in codes.items():
        yield Counter("istio_requests_total", http | {"response_code": code}, per_second)
    for metric, per_second in zip(
        ("istio_request_bytes_sum", "istio_response_bytes_sum"), sizes, strict=True
    ):
        yield Counter(metric, http | {"response_code": "200"}, per_second)


def istio_tcp(labels: Mapping[str, str], received: float, sent: float) -> Iterator[Counter]:
    """Bytes per second that the server received and sent."""
    tcp = {**labels, "request_protocol": "tcp", "response_flags": "-"}
    yield Counter("istio_tcp_received_bytes_total", tcp, received)
    yield Counter("istio_tcp_sent_bytes_total", tcp, sent)
