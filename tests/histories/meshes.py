"""Metrics of service meshes in the label schema of each: constant rates, scraped every 30 seconds.

Linkerd, as linkerd-viz scrapes it: `namespace`, `pod`, the kind and every label of the Pod become labels of
all series of its proxy; `dst_*` labels describe the destination. Istio: `source_*` and `destination_*`
labels without kinds; the sidecars of client and server both report each request, or a waypoint does.
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
    """A series that grows by *per_second*."""

    metric: str
    labels: Mapping[str, str]
    per_second: float

    def series(self, times: NDArray[np.int64]) -> Series:
        """The series from 1000 on: the proxy is older than the history."""
        return Series(self.labels, times, 1000 + self.per_second * (times - times[0]))


def write_counters(
    path: Path, counters: Iterable[Counter], up: Iterable[Mapping[str, str]], *, end: int, seconds: int
) -> None:
    """Writes the OpenMetrics file; the parts of a histogram are gauges, which `rate` accepts as well."""
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
    """A meshed Pod; *own* are the Pod's labels, which override those of its kind."""

    namespace: str
    pod: str
    kind: Mapping[str, str]
    own: Mapping[str, str]
    address: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all series of its proxy after relabelling."""
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
    """The counters of one Pod for one address behind a Service, and inbound ones, which must not count."""
    target = {"target_addr": f"{address}:8080", "target_ip": address, "target_port": "8080", "tls": "true"}
    outbound = {"direction": "outbound", **target, **destination, **source.labels}
    yield Counter("request_total", outbound, requests)
    for classification, per_second in responses.items():
        labels = {"classification": classification, "status_code": "200", "grpc_status": ""}
        yield Counter("response_total", outbound | labels, per_second)
    yield Counter("tcp_write_bytes_total", outbound | {"peer": "dst"}, written)
    yield Counter("tcp_read_bytes_total", outbound | {"peer": "dst"}, read)
    # Inbound requests of the same proxy, and its connections to its own application.
    inbound = {"direction": "inbound", **target, "srv_kind": "default", **source.labels}
    yield Counter("request_total", inbound, 100.0)
    yield Counter("tcp_write_bytes_total", inbound | {"peer": "src"}, 1e6)
    yield Counter("tcp_write_bytes_total", {**inbound, "direction": "outbound", "peer": "src"}, 1e6)


def linkerd_destination(namespace: str, kind: Mapping[str, str], pod: str) -> dict[str, str]:
    """The `dst_*` labels of one destination Pod."""
    labels = {"namespace": namespace, **kind, "pod": pod, "control_plane_ns": "linkerd"}
    labels |= {"serviceaccount": "default", "zone": "", "zone_locality": "unknown"}
    return {f"dst_{label}": value for label, value in labels.items()}


def istio_edge(
    reporter: str, source: tuple[str, str], destination: tuple[str, str], **scraped: str
) -> dict[str, str]:
    """The labels of one edge; *scraped* are the labels of the reporting proxy."""
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
    """HTTP counters: requests per second by status code, and bytes per second of requests and responses."""
    http = {**labels, "request_protocol": "http", "response_flags": "-"}
    for code, per_second in codes.items():
        yield Counter("istio_requests_total", http | {"response_code": code}, per_second)
    for metric, per_second in zip(
        ("istio_request_bytes_sum", "istio_response_bytes_sum"), sizes, strict=True
    ):
        yield Counter(metric, http | {"response_code": "200"}, per_second)


def istio_tcp(labels: Mapping[str, str], received: float, sent: float) -> Iterator[Counter]:
    """TCP counters: bytes per second that the server received and sent."""
    tcp = {**labels, "request_protocol": "tcp", "response_flags": "-"}
    yield Counter("istio_tcp_received_bytes_total", tcp, received)
    yield Counter("istio_tcp_sent_bytes_total", tcp, sent)
