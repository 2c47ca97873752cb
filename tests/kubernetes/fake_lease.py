"""A Lease on the fake API server, with the conflicts of a real one and faults on demand."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from app.kubernetes import paths
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses

NAMESPACE, NAME = "profiling", "job-profiler"
PATH = paths.lease(NAMESPACE, NAME)


class FakeLease:
    """One Lease as the chart renders it: without a spec until a client writes one.

    A predicate of an identity selects the writes that hang, fail, or are stored without a response.
    """

    def __init__(self, server: FakeApiServer) -> None:
        self.manifest: dict[str, Any] = {"metadata": {"name": NAME, "resourceVersion": "1"}}
        self.history: list[dict[str, Any]] = []
        self.hangs_for: Callable[[str], bool] = lambda _: False
        self.fails_for: Callable[[str], bool] = lambda _: False
        self.loses_answers_for: Callable[[str], bool] = lambda _: False
        self._server = server
        server.on("GET", PATH, self._get)
        server.on("PUT", PATH, self._put)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that was written last; empty if there is none."""
        spec: dict[str, Any] = self.manifest.get("spec") or {}
        return spec

    @property
    def holder(self) -> str:
        """The identity of the holder; empty if there is none."""
        return str(self.spec.get("holderIdentity") or "")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return await answers(self.manifest)(request)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        written = await request.json()
        identity = written["spec"]["holderIdentity"] or self.holder
        if self.hangs_for(identity):
            await self._server.closing.wait()
        if self.fails_for(identity):
            return await refuses(500, "etcd is ill")(request)
        current = self.manifest["metadata"]["resourceVersion"]
        if written["metadata"]["resourceVersion"] != current:
            return await refuses(409, "the object has been modified")(request)
        metadata = written["metadata"] | {"resourceVersion": str(int(current) + 1)}
        self.manifest = written | {"metadata": metadata}
        self.history.append(self.spec)
        if self.loses_answers_for(identity):
            await self._server.closing.wait()
        return await answers(self.manifest)(request)
