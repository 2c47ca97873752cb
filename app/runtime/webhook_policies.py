"""Policies of the webhook's certificates and of its self-probe, built from the settings."""

from datetime import timedelta
from typing import Any

import msgspec

from app.errors import SettingsError
from app.kubernetes.self_probe.probe import ProbePolicy
from app.settings.environment import Settings
from app.tls.rotation import RotationPolicy


def rotation_policy(settings: Settings) -> RotationPolicy:
    """The policy of the CA rotation.

    Raises:
        SettingsError: a CA could expire before all API servers trust its successor.
    """
    if settings.trust_lag * 4 > settings.authority_lifetime:
        setting = f"TRUST_LAG (--trust-lag) is {settings.trust_lag:g}"
        limit = f"a quarter of AUTHORITY_LIFETIME, which is {settings.authority_lifetime:g}"
        raise SettingsError([f"{setting}: set it to at most {limit}"])
    return RotationPolicy(
        settings.certificate_names,
        timedelta(seconds=settings.serving_certificate_lifetime),
        timedelta(seconds=settings.authority_lifetime),
        settings.trust_lag,
    )


def probe_policy(settings: Settings) -> ProbePolicy:
    """The policy of the self-probe."""
    expected = msgspec.json.decode(settings.expected_webhook or "{}", type=dict[str, Any])
    return ProbePolicy(
        settings.own_namespace,
        settings.webhook_configuration,
        expected,
        settings.probe_enabled,
        settings.probe_interval,
    )
