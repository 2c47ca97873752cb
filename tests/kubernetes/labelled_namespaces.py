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

    Without one it has all of them. Another selector is a 400 with the message of the selector's parser.
    """
    every = " ".join(names.values())

    async def answer(request: web.Request) -> web.StreamResponse:
        selector = request.query.get("labelSelector", "")
        matches = names.get(selector, None if selector else every)
        if matches is None:
            return await refuses(400, f"unable to parse requirement: {selector}")(request)
        return await listed(*map(namespace, dict.fromkeys(matches.split())))(request)

    return answer


def by_selector(answers: Mapping[str, Answer]) -> Answer:
    """A response for each label selector; that of a list without one is empty."""

    async def answer(request: web.Request) -> web.StreamResponse:
        selector = request.query.get("labelSelector")
        return await (answers[selector] if selector else listed())(request)

    return answer
