"""Keeps authority, serving certificate and the API server's trust in order; only the leader does so."""

from datetime import datetime
from typing import Protocol

import structlog

from app.tls.issuing import (
    KeyPair,
    authority_renewal_reason,
    issue_authority,
    issue_serving_certificate,
    serving_renewal_reason,
    trusted_bundle,
)

log = structlog.get_logger(__name__)


class KeyPairStore(Protocol):
    """A Secret that holds one key pair."""

    async def read(self) -> KeyPair | None:
        """The pair, or None while the Secret is empty."""

    async def write(self, pair: KeyPair) -> None:
        """Replace the pair that was read last; raises ConflictError where somebody else did meanwhile."""


class TrustStore(Protocol):
    """The `caBundle` of the webhook configuration."""

    async def read(self) -> bytes:
        """The bundle that the API server uses now; empty where there is none."""

    async def write(self, bundle: bytes) -> None:
        """Publish *bundle*."""


class CertificateKeeper:
    """Each call of `ensure` does what is missing and resumes whatever an earlier one left half done."""

    def __init__(
        self, authority: KeyPairStore, serving: KeyPairStore, trust: TrustStore, names: tuple[str, ...]
    ) -> None:
        self._authority = authority
        self._serving = serving
        self._trust = trust
        self._names = names

    async def ensure(self, now: datetime) -> None:
        """Renew what is due: trust in a new authority is published before anything is signed by it."""
        authority = await self._ensure_authority(now)
        await self._ensure_trust(trusted_bundle(authority, now))
        await self._ensure_serving(authority, now)

    async def _ensure_authority(self, now: datetime) -> KeyPair:
        current = await self._authority.read()
        reason = authority_renewal_reason(current, now)
        if current is not None and reason is None:
            return current
        log.info("authority_issued", reason=reason)
        fresh = issue_authority(now)
        # Certificates signed by the old authority are served until they are replaced: it stays trusted.
        older = trusted_bundle(current, now) if current is not None else b""
        authority = KeyPair(fresh.certificate + older, fresh.private_key)
        await self._authority.write(authority)
        return authority

    async def _ensure_trust(self, bundle: bytes) -> None:
        if await self._trust.read() != bundle:
            await self._trust.write(bundle)
            log.info("ca_bundle_published")

    async def _ensure_serving(self, authority: KeyPair, now: datetime) -> None:
        reason = serving_renewal_reason(await self._serving.read(), authority, self._names, now)
        if reason is not None:
            log.info("serving_certificate_issued", reason=reason)
            await self._serving.write(issue_serving_certificate(authority, self._names, now))
