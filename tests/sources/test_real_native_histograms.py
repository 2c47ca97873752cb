"""Istio's histograms in a real Prometheus that converts classic ones to native ones while it scrapes.

The target exposes times of its own: each scrape has the values of 30 seconds later than the one before, so
that the scrapes of a quarter of an hour take a few seconds.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time

import numpy as np
import pytest

from app.history.samples import ConnectionSamples, StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.loopback_http import request_json
from tests.cluster.processes import free_ports
from tests.cluster.prometheus import Prometheus
from tests.cluster.versions import require_prometheus
from tests.cluster.waiting import wait_until
from tests.histories.meshes import istio_edge
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

SCRAPES, APART_SECONDS = 32, 30
EDGE = istio_edge("source", ("shop", "web"), ("shop", "db"), request_protocol="http", response_flags="-")


class Sidecar:
    """A target: 2 requests a second, with bodies of 150 and responses of 200 bytes."""

    def __init__(self) -> None:
        self.begin = int(time()) // 300 * 300 - SCRAPES * APART_SECONDS
        self.scraped = 0

    @property
    def last_step(self) -> int:
        """The last step that is full of scrapes."""
        return (self.begin + (SCRAPES - 1) * APART_SECONDS) // 300

    def page(self) -> str:
        """The values of the next scrape; those of the last one stay."""
        self.scraped = min(self.scraped + 1, SCRAPES)
        seconds = (self.scraped - 1) * APART_SECONDS
        count, moment = 1000 + 2 * seconds, (self.begin + seconds) * 1000
        labels = ",".join(f'{name}="{value}"' for name, value in EDGE.items())
        lines = ["# TYPE istio_requests_total counter", f"istio_requests_total{{{labels}}} {count} {moment}"]
        for metric, size in ("istio_request_bytes", 150), ("istio_response_bytes", 200):
            lines.append(f"# TYPE {metric} histogram")
            for bound, inside in ("100", 0), ("1000", count), ("+Inf", count):
                lines.append(f'{metric}_bucket{{{labels},le="{bound}"}} {inside} {moment}')
            lines += [f"{metric}_sum{{{labels}}} {size * count} {moment}"]
            lines += [f"{metric}_count{{{labels}}} {count} {moment}"]
        return "\n".join([*lines, ""])


@contextmanager
def served(sidecar: Sidecar) -> Iterator[int]:
    """The port at which the target is scraped."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = sidecar.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Writes no log."""

    [port] = free_ports(1)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()


def _configuration(jobs: Mapping[str, tuple[int, Mapping[str, str]]]) -> str:
    """A scrape job for each Pod, with the port of its target and further settings."""
    lines = ["scrape_configs:"]
    for pod, (port, settings) in jobs.items():
        labels = f"{{namespace: shop, pod: {pod}}}"
        lines += [
            f"- job_name: {pod}",
            "  scrape_interval: 250ms",
            "  scrape_timeout: 250ms",
            f"  static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {labels}}}]",
            *(f"  {name}: {value}" for name, value in settings.items()),
        ]
    return "\n".join([*lines, ""])


async def samples_of(directory: Path, **pods: Mapping[str, str]) -> tuple[ConnectionSamples, set[str]]:
    """The samples of two full steps, and the names of the metrics; each Pod has the settings of its job."""
    sidecars = {pod: Sidecar() for pod in pods}
    configuration = directory / "prometheus.yaml"
    with ExitStack() as stack:
        jobs = {pod: (stack.enter_context(served(sidecars[pod])), pods[pod]) for pod in pods}
        configuration.write_text(_configuration(jobs))
        flags = ("--enable-feature=native-histograms",)
        server = stack.enter_context(
            Prometheus(directory / "server", configuration=configuration, flags=flags)
        )
        wait_until(lambda: all(one.scraped == SCRAPES for one in sidecars.values()), 60, "all scrapes")
        names = set(request_json(f"{server.url}/api/v1/label/__name__/values")["data"])
        last_step = next(iter(sidecars.values())).last_step
        async with PrometheusSource(server.url, scope=Scope(), network_providers=("istio",)) as source:
            return await only(source.connection_samples(StepRange(last_step - 1, last_step))), names


CONVERTED = {"convert_classic_histograms_to_nhcb": "true"}
BOTH_KEPT = CONVERTED | {"always_scrape_classic_histograms": "true"}


async def test_converted_histograms_have_their_bytes(tmp_path: Path) -> None:
    """`istio_request_bytes_sum` is gone; the native histogram has 2 * 150 and 2 * 200 bytes a second."""
    require_prometheus(3, "converted histograms")

    samples, names = await samples_of(tmp_path, web=CONVERTED)

    assert {"istio_request_bytes", "istio_request_bytes_sum"} & names == {"istio_request_bytes"}
    _assert_rates(samples, 1)


async def test_some_proxies_have_converted_histograms(tmp_path: Path) -> None:
    """Three Pods, each scraped in its own way: converted, not converted, and kept in both forms.

    Each has 2 requests, 300 and 400 bytes a second, and counts once.
    """
    require_prometheus(3, "converted histograms")

    samples, _ = await samples_of(tmp_path, new=CONVERTED, old={}, both=BOTH_KEPT)

    _assert_rates(samples, 3)


def _assert_rates(samples: ConnectionSamples, pods: int) -> None:
    assert samples.request_bytes is not None
    assert samples.response_bytes is not None
    for rates, of_pod in (
        (samples.requests, 2.0),
        (samples.request_bytes, 300.0),
        (samples.response_bytes, 400.0),
    ):
        np.testing.assert_allclose(rates, np.full((1, 2), of_pod * pods))
    assert samples.unseen == ""
