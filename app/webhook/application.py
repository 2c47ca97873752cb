"""The FastAPI application of the webhook: one route, and no framework work on the admission path."""

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from app.webhook.endpoint import PodMutator, Receive, Send

PATH = "/mutate"


class Webhook(FastAPI):
    """Hands `POST /mutate` to its route's endpoint at once; all else goes the framework's way.

    That way (middleware, exit stacks, the search for a route) takes as long as a whole answer of ours.
    """

    def __init__(self, mutator: PodMutator) -> None:
        super().__init__(title="Kubernetes Job Profiler", docs_url=None, redoc_url=None, openapi_url=None)
        self._mutator = mutator
        # A plain ASGI route: no body model, no dependency injection.
        self.router.routes.append(Route(PATH, mutator, methods=["POST"]))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self._mutator(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
