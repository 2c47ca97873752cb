"""The HTTP client of one server, made anew when the files of its TLS context change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog

from app.errors import SourceError
from app.sources.credentials import Fingerprint, PrometheusCredentials

log = structlog.get_logger(__name__)


class HttpClients:
    """Hands out the current client; one that was replaced is closed when its last request has ended.

    Files of *access* are read by the first request, and again where they changed or could not be used.
    """

    def __init__(
        self,
        access: PrometheusCredentials,
        own_credentials: tuple[str, str] | None,
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._access, self._timeout, self._transport = access, httpx.Timeout(timeout_seconds), transport
        self._auth: httpx.Auth | None = httpx.BasicAuth(*own_credentials) if own_credentials else None
        self._tried: Fingerprint = ()
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()
        self._requests: Counter[httpx.AsyncClient] = Counter()

    @asynccontextmanager
    async def current(self) -> AsyncIterator[httpx.AsyncClient]:
        """The client for one request.

        Raises:
            SourceError: there is none yet, since a file of *access* can't be used.
        """
        async with self._making:
            client = await self._up_to_date()
        self._requests[client] += 1
        try:
            yield client
        finally:
            self._requests[client] -= 1
            if not self._requests[client]:
                del self._requests[client]
                if client is not self._client:
                    await client.aclose()

    async def close(self) -> None:
        """End all connections."""
        latest = [self._client] if self._client else []
        for client in {*latest, *self._requests}:
            await client.aclose()

    async def _up_to_date(self) -> httpx.AsyncClient:
        """Take changed files; while they can't be used, what was loaded stays in use."""
        fingerprint = await asyncio.to_thread(self._access.fingerprint)
        before = self._client
        if before and (not fingerprint or fingerprint == self._tried):
            return before
        self._tried = fingerprint
        try:
            self._client = await asyncio.to_thread(self._made)
        except SourceError as error:
            if before is None:
                raise
            log.warning("certificates_not_reloaded", error=str(error))
            return before
        if before:
            log.info("certificates_reloaded")
            if before not in self._requests:
                await before.aclose()
        return self._client

    def _made(self) -> httpx.AsyncClient:
        self._auth = self._auth or self._access.authentication()
        return httpx.AsyncClient(
            auth=self._auth,
            headers=self._access.headers(),
            timeout=self._timeout,
            transport=self._transport,
            verify=self._access.tls_context(),
        )
