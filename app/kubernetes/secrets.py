"""Reads and replaces the data of Secrets that exist; which ones exist is the chart's decision."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.list_options import Object


@dataclass(frozen=True, slots=True, repr=False)
class SecretSnapshot:
    """A Secret as it was read; a write rests on it. Has no repr, since keys would end up in a log."""

    manifest: Object
    data: Mapping[str, bytes]


class SecretStore:
    """One Secret."""

    def __init__(self, client: ClusterClient, namespace: str, name: str) -> None:
        self._client = client
        self._path = paths.secret(namespace, name)
        self._title = f"Secret {namespace}/{name}"

    async def read(self) -> SecretSnapshot:
        """The Secret now; NotFoundError says what to do where it is missing."""
        with rendered_by_chart(self._title):
            return self._snapshot(await self._client.get(self._path))

    async def write(self, snapshot: SecretSnapshot, data: Mapping[str, bytes]) -> SecretSnapshot:
        """Put *data* in place of all data; ConflictError where the Secret changed since *snapshot*."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        with rendered_by_chart(self._title):
            return self._snapshot(
                await self._client.replace(self._path, snapshot.manifest | {"data": encoded})
            )

    def _snapshot(self, manifest: Object) -> SecretSnapshot:
        return SecretSnapshot(manifest, secret_data(manifest))


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


def secret_data(manifest: Object) -> dict[str, bytes]:
    """The decoded data of a Secret's manifest, as a read or a watch gives it."""
    name = manifest["metadata"]["name"]
    try:
        return {key: base64.b64decode(value or "") for key, value in (manifest.get("data") or {}).items()}
    except binascii.Error as error:
        raise ClusterError(f"Secret {name}: its data is not base64: {error}") from error
