"""The lists that decisions rest on: the first error ends all others."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from app.command_line.cluster_objects import ClusterObjects
from app.command_line.plan import read_cluster
from app.command_line.stored_figures import read_stored_figures
from app.errors import UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import Listing, ListOptions
from app.settings.environment import read_settings


@dataclass
class StuckClient:
    """Fails to list *broken* when another list is open, and never ends the others."""

    broken: str
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    running: set[str] = field(default_factory=set)

    async def list_all(self, selection: ListOptions) -> Listing:
        """The error, or nothing until it is cancelled."""
        if self.broken in selection.path:
            await self.opened.wait()
            raise UnavailableError(f"{self.broken} can't be listed")
        self.running.add(selection.path)
        self.opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.remove(selection.path)
        raise AssertionError("never set")


@pytest.mark.parametrize(
    ("broken", "read"),
    [
        ("cpuprofiles", read_stored_figures),
        ("horizontalpodautoscalers", read_stored_figures),
        ("resourcequotas", lambda objects: read_cluster(read_settings({}), objects)),
        ("memoryprofiles", ClusterObjects.profiles),
        ("horizontalpodautoscalers", ClusterObjects.governors),
        ("deployments", ClusterObjects.workloads),
    ],
)
async def test_the_first_error_ends_the_other_lists(
    broken: str, read: Callable[[ClusterObjects], Awaitable[object]]
) -> None:
    """What went on would fail when its connection closes, with a traceback for an error that is known."""
    client = StuckClient(broken)

    with pytest.raises(UnavailableError, match=f"{broken} can't be listed"):
        await read(ClusterObjects(cast("ClusterClient", client), "profiling", "profiling"))

    assert client.opened.is_set()
    assert not client.running
