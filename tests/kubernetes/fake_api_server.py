"""An HTTP server on 127.0.0.1 that responds as an API server, or a proxy in front of one, does.

Each verb and path has a script: one response per request; the last one repeats. `WATCH` is the verb of a GET
with `watch=true`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """A request as the server received it."""

    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class FakeApiServer:
    """A running server, as a context manager; `requests` holds all requests in order."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.url = ""
        self.closing = asyncio.Event()
        self._scripts: dict[tuple[str, str], list[Answer]] = {}
        self._arrival = asyncio.Condition()

    def on(self, verb: str, path: str, *answers: Answer) -> None:
        """Sets the responses to *verb* on *path*."""
        self._scripts[verb, path] = list(answers)

    def has(self, verb: str, path: str) -> bool:
        """True if responses to *verb* on *path* are set."""
        return (verb, path) in self._scripts

    def received(self, verb: str) -> list[Received]:
        """The requests with this verb until now."""
        return [request for request in self.requests if request.verb == verb]

    async def wait_for(self, verb: str, count: int, within_seconds: float = 30) -> None:
        """Waits until *count* requests with this verb were received."""
        async with asyncio.timeout(within_seconds), self._arrival:
            await self._arrival.wait_for(lambda: len(self.received(verb)) >= count)

    def kubeconfig(self, directory: Path, token: str = "fake-token", namespace: str = "") -> str:
        """The path of a kubeconfig for this server; its context has the *namespace*, if any."""
        path = directory / "fake.kubeconfig"
        context = {"cluster": "fake", "user": "fake"} | ({"namespace": namespace} if namespace else {})
        content = {
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": context}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(content))
        return str(path)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Closes the listener, and ends the responses that hang."""
        self.closing.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        verb = "WATCH" if request.query.get("watch") == "true" else request.method
        received = Received(verb, request.path, request.query, request.headers, await request.read())
        self.requests.append(received)
        async with self._arrival:
            self._arrival.notify_all()
        script = self._scripts.get((verb, request.path))
        if not script:
            return await refuses(404, f"{verb} {request.path} is not in the script")(request)
        return await (script.pop(0) if len(script) > 1 else script[0])(request)

    def hangs(self) -> Answer:
        """A request that is never answered, as on a half-open connection."""

        async def answer(_: web.Request) -> web.StreamResponse:
            await self.closing.wait()
            return web.Response()

        return answer

    def streams(self, *lines: object, then_hangs: bool = False) -> Answer:
        """A watch that sends each line (an event as JSON, or raw bytes), and then ends or hangs."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for line in lines:
                await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            if then_hangs:
                await self.closing.wait()
            return response

        return answer


def answers(document: object, status: int = 200) -> Answer:
    """A response with a JSON document."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return answer


def refuses(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """A response with a `Status` object and the HTTP status."""
    document = {"kind": "Status", "status": "Failure", "code": status, "message": message}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status, headers=headers)

    return answer


def sends(body: bytes, status: int = 200, content_type: str = "text/html") -> Answer:
    """A response with any body, as of a proxy or a load balancer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type=content_type)

    return answer


def breaks_off(sent: bytes = b"") -> Answer:
    """A response that begins, and then the connection is dropped."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(sent)
        assert request.transport
        request.transport.abort()
        return response

    return answer


def listed(*items: object, resource_version: str = "10", continuation: str = "") -> Answer:
    """A response with one page of a list."""
    metadata = {"resourceVersion": resource_version} | ({"continue": continuation} if continuation else {})
    return answers({"kind": "List", "metadata": metadata, "items": list(items)})


def event(kind: str, name: str, resource_version: str) -> dict[str, Any]:
    """A line of a watch: an event of the object *name*."""
    return {"type": kind, "object": thing(name, resource_version)}


def bookmark(resource_version: str) -> dict[str, Any]:
    """A line of a watch: a bookmark."""
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": resource_version}}}


def thing(name: str, resource_version: str = "1") -> dict[str, Any]:
    """An object with nothing but a name and a resourceVersion."""
    return {"metadata": {"name": name, "resourceVersion": resource_version}}
