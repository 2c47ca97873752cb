"""Pages of metrics for a Prometheus that scrapes, as Pods and kubelets expose them."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from tests.cluster.loopback_http import request
from tests.cluster.processes import free_ports
from tests.cluster.waiting import wait_until

Page = Callable[[float], str]


def line(metric: str, labels: Mapping[str, str], value: float) -> str:
    """One sample in the text format."""
    pairs = ",".join(f'{name}="{text}"' for name, text in labels.items())
    return f"{metric}{{{pairs}}} {value}\n"


class ExposedMetrics:
    """A context manager that serves each page at its path, as of the seconds since its start."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        began = time.monotonic()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = pages[self.path](time.monotonic() - began).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(BrokenPipeError):  # the scrape has timed out
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Writes no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def job(
        self, name: str, path: str, *, honor_labels: bool = False, seconds: float = 1, **labels: str
    ) -> dict[str, Any]:
        """The scrape job of one page; *labels* are those that service discovery would set."""
        return {
            "job_name": name,
            "honor_labels": honor_labels,
            "scrape_interval": f"{int(seconds * 1000)}ms",
            "scrape_timeout": f"{int(seconds * 1000)}ms",
            "metrics_path": path,
            "static_configs": [{"targets": [self.address], "labels": labels}],
        }


def write_configuration(path: Path, *jobs: Mapping[str, Any]) -> Path:
    """The configuration file of a Prometheus with these scrape jobs; JSON is YAML."""
    path.write_text(json.dumps({"scrape_configs": list(jobs)}))
    return path


def wait_for_scrapes(prometheus_url: str, *, targets: int, scrapes: int, within_seconds: float) -> None:
    """Waits until each of so many targets was scraped so many times with success."""
    wait_until(
        lambda: are_scraped(prometheus_url, targets=targets, scrapes=scrapes, seconds=600),
        within_seconds,
        f"{scrapes} scrapes of {targets} targets",
    )


def are_scraped(prometheus_url: str, *, targets: int, scrapes: int, seconds: int) -> bool:
    """True if each of so many targets was scraped so many times with success in the last *seconds*."""
    query = quote(f"count(sum_over_time(up[{seconds}s]) >= {scrapes})")
    answer = json.loads(request(f"{prometheus_url}/api/v1/query?query={query}"))
    return any(result["value"][1] == str(targets) for result in answer["data"]["result"])
