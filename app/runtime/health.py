"""The plain HTTP listener: `/livez`, `/readyz` and `/metrics`."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

# Each check returns the reason why the process is not ready, or None.
Checks = Mapping[str, Callable[[], str | None]]
# Returns the reason of each fault that the process works in spite of, by its subject.
ReadFaults = Callable[[], Mapping[str, str]]


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

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/livez", livez)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", metrics)
    return app
