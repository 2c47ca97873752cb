"""The FastAPI application of the webhook: one route, and no framework work on the admission path."""

from fastapi import FastAPI
from starlette.routing import Route

from app.webhook.mutation import PodMutator


def create_webhook(mutator: PodMutator) -> FastAPI:
    """The application that serves `POST /mutate`."""
    app = FastAPI(title="Kubernetes Job Profiler", docs_url=None, redoc_url=None, openapi_url=None)
    # A plain ASGI route: no body model, no dependency injection.
    app.router.routes.append(Route("/mutate", mutator, methods=["POST"]))
    return app
