"""The plain HTTP listener: `/livez`, `/readyz` and `/metrics`."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

# Each check returns the reason why the process is not ready, or None.
Checks = Mapping[str, Callable[[], str | None]]


def create_health(checks: Checks, registry: CollectorRegistry) -> FastAPI:
    """The application: live while its event loop responds, ready when every check passes.

    `/livez` needs no checks. A blocked event loop does not respond, so the kubelet restarts the container;
    a terminated task ends the process (see `supervision`).
    """
    app = FastAPI(title="Kubernetes Job Profiler", docs_url=None, redoc_url=None, openapi_url=None)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        waiting = {name: reason for name, check in checks.items() if (reason := check()) is not None}
        return JSONResponse({"waiting_for": waiting}, status_code=503 if waiting else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/livez", livez)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", metrics)
    return app
