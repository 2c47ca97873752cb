"""Check-points as ConfigMaps of the release's own namespace, one a piece, found by their label.

They belong to the ConfigMap of the status, which the chart renders: they go with the release.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from app.errors import ClusterError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.status_map import NAME as OWNER

PREFIX = "job-profiler-checkpoint-"
KEY = "checkpoint"
LABEL = "job-profiler.liqo.io/checkpoint"
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{12}}")  # what bears the label by another name is somebody else's
_LABELS = {LABEL: "true", "app.kubernetes.io/part-of": "job-profiler"}


class CheckpointMaps:
    """All check-points of one release; every write rests on the version that was read."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._owner: list[Object] = []

    async def versions(self) -> Mapping[str, str]:
        """The resourceVersion of each, by name."""
        collection = paths.config_maps(self._namespace)
        listing = await self._client.list_all(
            ListOptions(collection, label_selector=LABEL, metadata_only=True)
        )
        found = (item["metadata"] for item in listing.items)
        return {
            metadata["name"].removeprefix(PREFIX): metadata["resourceVersion"]
            for metadata in found
            if _NAME.fullmatch(metadata["name"])
        }

    async def read(self, name: str) -> bytes | None:
        """Its content; empty where it holds none that could be read."""
        try:
            config_map = await self._client.get(self._path(name))
        except NotFoundError:
            return None
        try:
            return base64.b64decode((config_map.get("binaryData") or {}).get(KEY) or "", validate=True)
        except binascii.Error:
            return b""

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Create it, or replace just that *version*."""
        metadata: dict[str, Any] = {
            "name": PREFIX + name,
            "namespace": self._namespace,
            "labels": _LABELS,
            "ownerReferences": await self._owners(),
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": {KEY: base64.b64encode(data).decode()},
        }
        if version is None:
            written = await self._client.create(paths.config_maps(self._namespace), manifest)
        else:
            metadata["resourceVersion"] = version
            written = await self._client.replace(self._path(name), manifest)
        stored: str = written["metadata"]["resourceVersion"]
        return stored

    async def remove(self, name: str, version: str) -> None:
        """Delete just that *version*; one that is gone is as good."""
        try:
            await self._client.delete(self._path(name), resource_version=version)
        except NotFoundError:
            return

    async def _owners(self) -> list[Object]:
        if not self._owner:
            with rendered_by_chart(f"ConfigMap {self._namespace}/{OWNER}"):
                found = await self._client.get(paths.config_map(self._namespace, OWNER))
            uid = found["metadata"].get("uid")
            if not uid:
                raise ClusterError(f"ConfigMap {self._namespace}/{OWNER} has no uid")
            self._owner = [{"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": uid}]
        return self._owner

    def _path(self, name: str) -> str:
        return paths.config_map(self._namespace, PREFIX + name)
