"""What an API server answers on Namespaces, by the selectors of the question."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.kubernetes.fake_api_server import Answer, listed, refuses

OPTED_OUT = "job-profiler.liqo.io/ignore=true"
LONG_AGO = "2026-01-01T00:00:00Z"


def namespace(name: str, **metadata: Any) -> dict[str, Any]:
    """A Namespace that is older than anything that tests do."""
    return {"metadata": {"name": name, "resourceVersion": "7", "creationTimestamp": LONG_AGO, **metadata}}


def matching(names: Mapping[str, str]) -> Answer:
    """A list of the Namespaces that are named (`a b`) for the question's label selector.

    Any other selector is answered as one that can't be read: 400, with the parser's own words.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        selector = request.query["labelSelector"]
        if selector not in names:
            return await refuses(400, f"unable to parse requirement: {selector}")(request)
        return await listed(*map(namespace, names[selector].split()))(request)

    return answer


def by_selector(answers: Mapping[str, Answer]) -> Answer:
    """To each label selector its own answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await answers[request.query["labelSelector"]](request)

    return answer
