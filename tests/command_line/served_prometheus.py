"""The scripted Prometheus behind handlers of the fake API server."""

import httpx
from aiohttp import web

from tests.kubernetes.fake_api_server import Answer, FakeApiServer
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus


def serve(
    server: FakeApiServer, prometheus: EmojivotoPrometheus, path: str = "", *, verb: str = "POST"
) -> None:
    """Serves queries with *verb* and the names of metrics below *path*."""
    server.on(verb, f"{path}/api/v1/query_range", _forwards_to(prometheus))
    server.on("GET", f"{path}/api/v1/label/__name__/values", _forwards_to(prometheus))


def _forwards_to(prometheus: EmojivotoPrometheus) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        content = await request.read() or request.query_string.encode()
        forwarded = httpx.Request("POST", str(request.url), content=content)
        response = await httpx.AsyncClient(transport=prometheus.transport).send(forwarded)
        return web.Response(body=response.content, status=response.status_code)

    return answer
