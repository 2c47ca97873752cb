"""The certificate authority that the API server trusts when it calls the webhook.

Exactly one field of the MutatingWebhookConfiguration is ours, so that an upgrade of the chart and a new
certificate authority never touch what the other wrote.
"""

import base64
import binascii

from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.selections import Object

WEBHOOK = "pods.job-profiler.liqo.io"
FIELD_MANAGER = "job-profiler-ca-bundle"


class WebhookConfiguration:
    """The `caBundle` of our webhook in the configuration *name*."""

    def __init__(self, client: ClusterClient, name: str) -> None:
        self._client = client
        self._name = name
        self._path = paths.mutating_webhook_configuration(name)

    async def read_ca_bundle(self) -> bytes:
        """The PEM text that is in force; empty where none was published, or nothing that could be one."""
        return _ca_bundle(_webhook(await self._read()))

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Put *pem* in force; sends nothing where it is already.

        Raises:
            NotFoundError: the configuration, or our webhook in it, is missing; neither is created.
            ConflictError: the configuration was deleted or made anew meanwhile.
        """
        manifest = await self._read()
        if _ca_bundle(_webhook(manifest)) == pem:
            return
        bundle = base64.b64encode(pem).decode()
        # The uid keeps the apply from creating what was deleted since the read.
        applied = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self._name, "uid": manifest["metadata"]["uid"]},
            "webhooks": [{"name": WEBHOOK, "clientConfig": {"caBundle": bundle}}],
        }
        await self._client.apply(self._path, applied, field_manager=FIELD_MANAGER)

    async def _read(self) -> Object:
        with rendered_by_chart(f"MutatingWebhookConfiguration {self._name}"):
            return await self._client.get(self._path)


def _webhook(manifest: Object) -> Object:
    for webhook in manifest.get("webhooks") or ():
        if webhook["name"] == WEBHOOK:
            found: Object = webhook
            return found
    raise NotFoundError(
        f"MutatingWebhookConfiguration {manifest['metadata']['name']} has no webhook {WEBHOOK}: "
        "it comes with the Helm chart, so upgrade the release"
    )


def _ca_bundle(webhook: Object) -> bytes:
    try:
        return base64.b64decode(webhook["clientConfig"].get("caBundle") or "")
    except binascii.Error:
        return b""
