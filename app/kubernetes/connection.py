"""One request to the API server: authenticated, limited in time, failing as one of our own errors.

Credentials, TLS and the connection pool are the client library's. Its generated models are not used: they
decode everything several times over, and would leak into every caller.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from app.errors import ClusterError
from app.kubernetes.client_library import ApiClient
from app.kubernetes.credentials import load_configuration
from app.kubernetes.failures import refusal, translated

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long is waited: for a connection, for a whole answer, and for the next word of a watch.

    API servers send a bookmark every 60 s. Old ones (1.20) do not: there a watch in which nothing happens is
    opened anew every 70 s, which is one small request.
    """

    connect_seconds: float = 10
    request_seconds: float = 30
    inactivity_seconds: float = 70


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is asked of the API server."""

    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = JSON
    accept: str = JSON

    def __str__(self) -> str:
        """As error messages name it: without the query, which may be long."""
        return f"{self.verb} {self.path}"


@asynccontextmanager
async def open_connection(kubeconfig: str | None, timeouts: Timeouts) -> AsyncIterator["ApiConnection"]:
    """A pool of connections to the API server; nothing is sent yet.

    Raises:
        ClusterError: there are no credentials that could be used.
    """
    configuration = await load_configuration(kubeconfig)
    # The library's 100 connections would all be taken by the watches of some listed namespaces.
    configuration.connection_pool_maxsize = 0
    try:
        api = ApiClient(configuration)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ClusterError(f"the credentials for {configuration.host} can't be used: {error}") from error
    async with api:
        yield ApiConnection(api, timeouts)


class ApiConnection:
    """Sends requests; the one place that knows the client library's inner ways."""

    def __init__(
        self, api: ApiClient, timeouts: Timeouts, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._api = api
        self._timeouts = timeouts
        self._may_write = may_write

    def only_while(self, may_write: Callable[[], bool]) -> "ApiConnection":
        """The same, which sends nothing that would change anything once *may_write* says no."""
        return ApiConnection(self._api, self._timeouts, may_write)

    async def read(self, request: ApiRequest) -> bytes:
        """The answer's whole body."""
        limits = aiohttp.ClientTimeout(
            total=self._timeouts.request_seconds, sock_connect=self._timeouts.connect_seconds
        )
        response = await self._send(request, limits)
        with translated(str(request)):
            async with response:
                return await response.read()

    async def stream(self, request: ApiRequest) -> aiohttp.ClientResponse:
        """An answer that has begun and goes on for as long as it is not silent; the caller closes it."""
        limits = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._timeouts.connect_seconds,
            sock_read=self._timeouts.inactivity_seconds,
        )
        return await self._send(request, limits)

    async def _send(self, request: ApiRequest, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        with translated(str(request)):
            # Also ends a credential plugin that hangs, and a stream that never begins.
            async with asyncio.timeout(self._timeouts.request_seconds):
                headers = await self._headers(request)
                if request.verb != "GET" and not self._may_write():
                    raise ClusterError(f"{request}: not sent, since this replica leads no longer")
                response: aiohttp.ClientResponse = await self._api.rest_client.request(
                    request.verb,
                    f"{self._api.configuration.host}{request.path}",
                    query_params=dict(request.query),
                    headers=headers,
                    body=request.body,
                    _preload_content=False,
                    _request_timeout=limits,
                )
                if response.status >= 400:
                    async with response:
                        body = await response.read()
                    raise refusal(str(request), response.status, body, response.headers)
        return response

    async def _headers(self, request: ApiRequest) -> dict[str, str]:
        headers = {
            "Accept": request.accept,
            # Compression costs both ends more time than a cluster's network saves.
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
            "User-Agent": "kubernetes-job-profiler",
        }
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        return headers
