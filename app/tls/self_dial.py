"""Whether an API server would accept what is served: the listener is dialled as API servers dial it.

The client trusts exactly the bundle that is in force and asks for a name of the certificate. It shows no
certificate of its own and sends no request: with TLS 1.3 a server proves itself before it judges its client,
so the handshake answers the question also where API servers have to show a certificate.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

import structlog

from app.tls.key_pairs import certificate_of
from app.tls.renewal import names_of
from app.tls.serving import ServingContext

log = structlog.get_logger(__name__)
_PERIOD_SECONDS = 10.0
_RETRY_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
Address = tuple[str, int]


async def dial(address: Address, bundle: bytes, name: str) -> str | None:
    """Why a client that trusts *bundle* and asks for *name* would not go on, or None."""
    try:
        context = _client_context(bundle)
    except (ssl.SSLError, ValueError):
        return "the caBundle of the webhook configuration holds no certificate: the profiler publishes it"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        return f"API servers would refuse the certificate for {name}: {error.verify_message}"
    except (OSError, TimeoutError) as error:
        return f"the webhook's listener does not answer: {str(error) or 'no answer in time'}"
    writer.close()
    with suppress(OSError):  # where a client certificate is required, the server's alert arrives now
        await writer.wait_closed()
    return None


class SelfDial:
    """Dials every 10 s, and at once when the certificate or the bundle changed; keeps the last `reason`.

    While there is a reason it dials twice a second, so that a replica is ready as soon as it can be. One that
    was accepted stays so unless the bundle that `read_newest` tells refuses it, too: what it was told of
    trust may lag behind the certificate that it was told to serve.
    """

    def __init__(
        self,
        serving: ServingContext,
        address: Callable[[], Address | None],
        period_seconds: float = _PERIOD_SECONDS,
    ) -> None:
        self.reason: str | None = "the webhook's listener was not dialled yet"
        self._serving, self._address = serving, address
        self._period_seconds = period_seconds
        self._bundle: bytes | None = None
        self._trusts_itself = False
        self.read_newest: Callable[[], Awaitable[bytes | None]] | None = None
        self._changed = asyncio.Event()
        serving.when_loaded = self._changed.set

    def trust(self, bundle: bytes | None) -> None:
        """The bundle that is in force from now on; None where there is no webhook configuration."""
        self._bundle, self._trusts_itself = bundle, False
        self._changed.set()

    def trust_itself(self) -> None:
        """No bundle is known: see only whether the listener answers with a certificate that is valid."""
        self._trusts_itself = True
        self._changed.set()

    async def run(self) -> NoReturn:
        """Dial until cancelled."""
        while True:
            self._changed.clear()
            reason = await self._dial()
            if reason and self.reason is None and await self._has_moved():
                reason = await self._dial()
            if reason != self.reason:
                log.info("self_dial", reason=reason or "the certificate is accepted")
            self.reason = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS if reason else self._period_seconds):
                    await self._changed.wait()

    async def _dial(self) -> str | None:
        loaded, address = self._serving.loaded, self._address()
        certificate = certificate_of(loaded)
        if loaded is None or certificate is None:
            return "there is no serving certificate yet: the profiler issues it, or cert-manager"
        if address is None:
            return "the webhook's listener has not started yet"
        bundle = loaded.certificate if self._trusts_itself else self._bundle
        if bundle is None:
            return "the webhook configuration is missing or was not read yet: it comes with the Helm chart"
        name = next((each for each in names_of(certificate) if not each.startswith("*")), "")
        if not name:
            return "the serving certificate bears no name"
        return await dial(address, bundle, name)

    async def _has_moved(self) -> bool:
        """True where another bundle is in force than the one that was told last."""
        before = self._bundle
        if self.read_newest is None or self._trusts_itself:
            return False
        newest = await self.read_newest()
        if self._bundle is before:  # else somebody told a newer one meanwhile
            self._bundle = newest
        return self._bundle != before


def _client_context(bundle: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go takes each certificate of a bundle as a root
    context.load_verify_locations(cadata=bundle.decode("ascii"))
    return context
