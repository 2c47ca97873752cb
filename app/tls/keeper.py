"""Keeps authorities, bundle and serving certificate as `rotation` plans them; only the leader does so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

import structlog
from cryptography import x509

from app.errors import ClusterError, ConflictError
from app.tls.issuing import parse_certificates
from app.tls.rotation import (
    ObservedCertificates,
    PublishBundle,
    RotationPolicy,
    RotationStep,
    StoreAuthorities,
    StoreServing,
    plan,
)
from app.tls.secret_data import data_of, key_pair_of, replaced_in

log = structlog.get_logger(__name__)
# A rotation takes four; more are taken only where somebody else writes too.
_MOST_ROUNDS = 8


class SecretData(Protocol):
    """The data of a Secret."""

    async def read(self) -> Mapping[str, bytes]:
        """What it holds; nothing while it is empty."""

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Replace what was read last; raises ConflictError where somebody else did meanwhile."""


class TrustStore(Protocol):
    """The `caBundle` of the webhook configuration."""

    async def read_ca_bundle(self) -> bytes:
        """The bundle in force; empty where there is none."""

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Replace what was read last; raises ConflictError where the configuration changed meanwhile."""


@dataclass(frozen=True, slots=True)
class CertificateStores:
    """Where authorities, serving certificate and bundle are kept."""

    authority: SecretData
    serving: SecretData
    trust: TrustStore


class CertificateKeeper:
    """Each call of `ensure` does what can be done now, and goes on where an earlier one was interrupted."""

    def __init__(
        self,
        stores: CertificateStores,
        terms: RotationPolicy,
        *,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_clock: Callable[[], float] = monotonic,
    ) -> None:
        self._stores, self._terms = stores, terms
        self._wall_clock, self._elapsed_clock = wall_clock, elapsed_clock
        self._in_force_since: dict[x509.Certificate, float] = {}

    async def ensure(self) -> float:
        """Write what is due; the seconds until something else will be, by the clocks of now.

        Raises:
            ClusterError: the first of what could not be read or written; all that does not depend on it was.
        """
        for _ in range(_MOST_ROUNDS):
            observed, fault = await self._observe()
            steps, seconds_until_due = plan(observed, self._terms, self._wall_clock())
            taken = 0
            for step in steps:
                try:
                    await self._take(step)
                except ClusterError as error:
                    fault = fault or error
                else:
                    taken += 1
            if not taken and not isinstance(fault, ConflictError):
                break
        if fault:
            raise fault
        return seconds_until_due

    async def _observe(self) -> tuple[ObservedCertificates, ClusterError | None]:
        """The bundle is read first: who publishes on what came later would undo what came between."""
        bundle, fault = None, None
        try:
            bundle = await self._stores.trust.read_ca_bundle()
        except ClusterError as error:
            fault = error
        in_force = self._seconds_in_force(bundle)
        authorities = key_pair_of(await self._stores.authority.read())
        serving = await self._stores.serving.read()
        return ObservedCertificates(
            authorities, key_pair_of(serving), replaced_in(serving), bundle, in_force
        ), fault

    def _seconds_in_force(self, bundle: bytes | None) -> dict[x509.Certificate, float]:
        """For how long each certificate was found in the bundle, by a clock that no suspension moves on."""
        if bundle is None:
            return {}
        now = self._elapsed_clock()
        since = {found: self._in_force_since.get(found, now) for found in parse_certificates(bundle)}
        self._in_force_since = since
        return {found: now - first for found, first in since.items()}

    async def _take(self, step: RotationStep) -> None:
        match step:
            case StoreAuthorities(pair, reason):
                await self._stores.authority.write(data_of(pair))
                log.info("authorities_stored", count=len(parse_certificates(pair.certificate)), reason=reason)
            case PublishBundle(pem):
                await self._stores.trust.publish_ca_bundle(pem)
                log.info("ca_bundle_published", authorities=len(parse_certificates(pem)))
            case StoreServing(pair, replaced, reason):
                await self._stores.serving.write(data_of(pair, replaced))
                log.info("serving_certificate_issued", reason=reason)
