"""Check-points stored as labelled ConfigMaps in the release's own namespace, one per shard.

Their owner is the status ConfigMap, which the chart renders: they are deleted together with the release.
"""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.errors import ClusterError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_malformed_object, explain_missing_object
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import MalformedObjectError, checked
from app.kubernetes.status_map import NAME as OWNER

PREFIX = "job-profiler-checkpoint-"
KEY = "checkpoint"
LABEL = "job-profiler.liqo.io/checkpoint"
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{12}}")  # labelled ConfigMaps with other names are not ours
_LABELS = {LABEL: "true", "app.kubernetes.io/part-of": "job-profiler"}


class CheckpointMaps:
    """All check-points of one release; a write succeeds only on the version that was read."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    async def versions(self) -> Mapping[str, str]:
        """The resourceVersion of each check-point, by name."""
        collection = paths.config_maps(self._namespace)
        listing = await self._client.list_all(
            ListOptions(collection, label_selector=LABEL, metadata_only=True)
        )
        found: dict[str, str] = {}
        for item in listing.items:
            with suppress(MalformedObjectError):
                metadata = checked(item)["metadata"]
                if _NAME.fullmatch(metadata["name"]) and metadata.get("resourceVersion"):
                    found[metadata["name"].removeprefix(PREFIX)] = metadata["resourceVersion"]
        return found

    async def read(self, name: str) -> bytes | None:
        """The content of a check-point: None if it does not exist, empty if it cannot be decoded."""
        try:
            config_map = await self._client.get(self._path(name))
        except NotFoundError:
            return None
        data = config_map.get("binaryData")
        text = data.get(KEY) if isinstance(data, dict) else None
        try:
            return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            return b""

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Create the check-point, or replace exactly *version*; returns the new resourceVersion.

        Raises:
            ConflictError: another version is stored.
        """
        metadata: dict[str, Any] = {
            "name": PREFIX + name,
            "namespace": self._namespace,
            "labels": _LABELS,
            "ownerReferences": await self._read_owner(),
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": {KEY: base64.b64encode(data).decode()},
        }
        if version is None:
            config_map = await self._client.create(paths.config_maps(self._namespace), manifest)
        else:
            metadata["resourceVersion"] = version
            config_map = await self._client.replace(self._path(name), manifest)
        with explain_malformed_object(f"ConfigMap {metadata['name']}"):
            stored_version: str = checked(config_map)["metadata"]["resourceVersion"]
        return stored_version

    async def remove(self, name: str, version: str) -> None:
        """Delete exactly *version*; does nothing if the check-point does not exist."""
        try:
            await self._client.delete(self._path(name), resource_version=version)
        except NotFoundError:
            return

    async def _read_owner(self) -> list[Object]:
        """The owner as it is now: garbage collection deletes what belongs to one that was replaced."""
        title = f"ConfigMap {self._namespace}/{OWNER}"
        with explain_missing_object(title):
            status_map = await self._client.get(paths.config_map(self._namespace, OWNER))
        with explain_malformed_object(title):
            uid = checked(status_map)["metadata"].get("uid")
        if not uid:
            raise ClusterError(f"{title} has no uid")
        return [{"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": uid}]

    def _path(self, name: str) -> str:
        return paths.config_map(self._namespace, PREFIX + name)
