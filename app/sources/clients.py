"""The HTTP client of one server, made anew when the files of its TLS context change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog

from app.errors import SourceError
from app.sources.access import Access, Fingerprint

log = structlog.get_logger(__name__)


class Clients:
    """Hands out the current client; one that was replaced is closed when its last request has ended.

    Raises:
        SourceError: a file of *access* can't be used.
    """

    def __init__(
        self,
        access: Access,
        own_credentials: tuple[str, str] | None,
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._access, self._timeout, self._transport = access, httpx.Timeout(timeout_seconds), transport
        self._auth = httpx.BasicAuth(*own_credentials) if own_credentials else access.authentication()
        self._tried: Fingerprint = access.fingerprint()
        self._client = self._made()
        self._requests: Counter[httpx.AsyncClient] = Counter()

    @asynccontextmanager
    async def current(self) -> AsyncIterator[httpx.AsyncClient]:
        """The client for one request."""
        await self._keep_up()
        client = self._client
        self._requests[client] += 1
        try:
            yield client
        finally:
            self._requests[client] -= 1
            if client is not self._client and not self._requests[client]:
                del self._requests[client]
                await client.aclose()

    async def close(self) -> None:
        """End all connections."""
        for client in {self._client, *self._requests}:
            await client.aclose()

    async def _keep_up(self) -> None:
        """Take changed files; while they can't be used, what was loaded stays in use."""
        fingerprint = await asyncio.to_thread(self._access.fingerprint)
        if not fingerprint or fingerprint == self._tried:
            return
        self._tried = fingerprint
        try:
            client = await asyncio.to_thread(self._made)
        except SourceError as error:
            log.warning("certificates_not_reloaded", error=str(error))
            return
        before, self._client = self._client, client
        log.info("certificates_reloaded")
        if not self._requests[before]:
            await before.aclose()

    def _made(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            auth=self._auth,
            headers=self._access.headers(),
            timeout=self._timeout,
            transport=self._transport,
            verify=self._access.tls_context(),
        )
