"""A reflector that runs in the background, and a sink that records names."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from app.kubernetes.list_options import Object
from app.kubernetes.reflector import Reflector


class NameSink:
    """A sink that keeps the names of objects, and records its calls."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.calls: list[str] = []

    def replace(self, objects: Iterable[Object]) -> None:
        """Replace all names."""
        self.names = {manifest["metadata"]["name"] for manifest in objects}
        self.calls.append("replace")

    def upsert(self, manifest: Object) -> None:
        """Add a name."""
        self.names.add(manifest["metadata"]["name"])
        self.calls.append("upsert")

    def delete(self, manifest: Object) -> None:
        """Remove a name."""
        self.names.discard(manifest["metadata"]["name"])
        self.calls.append("delete")


@asynccontextmanager
async def running(reflector: Reflector[Any]) -> AsyncIterator[None]:
    """Runs the reflector in the background; fails if it ends before the block does."""
    task = asyncio.create_task(reflector.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task})
