"""The plain HTTP listener: `/livez`, `/readyz` and `/metrics`."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

# Each check gives the reason why the process is not ready, or None.
Checks = Mapping[str, Callable[[], str | None]]


def create_health(checks: Checks, registry: CollectorRegistry) -> FastAPI:
    """The application; it is alive as long as its event loop answers, ready when every check passes.

    Nothing more has to be asked for `/livez`. A loop that is blocked answers no probe, so that the kubelet
    restarts the process; and no dead task hides behind a loop that turns, for it ends the process: see
    `supervision`.
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
