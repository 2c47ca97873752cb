"""The API server's responses to lists of Namespaces, by label selector."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.kubernetes.fake_api_server import Answer, listed, refuses

OPTED_OUT = "job-profiler.liqo.io/ignore=true"
LONG_AGO = "2026-01-01T00:00:00Z"


def namespace(name: str, **metadata: Any) -> dict[str, Any]:
    """A Namespace that was created before any test."""
    return {"metadata": {"name": name, "resourceVersion": "7", "creationTimestamp": LONG_AGO, **metadata}}


def matching(names: Mapping[str, str]) -> Answer:
    """A list of the Namespaces (names separated by spaces) that match the request's label selector.

    Another selector is a 400 with the message of the selector's parser.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        selector = request.query["labelSelector"]
        if selector not in names:
            return await refuses(400, f"unable to parse requirement: {selector}")(request)
        return await listed(*map(namespace, names[selector].split()))(request)

    return answer


def by_selector(answers: Mapping[str, Answer]) -> Answer:
    """A response for each label selector."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await answers[request.query["labelSelector"]](request)

    return answer
