"""Requests to the API server: authentication, time-outs, and errors mapped to `app.errors`.

The client library provides the credentials of a service account. Its transport is not used: it follows
redirects, and reads the proxies of the environment with other rules than kubectl. Nor are its generated
models: they decode each object several times.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from app.errors import ClusterError
from app.kubernetes.credentials import ApiServer, find_api_server
from app.kubernetes.failures import error_from_response, map_exceptions
from app.kubernetes.overrides import NO_OVERRIDES, Overrides
from app.kubernetes.server_clock import ServerClock

JSON = "application/json"
# aiohttp's own size is smaller than the events of large objects.
_READ_BUFFER_BYTES = 2 * 1024 * 1024
# A page of 500 Pods has 5 MiB, but each of 500 Deployments may have 1.5.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024


class OversizedResponseError(ClusterError):
    """A response of more than `MAX_RESPONSE_BYTES`, or of too many values: ask for less."""


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
async def open_connection(
    kubeconfig: str | None, timeouts: Timeouts, overrides: Overrides = NO_OVERRIDES
) -> AsyncIterator["ApiConnection"]:
    """A pool of connections to the API server; opening it sends nothing.

    Raises:
        SettingsError: no usable credentials.
    """
    server = await find_api_server(kubeconfig, overrides=overrides)
    # No limit: watches of many listed namespaces would use up aiohttp's 100 connections.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, trust_env=False, read_bufsize=_READ_BUFFER_BYTES
    ) as session:
        yield ApiConnection(session, server, timeouts)


class ApiConnection:
    """Sends requests to one API server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: ApiServer,
        timeouts: Timeouts,
        may_write: Callable[[], bool] = lambda: True,
        server_clock: ServerClock | None = None,
    ) -> None:
        self.server_clock = server_clock or ServerClock()
        self._session, self._server = session, server
        self._timeouts = timeouts
        self._may_write = may_write

    def with_write_fence(self, may_write: Callable[[], bool]) -> "ApiConnection":
        """The same connections; every request other than GET fails while *may_write* is False."""
        return ApiConnection(self._session, self._server, self._timeouts, may_write, self.server_clock)

    async def read(self, request: ApiRequest) -> bytes:
        """The complete response body."""
        limits = aiohttp.ClientTimeout(
            total=self._timeouts.request_seconds, sock_connect=self._timeouts.connect_seconds
        )
        response = await self._send(request, limits)
        with map_exceptions(str(request)):
            async with response:
                return await _body(response, request)

    async def stream(self, request: ApiRequest) -> aiohttp.ClientResponse:
        """A response that has started, with a time-out between two reads; the caller closes it."""
        limits = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._timeouts.connect_seconds,
            sock_read=self._timeouts.inactivity_seconds,
        )
        return await self._send(request, limits)

    async def forward(
        self, verb: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """The response, with any status, of what is behind the API server at *target*; the caller closes it.

        Its body is not decompressed, and its time is not limited: both are the caller's.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeouts.connect_seconds)
        with map_exceptions(f"{verb} {target.partition('?')[0]}"):
            authorized = await self._authorized(CIMultiDict(headers))
            url = URL(f"{self._server.url}{target}", encoded=True)
            response = await self._transmit(
                verb, url, authorized, data=body or None, timeout=limits, auto_decompress=False
            )
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._server.authentication.expire()
        return response

    async def _send(self, request: ApiRequest, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        with map_exceptions(str(request)):
            # This limit also covers a hanging credential plugin and a stream that never starts.
            async with asyncio.timeout(self._timeouts.request_seconds):
                headers = await self._authorized(_headers(request))
                if request.verb != "GET" and not self._may_write():
                    raise ClusterError(f"{request}: not sent, because this replica is no longer the leader")
                body = None if request.body is None else msgspec.json.encode(request.body)
                url = f"{self._server.url}{request.path}{_query_string(request)}"
                response = await self._transmit(request.verb, url, headers, data=body, timeout=limits)
                self.server_clock.observe(response.headers.get("Date"))
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._error_of(request, response)
        return response

    async def _authorized(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """The *headers* with credentials, and with the identity to act as."""
        headers["User-Agent"] = "kubernetes-job-profiler"
        if authorization := await self._server.authentication.current():
            headers["Authorization"] = authorization
        headers.extend(self._server.headers)
        return headers

    async def _transmit(
        self, verb: str, url: str | URL, headers: CIMultiDict[str], **options: Any
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            verb,
            url,
            headers=headers,
            allow_redirects=False,
            ssl=self._server.tls.context if self._server.tls else True,
            server_hostname=self._server.server_name,
            proxy=self._server.proxy.url if self._server.proxy else None,
            **options,
        )

    async def _error_of(self, request: ApiRequest, response: aiohttp.ClientResponse) -> ClusterError:
        async with response:
            body = await _body(response, request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._server.authentication.expire()
        return error_from_response(str(request), response.status, body, response.headers)


def _headers(request: ApiRequest) -> CIMultiDict[str]:
    return CIMultiDict(
        {
            "Accept": request.accept,
            # Compression costs client and server more time than it saves on a cluster's network.
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
        }
    )


def _query_string(request: ApiRequest) -> str:
    return f"?{urlencode(request.query)}" if request.query else ""


async def _body(response: aiohttp.ClientResponse, request: ApiRequest) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            response.close()
            raise OversizedResponseError(f"{request}: a response of more than {MAX_RESPONSE_BYTES} bytes")
    return b"".join(chunks)
