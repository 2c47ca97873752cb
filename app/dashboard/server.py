"""The server of the pages: loopback only, GET and HEAD only, with a token in each address."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from app.dashboard import pages
from app.dashboard.charting import DrawCurve, charts_of, containers_of
from app.dashboard.connections import MOST_EDGES, edge_rows
from app.dashboard.facts import Facts, with_faults
from app.dashboard.links import ServedLinks
from app.dashboard.namespaces import namespace_page, namespace_rows
from app.dashboard.overview import overview
from app.dashboard.protection import HEADERS, is_own_host, is_token
from app.dashboard.readings import Readings
from app.dashboard.rows import workload_rows
from app.dashboard.workload import find_workload, workload_page
from app.http_server.open_connections import ConnectionLimits
from app.http_server.protocol import ClientPolicy

View = Callable[[str], Awaitable[Response]]

ADDRESS = "127.0.0.1"
# A browser opens six connections; there may be several windows.
CLIENTS = ClientPolicy(limits=ConnectionLimits(total=64, per_address=64))
_WRONG_HOST = "This server answers to 127.0.0.1 and localhost only."
_WRONG_ADDRESS = "This address has no valid token: open the one that the command printed."
_WRONG_METHOD = "This server only shows: it accepts GET and HEAD."


class Served(NamedTuple):
    """The address of a running server, and the task that terminates if it fails."""

    url: str
    failed: asyncio.Task[None]


class Dashboard:
    """The ASGI application; *port* is known once the server has started."""

    def __init__(self, readings: Readings, token: str, draw: DrawCurve) -> None:
        self._readings, self._token, self._draw = readings, token, draw
        self.port = 0
        # The longest page, and the facts in it: of two requests, the second one need not write it again.
        self._written: tuple[Facts, bytes] | None = None
        self._views: dict[str, View] = {
            "": self._overview,
            "workloads": self._workloads,
            "workload": self._workload,
            "connections": self._connections,
            "namespaces": self._namespaces,
            "namespace": self._namespace,
        }

    @property
    def path(self) -> str:
        """The path of the first page."""
        return f"/{self._token}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            response = await self._respond(scope)
            response.headers.update(HEADERS)
            await response(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        """The checks come first: a request that fails one learns nothing, not even which pages exist."""
        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        if refusal := self._refusal(scope, token):
            return refusal
        if not slash:
            return RedirectResponse(self.path, HTTPStatus.PERMANENT_REDIRECT)
        name = rest.removeprefix("static/")
        if name != rest and name in pages.STATIC:
            return Response(pages.static(name), headers={"Content-Type": pages.STATIC[name]})
        view = self._views.get(rest)
        if view is None:
            return _problem("No such page", "The menu has all pages.", ServedLinks(self.path))
        return await view(scope["query_string"].decode("latin-1"))

    def _refusal(self, scope: Scope, token: str) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not is_own_host(hosts, self.port):
            return _text(_WRONG_HOST, HTTPStatus.MISDIRECTED_REQUEST)
        if scope["method"] not in {"GET", "HEAD"}:
            return _text(_WRONG_METHOD, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        if not is_token(token, self._token):
            return _text(_WRONG_ADDRESS, HTTPStatus.FORBIDDEN)
        return None

    async def _overview(self, _query: str) -> Response:
        facts = await self._readings.facts(health=True)
        links = self._links(facts)
        return await _page(
            "overview.html", "overview", facts, links, lambda: {"page": overview(facts, links)}
        )

    async def _workloads(self, _query: str) -> Response:
        facts = await self._readings.facts()
        if self._written is None or not is_same(facts, self._written[0]):
            links = self._links(facts)
            response = await _page(
                "workloads.html", "workloads", facts, links, lambda: {"rows": workload_rows(facts, links)}
            )
            self._written = facts, bytes(response.body)
        return Response(self._written[1], media_type="text/html")

    async def _connections(self, _query: str) -> Response:
        facts = await self._readings.facts(edges=True, usage=False)
        links = self._links(facts)
        edges = facts.edges.edges if facts.edges else ()
        return await _page(
            "connections.html",
            "connections",
            facts,
            links,
            lambda: {"rows": edge_rows(edges[:MOST_EDGES], links), "total": len(edges)},
        )

    async def _namespaces(self, _query: str) -> Response:
        facts = await self._readings.facts(usage=False)
        links = self._links(facts)
        return await _page(
            "namespaces.html", "namespaces", facts, links, lambda: {"rows": namespace_rows(facts, links)}
        )

    async def _namespace(self, query: str) -> Response:
        facts = await self._readings.facts(edges=True)
        links = self._links(facts)
        name = _value(query, "name")
        page = await run_in_threadpool(namespace_page, facts, links, name)
        if facts.needs and facts.edges and not page.workloads and not page.edges:
            message = f"No workload of {name or 'a namespace without a name'} has a profile or a connection."
            return _problem("No such namespace", message, links)
        return await _page("namespace.html", "namespaces", facts, links, lambda: {"page": page})

    async def _workload(self, query: str) -> Response:
        facts = await self._readings.facts(edges=True)
        links = self._links(facts)
        needs = facts.needs
        named = (_value(query, "namespace"), _value(query, "name"), _value(query, "kind"))
        if needs is None:
            message = " ".join(f"{fault.subject}: {fault.reason} {fault.remedy}" for fault in facts.faults)
            return _problem("Profiles can't be read", message, links, HTTPStatus.SERVICE_UNAVAILABLE)
        workload = find_workload(needs, *named)
        if workload is None:
            message = f"{named[0]}/{named[1]} has no profile: job-profiler status has the reason."
            return _problem("No such workload", message, links)
        page = workload_page(facts, needs, links, workload)
        curves, patch = await asyncio.gather(
            self._readings.curves(workload, containers_of(needs, workload)),
            self._readings.patch(workload, needs.profiles.get(workload, {})),
        )
        faults = [curves.fault] if curves.fault else []
        charts = await run_in_threadpool(charts_of, page, needs, curves.value, curves.fault, self._draw)
        return await _page(
            "workload.html",
            "workloads",
            with_faults(facts, faults),
            links,
            lambda: {"page": page, "charts": charts, "patch": patch.value, "patch_fault": patch.fault},
        )

    def _links(self, facts: Facts) -> ServedLinks:
        return ServedLinks(self.path, facts.needs.figures.keys() if facts.needs else ())


def is_same(facts: Facts, others: Facts) -> bool:
    """True if a list of workloads looks the same; what was read once is compared by identity."""
    return (
        facts.needs is others.needs
        and facts.usage is others.usage
        and facts.usage_is_awaited == others.usage_is_awaited
        and facts.faults == others.faults
    )


async def _page(
    template: str,
    view: str,
    facts: Facts,
    links: ServedLinks,
    values: Callable[[], dict[str, object]],
) -> Response:
    """The page, written in a thread: a list of thousands of rows takes a part of a second."""
    html = await run_in_threadpool(lambda: pages.page(template, view, facts, links, **values()))
    return Response(html, media_type="text/html")


def _problem(
    title: str, message: str, links: ServedLinks, status: HTTPStatus = HTTPStatus.NOT_FOUND
) -> Response:
    return Response(pages.problem(title, message, links), status, media_type="text/html")


def _text(message: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return Response(f"{message}\n", status, headers, media_type="text/plain")


def _value(query: str, name: str) -> str:
    """The first value of *name* in a query; empty without one, or with more fields than any page has."""
    try:
        return parse_qs(query, errors="replace", max_num_fields=20).get(name, [""])[0]
    except ValueError:
        return ""
