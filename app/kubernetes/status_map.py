"""The status ConfigMap: health of data sources, workloads without a profile, result of the self-probe."""

from typing import Any

import msgspec

from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.error_text import UNDECODABLE
from app.kubernetes.failures import explain_missing_object
from app.kubernetes.list_options import Object

NAME = "job-profiler-status"
REPORT, PROBE = "status.json", "probe.json"


class StatusMap:
    """The JSON document under one *key*; writes leave other keys unchanged."""

    def __init__(self, client: ClusterClient, namespace: str, key: str = REPORT) -> None:
        self._client = client
        self._key = key
        self._path = paths.config_map(namespace, NAME)
        self._title = f"ConfigMap {namespace}/{NAME}"

    async def read(self) -> Object | None:
        """The document; None if it is missing or not a JSON object."""
        return (await self.read_all()).get(self._key)

    async def read_all(self) -> dict[str, Object]:
        """The valid documents of all keys."""
        with explain_missing_object(self._title):
            config_map = await self._client.get(self._path)
        data = config_map.get("data")
        documents = {key: _decode(text) for key, text in (data if isinstance(data, dict) else {}).items()}
        return {key: document for key, document in documents.items() if document is not None}

    async def write(self, document: dict[str, Any]) -> None:
        """Replace the document."""
        text = msgspec.json.encode(document).decode()
        with explain_missing_object(self._title):
            await self._client.patch(self._path, {"data": {self._key: text}})


def _decode(text: object) -> Object | None:
    try:
        return msgspec.json.decode(text, type=Object) if isinstance(text, str) else None
    except UNDECODABLE:
        return None
