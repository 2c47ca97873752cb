"""Reads and writes of the data of existing Secrets; the chart creates them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_malformed_object, explain_missing_object
from app.kubernetes.list_options import Object
from app.kubernetes.object_types import checked


@dataclass(frozen=True, slots=True, repr=False)
class SecretSnapshot:
    """A Secret as it was read, with its resourceVersion. It has no repr, so that no key gets into a log."""

    manifest: Object
    data: Mapping[str, bytes]


class SecretStore:
    """One Secret."""

    def __init__(self, client: ClusterClient, namespace: str, name: str) -> None:
        self._client = client
        self._path = paths.secret(namespace, name)
        self._title = f"Secret {namespace}/{name}"

    async def read(self) -> SecretSnapshot:
        """The current Secret; NotFoundError, with advice, if it is missing."""
        with explain_missing_object(self._title):
            return self._snapshot(await self._client.get(self._path))

    async def write(self, snapshot: SecretSnapshot, data: Mapping[str, bytes]) -> SecretSnapshot:
        """Replace all data by *data*; ConflictError if the Secret changed since *snapshot*."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        with explain_missing_object(self._title):
            return self._snapshot(
                await self._client.replace(self._path, snapshot.manifest | {"data": encoded})
            )

    def _snapshot(self, manifest: Object) -> SecretSnapshot:
        with explain_malformed_object(self._title):
            return SecretSnapshot(manifest, secret_data(checked(manifest)))


class CachedSecret:
    """A Secret that the chart renders empty, with a cache of its data; writing on an outdated cache fails."""

    def __init__(self, client: ClusterClient, namespace: str, name: str) -> None:
        self._secret = SecretStore(client, namespace, name)
        self._snapshot: SecretSnapshot | None = None

    @property
    def cached_data(self) -> Mapping[str, bytes]:
        """The data of the last read or write."""
        return self._snapshot.data if self._snapshot else {}

    async def read(self) -> Mapping[str, bytes]:
        """The current data."""
        self._snapshot = await self._secret.read()
        return self._snapshot.data

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Replace all data by *data*; ConflictError if the Secret changed since the last read or write."""
        snapshot = self._snapshot or await self._secret.read()
        self._snapshot = await self._secret.write(snapshot, data)


def secret_data(manifest: Object) -> dict[str, bytes]:
    """The decoded data of a Secret's manifest."""
    name = manifest["metadata"]["name"]
    try:
        return {key: base64.b64decode(value or "") for key, value in (manifest.get("data") or {}).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ClusterError(f"Secret {name}: its data is not base64: {error}") from error
