"""The keeper of the webhook's certificates, on the Secrets and the webhook configuration of the settings."""

from app.kubernetes.client import ClusterClient
from app.kubernetes.secrets import HeldSecret
from app.kubernetes.webhook_configuration import WebhookConfiguration
from app.runtime.policies import rotation_policy
from app.settings.environment import Settings
from app.tls.keeper import CertificateKeeper, CertificateStores


def authority_secret(client: ClusterClient, settings: Settings) -> HeldSecret:
    """The Secret with the certificate authorities, newest first."""
    return HeldSecret(client, settings.own_namespace, settings.ca_secret)


def certificate_keeper(
    client: ClusterClient, settings: Settings, authority: HeldSecret | None = None
) -> CertificateKeeper:
    """The keeper, with *authority* if its Secret is read elsewhere too."""
    stores = CertificateStores(
        authority or authority_secret(client, settings),
        HeldSecret(client, settings.own_namespace, settings.tls_secret),
        WebhookConfiguration(client, settings.webhook_configuration),
    )
    return CertificateKeeper(stores, rotation_policy(settings))
