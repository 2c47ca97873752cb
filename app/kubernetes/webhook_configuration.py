"""The certificate authorities that the API server trusts when it calls the webhook.

Exactly one field of the MutatingWebhookConfiguration's entries is ours, so that an upgrade of the chart and a
new certificate authority never touch what the other wrote. The entry for Pods tells what is in force; that of
the probe follows it, for a probe that was trusted otherwise would prove nothing.
"""

import base64
import binascii
from collections.abc import Callable, Iterable

from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.list_options import ListOptions, Object

WEBHOOK = "pods.job-profiler.liqo.io"
PROBE_WEBHOOK = "probe.job-profiler.liqo.io"
FIELD_MANAGER = "job-profiler-ca-bundle"


class WebhookConfiguration:
    """The `caBundle` of our webhook in the configuration *name*."""

    def __init__(self, client: ClusterClient, name: str) -> None:
        self._client = client
        self._name = name
        self._path = paths.mutating_webhook_configuration(name)
        self._last_read: Object | None = None

    async def read_ca_bundle(self) -> bytes:
        """The PEM text that is in force; empty where none was published, or nothing that could be one."""
        bundle = _ca_bundle(_webhook(await self._read()))
        if bundle:
            await self.publish_ca_bundle(bundle)  # an upgrade may have brought the probe's entry
        return bundle

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Put *pem* in force; sends nothing where it was already when it was read last.

        Raises:
            NotFoundError: the configuration, or our webhook in it, is missing; neither is created.
            ConflictError: the configuration was changed, deleted or made anew since it was read last.
        """
        manifest = self._last_read or await self._read()
        entries = [_webhook(manifest), *_entries(manifest, PROBE_WEBHOOK)]
        if all(_ca_bundle(entry) == pem for entry in entries):
            return
        # The uid keeps the apply from creating what was deleted since the read, the resourceVersion from
        # undoing what a newer leader published.
        metadata = {key: manifest["metadata"][key] for key in ("name", "uid", "resourceVersion")}
        bundle = base64.b64encode(pem).decode()
        applied = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [{"name": entry["name"], "clientConfig": {"caBundle": bundle}} for entry in entries],
        }
        self._last_read = None
        await self._client.apply(self._path, applied, field_manager=FIELD_MANAGER)

    async def _read(self) -> Object:
        with rendered_by_chart(f"MutatingWebhookConfiguration {self._name}"):
            self._last_read = await self._client.get(self._path)
        return self._last_read


class CaBundleSink:
    """Hands on the bundle in force as a watch of `selection_of` tells it; None where there is none.

    Each object is cut down to it by `ca_bundle_of` before.
    """

    def __init__(self, take: Callable[[bytes | None], None]) -> None:
        self._take = take

    def replace(self, bundles: Iterable[bytes], /) -> None:
        """Take the configuration as it was listed."""
        self._take(next(iter(bundles), None))

    def upsert(self, bundle: bytes, /) -> None:
        """Take the configuration as it was changed."""
        self._take(bundle)

    def delete(self, _bundle: bytes, /) -> None:
        """Nothing is in force without it."""
        self._take(None)


def selection_of(name: str) -> ListOptions:
    """The one configuration *name*: a right to watch no other one is enough."""
    collection = paths.mutating_webhook_configuration("").removesuffix("/")
    return ListOptions(collection, field_selector=f"metadata.name={name}")


def ca_bundle_of(manifest: Object) -> bytes:
    """The PEM text that a configuration has for our webhook; empty where it has neither."""
    return next(map(_ca_bundle, _entries(manifest, WEBHOOK)), b"")


def _entries(manifest: Object, name: str) -> list[Object]:
    """The entry *name*, if there is one."""
    return [entry for entry in manifest.get("webhooks") or () if entry["name"] == name]


def _webhook(manifest: Object) -> Object:
    for webhook in _entries(manifest, WEBHOOK):
        return webhook
    raise NotFoundError(
        f"MutatingWebhookConfiguration {manifest['metadata']['name']} has no webhook {WEBHOOK}: "
        "it comes with the Helm chart, so upgrade the release"
    )


def _ca_bundle(webhook: Object) -> bytes:
    try:
        return base64.b64decode(webhook["clientConfig"].get("caBundle") or "")
    except binascii.Error:
        return b""
