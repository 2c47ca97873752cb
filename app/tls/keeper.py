"""Carries out the plan of `rotation` for CAs, CA bundle and serving certificate; only the leader does."""

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
from app.tls.issuing import KeySource
from app.tls.key_pairs import key_pair_of, parse_certificates, replaced_certificates, to_secret_data
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
# A rotation takes four rounds; more are needed only if another client writes at the same time.
_MAX_ROUNDS = 8
RETRY_SECONDS = 2.0
_MIN_PAUSE_SECONDS = 0.1
_MIN_PAUSE_SHARE = 0.9  # jitter: the leaders of clusters that started together spread over time


class SecretData(Protocol):
    """The data of a Secret."""

    async def read(self) -> Mapping[str, bytes]:
        """The data; empty if the Secret has none."""

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Replace the data; raises ConflictError if the Secret changed since the last read or write."""


class TrustStore(Protocol):
    """The `caBundle` of the webhook configuration."""

    async def read_ca_bundle(self) -> bytes:
        """The published bundle; empty if there is none."""

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Replace the bundle; raises ConflictError if the configuration changed since the last read."""


@dataclass(frozen=True, slots=True)
class CertificateStores:
    """The stores of CAs, serving certificate and CA bundle."""

    authority: SecretData
    serving: SecretData
    trust: TrustStore


class CertificateKeeper:
    """Keeps the certificates up to date; `ensure` may be interrupted at any point and called again."""

    def __init__(
        self,
        stores: CertificateStores,
        policy: RotationPolicy,
        keys: KeySource,
        *,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_clock: Callable[[], float] = monotonic,
    ) -> None:
        self._stores, self._policy, self._keys = stores, policy, keys
        self._wall_clock, self._elapsed_clock = wall_clock, elapsed_clock
        self._published_since: dict[x509.Certificate, float] = {}
        self._outage = OutageLog(log, "certificates_not_kept")

    def faults(self) -> dict[str, str]:
        """The reason why certificates are not kept up to date, if they are not."""
        return self._outage.faults("certificates")

    async def run(
        self,
        period_seconds: float,
        *,
        chance: Callable[[], float] = random.random,
        retry_seconds: float = RETRY_SECONDS,
    ) -> NoReturn:
        """Call `ensure` until cancelled.

        The wall clock is read at least once per period, so that certificates are renewed after a suspension
        of the machine.
        """
        while True:
            try:
                pause_seconds = await self.ensure()
                self._outage.succeeded()
            except ClusterError as error:
                pause_seconds = retry_seconds
                self._outage.failed(error)
            await asyncio.sleep(next_pause(pause_seconds, period_seconds, chance()))

    async def ensure(self) -> float:
        """Carry out all steps that are due; returns the seconds until the next step is due.

        Raises:
            ClusterError: the first failed read or write; the steps that do not depend on it were carried out.
        """
        for _ in range(_MAX_ROUNDS):
            observed, fault = await self._observe()
            steps, seconds_until_due = plan(observed, self._policy, self._wall_clock(), self._keys)
            done = 0
            for step in steps:
                try:
                    await self._carry_out(step)
                except ClusterError as error:
                    fault = fault or error
                else:
                    done += 1
            if not done and not isinstance(fault, ConflictError):
                break
        if fault:
            raise fault
        return seconds_until_due

    async def _observe(self) -> tuple[ObservedCertificates, ClusterError | None]:
        """The current state, and a failure to read the bundle.

        The bundle is read first: if another leader publishes between the reads, our publication conflicts
        instead of overwriting it.
        """
        bundle, fault = None, None
        try:
            bundle = await self._stores.trust.read_ca_bundle()
        except ClusterError as error:
            fault = error
        published_seconds = self._published_seconds(bundle)
        authorities = key_pair_of(await self._stores.authority.read())
        serving = await self._stores.serving.read()
        return ObservedCertificates(
            authorities, key_pair_of(serving), replaced_certificates(serving), bundle, published_seconds
        ), fault

    def _published_seconds(self, bundle: bytes | None) -> dict[x509.Certificate, float]:
        """The seconds since each certificate appeared in the bundle; the clock stops during suspension."""
        if bundle is None:
            return {}
        now = self._elapsed_clock()
        certificates = parse_certificates(bundle)
        self._published_since = {
            certificate: self._published_since.get(certificate, now) for certificate in certificates
        }
        return {certificate: now - since for certificate, since in self._published_since.items()}

    async def _carry_out(self, step: RotationStep) -> None:
        match step:
            case StoreAuthorities(pair, reason):
                await self._stores.authority.write(to_secret_data(pair))
                log.info("authorities_stored", count=len(parse_certificates(pair.certificate)), reason=reason)
            case PublishBundle(pem):
                await self._stores.trust.publish_ca_bundle(pem)
                log.info("ca_bundle_published", authorities=len(parse_certificates(pem)))
            case StoreServing(pair, replaced, reason):
                await self._stores.serving.write(to_secret_data(pair, replaced))
                log.info("serving_certificate_issued", reason=reason)


def next_pause(due_seconds: float, period_seconds: float, chance: float) -> float:
    """The seconds until the next `ensure`; *chance* (0..1) shortens them by up to 10 %, never lengthens them.

    Too early is harmless: nothing is due. Too late could leave a certificate expired.
    """
    pause = min(max(due_seconds, _MIN_PAUSE_SECONDS), period_seconds)
    return pause * (_MIN_PAUSE_SHARE + (1 - _MIN_PAUSE_SHARE) * chance)
