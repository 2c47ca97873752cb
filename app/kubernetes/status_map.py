"""The ConfigMap that holds the state of the sources and the reason for each workload without a profile."""

from typing import Any

import msgspec

from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.selections import Object

NAME = "job-profiler-status"
KEY = "status.json"


class StatusMap:
    """One JSON document under one key; other keys are not touched."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client = client
        self._path = paths.config_map(namespace, NAME)
        self._title = f"ConfigMap {namespace}/{NAME}"

    async def read(self) -> Object | None:
        """The document; None where none was written yet, or what stands there is none."""
        with rendered_by_chart(self._title):
            config_map = await self._client.get(self._path)
        try:
            return msgspec.json.decode((config_map.get("data") or {}).get(KEY, ""), type=Object)
        except msgspec.DecodeError:
            return None

    async def write(self, document: dict[str, Any]) -> None:
        """Replace the document."""
        text = msgspec.json.encode(document).decode()
        with rendered_by_chart(self._title):
            await self._client.patch(self._path, {"data": {KEY: text}})
