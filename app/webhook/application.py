"""The FastAPI application of the webhook: one route, and no framework work on the admission path."""

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.webhook.endpoint import PodMutator

PATH = "/mutate"
_RAW_PATH = PATH.encode()


class Webhook(FastAPI):
    """Passes `POST /mutate` directly to the endpoint; the framework handles all other requests.

    The framework's middleware, exit stacks and routing take as long as a whole answer of the endpoint.
    """

    def __init__(self, mutator: PodMutator) -> None:
        super().__init__(title="Kubernetes Job Profiler", docs_url=None, redoc_url=None, openapi_url=None)
        self._mutator = mutator
        # A plain ASGI route: no body model, no dependency injection.
        self.router.routes.append(Route(PATH, mutator, methods=["POST"]))

    def may_respond_at_once(self, method: bytes, url: bytes) -> bool:
        """True for a review."""
        return method == b"POST" and url.partition(b"?")[0] == _RAW_PATH

    def respond_at_once(self, client: str, body: bytes) -> tuple[int, bytes] | None:
        """The response to the review in *body*; None if it can't be answered at once."""
        return self._mutator.respond_at_once(client, body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self._mutator(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
