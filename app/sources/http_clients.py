"""The HTTP client of a server, replaced when the files of its TLS context change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog

from app.errors import SourceError
from app.proxies import Proxy
from app.sources.credentials import Fingerprint, PrometheusCredentials

log = structlog.get_logger(__name__)


class HttpClients:
    """Provides the current client; a replaced one is closed after its last request.

    The first request reads the files of *credentials*; later ones read them again if they changed or were
    unusable. Connections go through *proxy*; httpx itself would read no NO_PROXY with ranges of addresses.
    Public CAs are read only for a server that *is_https*.
    """

    def __init__(  # noqa: PLR0913 - transport and proxy are the ways to the server
        self,
        credentials: PrometheusCredentials,
        url_credentials: tuple[str, str] | None,
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None,
        proxy: Proxy | None = None,
        *,
        is_https: bool = True,
    ) -> None:
        self._credentials, self._transport, self._proxy = credentials, transport, proxy
        self._is_https = is_https
        self._timeout = httpx.Timeout(timeout_seconds)
        self._auth: httpx.Auth | None = httpx.BasicAuth(*url_credentials) if url_credentials else None
        self._last_fingerprint: Fingerprint = ()
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()
        self._requests: Counter[httpx.AsyncClient] = Counter()

    @asynccontextmanager
    async def current(self) -> AsyncIterator[httpx.AsyncClient]:
        """The client for one request.

        Raises:
            SourceError: a file of the credentials is unusable, and no client exists yet.
        """
        async with self._lock:
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
        """Close all connections."""
        latest = [self._client] if self._client else []
        for client in {*latest, *self._requests}:
            await client.aclose()

    async def _up_to_date(self) -> httpx.AsyncClient:
        """A client with the current files; while they are unusable, the client before."""
        fingerprint = await asyncio.to_thread(self._credentials.fingerprint)
        before = self._client
        if before and (not fingerprint or fingerprint == self._last_fingerprint):
            return before
        self._last_fingerprint = fingerprint
        try:
            self._client = await asyncio.to_thread(self._build_client)
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

    def _build_client(self) -> httpx.AsyncClient:
        self._auth = self._auth or self._credentials.authentication()
        return httpx.AsyncClient(
            auth=self._auth,
            headers=self._credentials.headers(),
            timeout=self._timeout,
            transport=self._transport,
            proxy=self._proxy.url if self._proxy else None,
            trust_env=False,
            verify=self._credentials.tls_context(trusts_public=self._is_https),
        )
