"""The plain HTTP listener: `/livez`, `/readyz` and `/metrics`.

Every Pod may reach it, and it shares the event loop with the webhook: it has few connections, and a small
share of the time.
"""

import time
from collections.abc import Callable, Mapping

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.http_server.open_connections import ConnectionLimits
from app.http_server.protocol import ClientPolicy

# Each check returns the reason why the process is not ready, or None.
Checks = Mapping[str, Callable[[], str | None]]
# Returns the reason of each fault that the process works in spite of, by its subject.
ReadFaults = Callable[[], Mapping[str, str]]

# Kubelets open a connection per probe, a Prometheus keeps one or two.
HEALTH_CLIENTS = ClientPolicy(limits=ConnectionLimits(total=64, per_address=32))
_PAUSE_PER_RENDERING = 9


class MetricsText:
    """The metrics of *registry* as text, rendered in at most a tenth of the time.

    A rendering takes a few milliseconds, and up to a second for a profiler with many workloads. A request
    that follows sooner than nine times as long gets the last text.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.perf_counter) -> None:
        self._registry, self._clock = registry, clock
        self._text = b""
        self._kept_until = float("-inf")

    def read(self) -> bytes:
        """The text; the same object until the next rendering."""
        began = self._clock()
        if began >= self._kept_until:
            self._text = generate_latest(self._registry)
            ended = self._clock()
            self._kept_until = ended + _PAUSE_PER_RENDERING * (ended - began)
        return self._text


def create_health(checks: Checks, registry: CollectorRegistry, read_faults: ReadFaults = dict) -> FastAPI:
    """The application: live while its event loop responds, ready when every check passes.

    `/readyz` also names the faults that cost only a part of the work: they do not change its status.

    `/livez` needs no checks. A blocked event loop does not respond, so the kubelet restarts the container;
    a terminated task ends the process (see `supervision`).
    """
    app = FastAPI(title="Kubernetes Job Profiler", docs_url=None, redoc_url=None, openapi_url=None)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        waiting = {name: reason for name, check in checks.items() if (reason := check()) is not None}
        body: dict[str, object] = {"waiting_for": waiting}
        if faults := read_faults():
            body["faults"] = dict(faults)
        return JSONResponse(body, status_code=503 if waiting else 200)

    text = MetricsText(registry)

    async def metrics(_: Request) -> Response:
        return Response(text.read(), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/livez", livez)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", metrics)
    return app
