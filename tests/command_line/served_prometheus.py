"""The scripted Prometheus behind a handler of the fake API server."""

import httpx
from aiohttp import web

from tests.kubernetes.fake_api_server import Answer
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus


def serves(prometheus: EmojivotoPrometheus) -> Answer:
    """A handler that forwards requests to the scripted Prometheus."""

    async def answer(request: web.Request) -> web.Response:
        content = await request.read() or request.query_string.encode()
        forwarded = httpx.Request("POST", str(request.url), content=content)
        response = await httpx.AsyncClient(transport=prometheus.transport).send(forwarded)
        return web.Response(body=response.content, status=response.status_code)

    return answer
