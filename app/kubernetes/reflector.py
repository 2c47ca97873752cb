"""A collection kept in step with the API server: list, watch, and list again where the watch can't tell."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import NoReturn, Protocol

import structlog

from app.errors import ClusterError, ExpiredError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.contact import Contact
from app.kubernetes.selections import Object, Selection, WatchEvent
from app.periodic import Backoff

log = structlog.get_logger(__name__)

_SHORTEST_WATCH_SECONDS = 240.0
_LONGEST_WATCH_SECONDS = 600.0
# An API server that can't serve a resourceVersion may answer with empty watches that end at once, for ever.
_EMPTY_WATCHES_UNTIL_LIST = 3


class Sink(Protocol):
    """What takes the objects; it is called from one task and never waits."""

    def replace(self, objects: Iterable[Object], /) -> None:
        """Take the whole list: what is not in it is gone."""

    def upsert(self, manifest: Object, /) -> None:
        """Take an object that appeared or changed."""

    def delete(self, manifest: Object, /) -> None:
        """Take an object that vanished."""


def without_managed_fields(manifest: Object) -> Object:
    """The object without the record of who owns which field, often more than half of it."""
    manifest["metadata"].pop("managedFields", None)
    return manifest


class Reflector:
    """Feeds a sink for ever; the sink keeps what it knows while the API server is away."""

    def __init__(
        self,
        client: ClusterClient,
        selection: Selection,
        sink: Sink,
        *,
        keep: Callable[[Object], Object] = without_managed_fields,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*keep* cuts each object down to what the sink needs, page by page, before a whole list is in memory."""
        self._client = client
        self._selection = selection
        self._sink = sink
        self._keep = keep
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._contact = Contact(selection.path)
        self._resource_version = ""
        self.is_synced = False
        self.last_contact: float | None = None

    async def run(self) -> NoReturn:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                await self._watch()
            except ClusterError as error:
                await asyncio.sleep(self._pause_after(error))

    async def _list(self) -> None:
        kept: list[Object] = []
        resource_version = ""
        async for page in self._client.pages(self._selection, Object):
            self.last_contact = self._clock()
            if page.is_first:
                kept.clear()
            kept += map(self._keep, page.items)
            resource_version = page.resource_version
        self._sink.replace(kept)
        self._resource_version = resource_version
        self.is_synced = True
        log.debug("listed", path=self._selection.path, objects=len(kept))

    async def _watch(self) -> None:
        """Follow one watch to its end."""
        began, changes = self._clock(), 0
        timeout_seconds = random.uniform(_SHORTEST_WATCH_SECONDS, _LONGEST_WATCH_SECONDS)  # noqa: S311 - spreads load
        try:
            async with self._client.watch(
                self._selection, self._resource_version, timeout_seconds=timeout_seconds
            ) as events:
                self.last_contact = self._clock()
                async for event in events:
                    changes += self._take(event)
        finally:
            if self._clock() - began >= self._backoff.limit_seconds:
                self._backoff.reset()
                lasted = True
        ...
