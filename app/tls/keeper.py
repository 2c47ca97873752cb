"""Keeps authorities, bundle and serving certificate as `rotation` plans them; only the leader does so."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import NoReturn, Protocol

import structlog
from cryptography import x509

from app.errors import ClusterError, ConflictError
from app.outage_log import OutageLog
from app.tls.key_pairs import data_of, key_pair_of, parse_certificates, replaced_in
from app.tls.rotation import (
    ObservedCertificates,
    PublishBundle,
    RotationPolicy,
    RotationStep,
    StoreAuthorities,
    StoreServing,
    plan,
)

log = structlog.get_logger(__name__)
# A rotation takes four; more are taken only where somebody else writes too.
_MOST_ROUNDS = 8
RETRY_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.1
_LEAST_SHARE = 0.9  # of a pause: the leaders of clusters that started together spread over time


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

    async def run(
        self,
        period_seconds: float,
        *,
        chance: Callable[[], float] = random.random,
        retry_seconds: float = RETRY_SECONDS,
    ) -> NoReturn:
        """Keep the certificates until cancelled.

        The wall clock is read at least once in each period, so that a suspended machine catches up.
        """
        outage = OutageLog(log, "certificates_not_kept")
        while True:
            try:
                pause_seconds = await self.ensure()
                outage.succeeded()
            except ClusterError as error:
                pause_seconds = retry_seconds
                outage.failed(error)
            await asyncio.sleep(next_pause(pause_seconds, period_seconds, chance()))

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


def next_pause(due_seconds: float, period_seconds: float, chance: float) -> float:
    """The seconds until the next look; *chance* takes up to a tenth off, and never adds to them.

    A look that comes too early finds nothing to do, one that came too late might find a lapsed certificate.
    """
    pause = min(max(due_seconds, _SHORTEST_PAUSE_SECONDS), period_seconds)
    return pause * (_LEAST_SHARE + (1 - _LEAST_SHARE) * chance)
