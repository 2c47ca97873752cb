"""A transport of httpx that reaches a Service through the API server's proxy, with the user's own rights.

The API server checks its own credentials, and passes none on. Its refusals are `Status` objects, which no
Prometheus sends: they become a SourceError that names the missing right and the way without it.
"""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

import aiohttp
import httpx

from app.errors import ClusterError, SourceError
from app.kubernetes import paths
from app.kubernetes.connection import ApiConnection
from app.kubernetes.error_text import shorten
from app.kubernetes.failures import status_message
from app.kubernetes.prometheus_services import PrometheusService

# What a query needs; `Authorization` is for the API server alone.
_PASSED = ("accept", "accept-encoding", "content-type", "x-scope-orgid")
_RIGHTS = {"GET": "get", "POST": "create"}
_MAX_STATUS_BYTES = 64 * 1024


class ServiceProxyTransport(httpx.AsyncBaseTransport):
    """Sends each request to *service*, whatever host its URL has."""

    def __init__(self, connection: ApiConnection, service: PrometheusService) -> None:
        self._connection, self._service = connection, service
        self._path = paths.service_proxy(service.namespace, service.name, service.port, service.scheme)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response of the Service.

        Raises:
            SourceError: the API server refuses the request, or reaches no Pod of the Service.
        """
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        target = f"{self._path}{request.url.raw_path.decode('ascii')}"
        try:
            received = await self._connection.forward(request.method, target, await request.aread(), headers)
            if received.status >= HTTPStatus.BAD_REQUEST:
                return await self._refused(request.method, received)
        except ClusterError as error:
            raise SourceError(
                "Unreachable", f"{self._service.url} through the API server: {error}"
            ) from error
        return httpx.Response(
            received.status, headers=_headers(received.headers), stream=_Body(received), request=request
        )

    async def _refused(self, method: str, received: aiohttp.ClientResponse) -> httpx.Response:
        """The response if it is the Service's own, or if the query may be sent later or by another method."""
        async with received:
            body = await received.content.read(_MAX_STATUS_BYTES)
        response = httpx.Response(received.status, headers=_headers(received.headers), content=body)
        message = status_message(body)
        is_by_method = received.status == HTTPStatus.FORBIDDEN and method != "GET"
        if message is None or is_by_method or received.status == HTTPStatus.TOO_MANY_REQUESTS:
            return response
        raise SourceError("Unreachable", self._remedy(method, received.status, message))

    def _remedy(self, method: str, status: int, message: str) -> str:
        service = self._service
        fault = f"the API server does not reach Prometheus ({service.namespace}/{service.name}): {message}"
        if status == HTTPStatus.FORBIDDEN:
            fault += (
                f". The missing right is `{_RIGHTS.get(method, method)}` on `services/proxy` in namespace"
                f" {service.namespace}"
            )
        return f"{fault}. Without it: {service.port_forward}, and --prometheus-url {service.forwarded_url}"


class _Body(httpx.AsyncByteStream):
    """The body as it was sent: the caller decompresses it."""

    def __init__(self, received: aiohttp.ClientResponse) -> None:
        self._received = received

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._received.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(shorten(str(error)) or type(error).__name__) from error

    async def aclose(self) -> None:
        self._received.close()


def _headers(received: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in received.items() if name.lower() != "transfer-encoding"]
