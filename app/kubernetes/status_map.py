"""The ConfigMap that tells how things stand: the sources, workloads without a profile, the self-probe."""

from typing import Any

import msgspec

from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.list_options import Object

NAME = "job-profiler-status"
REPORT, PROBE = "status.json", "probe.json"


class StatusMap:
    """One JSON document under one *key*; other keys are not touched."""

    def __init__(self, client: ClusterClient, namespace: str, key: str = REPORT) -> None:
        self._client = client
        self._key = key
        self._path = paths.config_map(namespace, NAME)
        self._title = f"ConfigMap {namespace}/{NAME}"

    async def read(self) -> Object | None:
        """The document; None where none was written yet, or what stands there is none."""
        return (await self.read_all()).get(self._key)

    async def read_all(self) -> dict[str, Object]:
        """The documents under all keys."""
        with rendered_by_chart(self._title):
            config_map = await self._client.get(self._path)
        found = {key: _document(text) for key, text in (config_map.get("data") or {}).items()}
        return {key: document for key, document in found.items() if document is not None}

    async def write(self, document: dict[str, Any]) -> None:
        """Replace the document."""
        text = msgspec.json.encode(document).decode()
        with rendered_by_chart(self._title):
            await self._client.patch(self._path, {"data": {self._key: text}})


def _document(text: str) -> Object | None:
    try:
        return msgspec.json.decode(text, type=Object)
    except msgspec.DecodeError:
        return None
