"""Requests to the API server: authentication, time-outs, and errors mapped to `app.errors`.

Credentials, TLS and the connection pool come from the client library. Its generated models are not used: they
decode each object several times, and would leak into every caller.
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
from app.kubernetes.failures import error_from_response, map_exceptions

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time-outs for a connection, for a complete response, and between two events of a watch.

    API servers send a bookmark every 60 s. Kubernetes 1.20 does not: there a watch without events is reopened
    every 70 s, which costs one small request.
    """

    connect_seconds: float = 10
    request_seconds: float = 30
    inactivity_seconds: float = 70


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request to the API server."""

    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = JSON
    accept: str = JSON

    def __str__(self) -> str:
        """Verb and path, for error messages; the query may be long and is left out."""
        return f"{self.verb} {self.path}"


@asynccontextmanager
async def open_connection(kubeconfig: str | None, timeouts: Timeouts) -> AsyncIterator["ApiConnection"]:
    """A pool of connections to the API server; opening it sends nothing.

    Raises:
        ClusterError: no usable credentials.
    """
    configuration = await load_configuration(kubeconfig)
    # No limit: watches of many listed namespaces would use up the library's 100 connections.
    configuration.connection_pool_maxsize = 0
    try:
        api = ApiClient(configuration)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ClusterError(f"the credentials for {configuration.host} can't be used: {error}") from error
    async with api:
        yield ApiConnection(api, timeouts)


class ApiConnection:
    """Sends requests; only this class depends on internals of the client library."""

    def __init__(
        self, api: ApiClient, timeouts: Timeouts, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._api = api
        self._timeouts = timeouts
        self._may_write = may_write

    def with_write_fence(self, may_write: Callable[[], bool]) -> "ApiConnection":
        """The same connections; every request other than GET fails while *may_write* is False."""
        return ApiConnection(self._api, self._timeouts, may_write)

    async def read(self, request: ApiRequest) -> bytes:
        """The complete response body."""
        limits = aiohttp.ClientTimeout(
            total=self._timeouts.request_seconds, sock_connect=self._timeouts.connect_seconds
        )
        response = await self._send(request, limits)
        with map_exceptions(str(request)):
            async with response:
                return await response.read()

    async def stream(self, request: ApiRequest) -> aiohttp.ClientResponse:
        """A response that has started, with a time-out between two reads; the caller closes it."""
        limits = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._timeouts.connect_seconds,
            sock_read=self._timeouts.inactivity_seconds,
        )
        return await self._send(request, limits)

    async def _send(self, request: ApiRequest, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        with map_exceptions(str(request)):
            # This limit also covers a hanging credential plugin and a stream that never starts.
            async with asyncio.timeout(self._timeouts.request_seconds):
                headers = await self._headers(request)
                if request.verb != "GET" and not self._may_write():
                    raise ClusterError(f"{request}: not sent, because this replica is no longer the leader")
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
                    raise error_from_response(str(request), response.status, body, response.headers)
        return response

    async def _headers(self, request: ApiRequest) -> dict[str, str]:
        headers = {
            "Accept": request.accept,
            # Compression costs client and server more time than it saves on a cluster's network.
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
            "User-Agent": "kubernetes-job-profiler",
        }
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        return headers
