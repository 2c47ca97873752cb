"""The `caBundle` of the webhook: the certificate authorities that API servers trust when they call it.

The profiler owns exactly this one field in the entries of the MutatingWebhookConfiguration, so that an
upgrade of the chart and a rotation of the CA never overwrite each other. The bundle is read from the entry
for Pods and copied to the entry of the self-probe: a probe with another bundle would prove nothing. Entries
are sent in stored order, since server-side apply moves them to the order of the request, and the chart's
admission policy refuses that.
"""

import base64
from collections.abc import Callable, Iterable

from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_malformed_object, explain_missing_object
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import checked
from app.kubernetes.webhook_entries import PROBE_WEBHOOK, WEBHOOK

FIELD_MANAGER = "job-profiler-ca-bundle"


class WebhookConfiguration:
    """The `caBundle` in the MutatingWebhookConfiguration *name*."""

    def __init__(self, client: ClusterClient, name: str) -> None:
        self._client = client
        self._name = name
        self._path = paths.mutating_webhook_configuration(name)
        self._last_read: Object | None = None

    async def read_ca_bundle(self) -> bytes:
        """The published PEM text; empty if there is none or it is not base64."""
        bundle = _ca_bundle(_webhook(await self._read()))
        if bundle:
            await self.publish_ca_bundle(bundle)  # an upgrade may have added the probe's entry without it
        return bundle

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Publish *pem*; sends nothing if the last read found it published.

        Raises:
            NotFoundError: the configuration, or the entry for Pods in it, is missing; neither is created.
            ConflictError: the configuration was changed, deleted or recreated since the last read.
        """
        manifest = self._last_read or await self._read()
        _webhook(manifest)  # raises if it is missing
        entries = _entries(manifest, WEBHOOK, PROBE_WEBHOOK)
        if all(_ca_bundle(entry) == pem for entry in entries):
            return
        # The uid keeps the apply from recreating a deleted configuration; the resourceVersion keeps it from
        # overwriting the bundle of a newer leader.
        metadata = {key: manifest["metadata"][key] for key in ("name", "uid", "resourceVersion")}
        bundle = base64.b64encode(pem).decode()
        patch = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [{"name": entry["name"], "clientConfig": {"caBundle": bundle}} for entry in entries],
        }
        self._last_read = None
        await self._client.apply(self._path, patch, field_manager=FIELD_MANAGER)

    async def _read(self) -> Object:
        with explain_missing_object(f"MutatingWebhookConfiguration {self._name}"):
            manifest = await self._client.get(self._path)
        with explain_malformed_object(f"MutatingWebhookConfiguration {self._name}"):
            metadata = checked(manifest)["metadata"]
            metadata["uid"], metadata["resourceVersion"]
        self._last_read = manifest
        return manifest


class CaBundleSink:
    """Calls *on_change* with each published bundle; with None if the configuration does not exist.

    Its Reflector watches `configuration_selection` and reduces each object by `ca_bundle_of`.
    """

    def __init__(self, on_change: Callable[[bytes | None], None]) -> None:
        self._on_change = on_change

    def replace(self, bundles: Iterable[bytes], /) -> None:
        """Receive the bundle from a list."""
        self._on_change(next(iter(bundles), None))

    def upsert(self, bundle: bytes, /) -> None:
        """Receive the bundle of a changed configuration."""
        self._on_change(bundle)

    def delete(self, _bundle: bytes, /) -> None:
        """Report that there is no bundle any more."""
        self._on_change(None)


def configuration_selection(name: str) -> ListOptions:
    """The list options for the configuration *name* alone: the right to watch it by name is enough."""
    collection = paths.mutating_webhook_configuration("").removesuffix("/")
    return ListOptions(collection, field_selector=f"metadata.name={name}")


def ca_bundle_of(manifest: Object) -> bytes:
    """The PEM text in the entry for Pods; empty if it, or the entry, is missing."""
    return next(map(_ca_bundle, _entries(manifest, WEBHOOK)), b"")


def _entries(manifest: Object, *names: str) -> list[Object]:
    """The entries with these names that there are, in stored order."""
    entries = manifest.get("webhooks")
    listed = entries if isinstance(entries, list) else []
    return [entry for entry in listed if isinstance(entry, dict) and entry.get("name") in names]


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
    except (ValueError, TypeError, KeyError, AttributeError):
        return b""
