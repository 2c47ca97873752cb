"""Factory of the certificate keeper, with the Secrets and webhook configuration of the settings."""

from app.kubernetes.client import ClusterClient
from app.kubernetes.secrets import CachedSecret
from app.kubernetes.webhook_configuration import WebhookConfiguration
from app.runtime.webhook_policies import rotation_policy
from app.settings.environment import Settings
from app.tls.keeper import CertificateKeeper, CertificateStores
from app.tls.random_keys import RandomKeys


def authority_secret(client: ClusterClient, settings: Settings) -> CachedSecret:
    """The Secret with the CAs, newest first."""
    return CachedSecret(client, settings.own_namespace, settings.ca_secret)


def certificate_keeper(
    client: ClusterClient, settings: Settings, authority: CachedSecret | None = None
) -> CertificateKeeper:
    """The keeper; pass *authority* to share its cached data with other readers."""
    stores = CertificateStores(
        authority or authority_secret(client, settings),
        CachedSecret(client, settings.own_namespace, settings.tls_secret),
        WebhookConfiguration(client, settings.webhook_configuration),
    )
    return CertificateKeeper(stores, rotation_policy(settings), RandomKeys())
