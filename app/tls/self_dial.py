"""Self-dial: connects to the webhook's own listener as an API server does, to check its certificate.

The client trusts exactly the published CA bundle and verifies a name in the certificate. It has no client
certificate and sends no request: in TLS 1.3 the server is verified before the client, so the check also works
if API servers need a client certificate.
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
_TIMEOUT_SECONDS = 5.0
Address = tuple[str, int]


async def dial(address: Address, bundle: bytes, name: str) -> str | None:
    """The reason why a client that trusts *bundle* rejects the listener's certificate for *name*, or None."""
    try:
        context = _client_context(bundle)
    except (ssl.SSLError, ValueError):
        return "the caBundle of the webhook configuration holds no certificate: the profiler publishes it"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        return f"API servers would refuse the certificate for {name}: {error.verify_message}"
    except (OSError, TimeoutError) as error:
        return f"the webhook's listener does not respond: {str(error) or 'no response in time'}"
    writer.close()
    with suppress(OSError):  # if a client certificate is required, the server's alert arrives now
        await writer.wait_closed()
    return None


class SelfDial:
    """Dials every 10 s, and at once when the certificate or the bundle changes.

    `reason` is the last result: why API servers would reject the certificate, or None. While there is a
    reason, it dials twice a second, so that the replica becomes ready without delay. A certificate that was
    accepted is rejected only after `read_current_bundle`: the watch of the bundle may lag behind the watch of
    the certificate.
    """

    def __init__(
        self,
        serving: ServingContext,
        address: Callable[[], Address | None],
        period_seconds: float = _PERIOD_SECONDS,
    ) -> None:
        self.reason: str | None = "the webhook's certificate has not been checked yet"
        self._serving, self._address = serving, address
        self._period_seconds = period_seconds
        self._bundle: bytes | None = None
        self._trusts_own_certificate = False
        self.read_current_bundle: Callable[[], Awaitable[bytes | None]] | None = None
        self._changed = asyncio.Event()
        serving.on_load = self._changed.set

    def trust(self, bundle: bytes | None) -> None:
        """Set the published bundle; None if the webhook configuration does not exist."""
        self._bundle, self._trusts_own_certificate = bundle, False
        self._changed.set()

    def trust_own_certificate(self) -> None:
        """Check without a bundle: only that the listener serves its certificate, and that it is valid."""
        self._trusts_own_certificate = True
        self._changed.set()

    async def run(self) -> NoReturn:
        """Dial until cancelled."""
        while True:
            self._changed.clear()
            reason = await self._dial()
            if reason and self.reason is None and await self._update_bundle():
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
            return "there is no serving certificate yet: the profiler or cert-manager issues it"
        if address is None:
            return "the webhook's listener has not started yet"
        bundle = loaded.certificate if self._trusts_own_certificate else self._bundle
        if bundle is None:
            return "the webhook configuration is missing or not read yet: it comes with the Helm chart"
        name = next((name for name in names_of(certificate) if not name.startswith("*")), "")
        if not name:
            return "the serving certificate has no name without a wildcard: add one"
        return await dial(address, bundle, name)

    async def _update_bundle(self) -> bool:
        """Read the published bundle; True if it changed."""
        previous = self._bundle
        if self.read_current_bundle is None or self._trusts_own_certificate:
            return False
        current = await self.read_current_bundle()
        if self._bundle is previous:  # otherwise `trust` set a newer one meanwhile
            self._bundle = current
        return self._bundle != previous


def _client_context(bundle: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go takes each certificate of a bundle as a root
    context.load_verify_locations(cadata=bundle.decode("ascii"))
    return context
