"""The leader's loop that keeps the webhook's certificates and the API servers' trust in them."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NoReturn

import structlog

from app.errors import ClusterError, SettingsError
from app.kubernetes.client import ClusterClient
from app.kubernetes.secrets import SecretSnapshot, SecretStore
from app.kubernetes.webhook_configuration import WebhookConfiguration
from app.outage_log import OutageLog
from app.settings.environment import Settings
from app.tls.keeper import CertificateKeeper, CertificateStores
from app.tls.rotation import RotationPolicy

log = structlog.get_logger(__name__)
_RETRY_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.1
_LEAST_SHARE = 0.9  # of a pause: many clusters' leaders that began at one moment spread over time


class HeldSecret:
    """A Secret that the chart rendered empty; a write replaces what was read last, or fails."""

    def __init__(self, client: ClusterClient, namespace: str, name: str) -> None:
        self._secret = SecretStore(client, namespace, name)
        self._snapshot: SecretSnapshot | None = None

    @property
    def known(self) -> Mapping[str, bytes]:
        """What it held when it was read or written last."""
        return self._snapshot.data if self._snapshot else {}

    async def read(self) -> Mapping[str, bytes]:
        """Its data."""
        self._snapshot = await self._secret.read()
        return self._snapshot.data

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Put *data* in place of all that was read."""
        snapshot = self._snapshot or await self._secret.read()
        self._snapshot = await self._secret.write(snapshot, data)


def authority_secret(client: ClusterClient, settings: Settings) -> HeldSecret:
    """Where the authorities are kept, the newest first."""
    return HeldSecret(client, settings.own_namespace, settings.ca_secret)


async def keep_certificates(
    client: ClusterClient,
    settings: Settings,
    authority: HeldSecret | None = None,
    *,
    chance: Callable[[], float] = random.random,
) -> NoReturn:
    """Look after the certificates until cancelled.

    At least once in each period the wall clock is looked at, so that a machine that was suspended notices.
    """
    stores = CertificateStores(
        authority or authority_secret(client, settings),
        HeldSecret(client, settings.own_namespace, settings.tls_secret),
        WebhookConfiguration(client, settings.webhook_configuration),
    )
    keeper = CertificateKeeper(stores, rotation_terms(settings))
    outage = OutageLog(log, "certificates_not_kept")
    while True:
        try:
            pause = await keeper.ensure()
            outage.succeeded()
        except ClusterError as error:
            pause = _RETRY_SECONDS
            outage.failed(error)
        await asyncio.sleep(next_pause(pause, settings.certificate_check_period, chance()))


def next_pause(due_seconds: float, period_seconds: float, chance: float) -> float:
    """The seconds until the next look; *chance* takes up to a tenth off, and never adds to them.

    A look that comes too early finds nothing to do, one that came too late might find a lapsed certificate.
    """
    pause = min(max(due_seconds, _SHORTEST_PAUSE_SECONDS), period_seconds)
    return pause * (_LEAST_SHARE + (1 - _LEAST_SHARE) * chance)


def rotation_terms(settings: Settings) -> RotationPolicy:
    """The terms that the settings ask for.

    Raises:
        SettingsError: an authority would expire before its successor is trusted everywhere.
    """
    if settings.trust_lag * 4 > settings.authority_lifetime:
        given = f"TRUST_LAG (--trust-lag) is {settings.trust_lag:g}"
        limit = f"a quarter of AUTHORITY_LIFETIME, which is {settings.authority_lifetime:g}"
        raise SettingsError([f"{given}: give at most {limit}"])
    return RotationPolicy(
        settings.certificate_names,
        timedelta(seconds=settings.serving_certificate_lifetime),
        timedelta(seconds=settings.authority_lifetime),
        settings.trust_lag,
    )
