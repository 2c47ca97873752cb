"""A collection kept in step with the API server: list, watch, and list again where the watch can't tell."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Generic, NoReturn, Protocol, TypeVar

import msgspec
import structlog

from app.errors import ClusterError, ExpiredError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import translated
from app.kubernetes.list_options import ListOptions, Object, WatchEvent
from app.outage_log import contact_log
from app.periodic import Backoff

log = structlog.get_logger(__name__)

_SHORTEST_WATCH_SECONDS = 240.0
_LONGEST_WATCH_SECONDS = 600.0
# An API server that can't serve a resourceVersion may answer with empty watches that end at once, for ever.
_EMPTY_WATCHES_UNTIL_LIST = 3


_decode = msgspec.json.Decoder(Object).decode
Kept = TypeVar("Kept")
Kept_contra = TypeVar("Kept_contra", contravariant=True)


class Sink(Protocol[Kept_contra]):
    """What takes the objects; it is called from one task and never waits."""

    def replace(self, objects: Iterable[Kept_contra], /) -> None:
        """Take the whole list: what is not in it is gone."""

    def upsert(self, manifest: Kept_contra, /) -> None:
        """Take an object that appeared or changed."""

    def delete(self, manifest: Kept_contra, /) -> None:
        """Take an object that vanished."""


def without_managed_fields(manifest: Object) -> Object:
    """The object without the record of who owns which field, often more than half of it."""
    manifest["metadata"].pop("managedFields", None)
    return manifest


@dataclass(eq=False)
class Reflector(Generic[Kept]):
    """Feeds a sink for ever; the sink keeps what it knows while the API server is away.

    `keep` cuts each object down to what the sink needs before the next is decoded.
    `is_synced` is True since the first whole list; `last_contact` is when the API server last said something.
    `when_failed` hears why an attempt failed; the next one follows all the same.
    """

    client: ClusterClient
    selection: ListOptions
    sink: Sink[Kept]
    _: KW_ONLY
    keep: Callable[[Object], Kept] = without_managed_fields  # type: ignore[assignment]  # for a sink of objects
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    when_failed: Callable[[ClusterError], None] = lambda _error: None
    is_synced: bool = field(default=False, init=False)
    last_contact: float | None = field(default=None, init=False)
    _resource_version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._contact = contact_log(log, self.selection.path)

    @property
    def silent_seconds(self) -> float | None:
        """How long the API server has said nothing; None where it never did."""
        return None if self.last_contact is None else self.clock() - self.last_contact

    async def run(self) -> NoReturn:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                await self._watch()
            except ClusterError as error:
                self.when_failed(error)
                await asyncio.sleep(self._pause_after(error))

    async def _list(self) -> None:
        kept: list[Kept] = []
        resource_version = ""
        async for page in self.client.pages(self.selection, msgspec.Raw):
            self.last_contact = self.clock()
            if page.is_first:
                kept.clear()
            with translated(f"list of {self.selection.path}"):
                kept += (self.keep(_decode(item)) for item in page.items)
            resource_version = page.resource_version
        self.sink.replace(kept)
        self._resource_version = resource_version
        self.is_synced = True
        log.debug("listed", path=self.selection.path, objects=len(kept))

    async def _watch(self) -> None:
        """One watch to its end; then a pause, where it was an empty and short one."""
        began = self.clock()
        try:
            changed = await self._follow()
        finally:
            lasted = self.clock() - began >= self.backoff.limit_seconds
            if lasted:
                self.backoff.reset()
        self._contact.succeeded()
        if changed:
            self.backoff.reset()
        elif not lasted:
            pause = self.backoff.next_pause()
            if self.backoff.failures >= _EMPTY_WATCHES_UNTIL_LIST:
                self._resource_version = ""
            await asyncio.sleep(pause)

    async def _follow(self) -> bool:
        """True where the watch told at least one change."""
        changed = False
        seconds = random.uniform(_SHORTEST_WATCH_SECONDS, _LONGEST_WATCH_SECONDS)  # noqa: S311 - spreads load
        async with self.client.watch(
            self.selection, self._resource_version, timeout_seconds=seconds
        ) as events:
            self.last_contact = self.clock()
            async for event in events:
                changed |= self._take(event)
        return changed

    def _take(self, event: WatchEvent) -> bool:
        self.last_contact = self.clock()
        self._contact.succeeded()
        if event.kind == "DELETED":
            self.sink.delete(self.keep(event.object))
        elif event.kind != "BOOKMARK":
            self.sink.upsert(self.keep(event.object))
        self._resource_version = event.resource_version
        return event.kind != "BOOKMARK"

    def _pause_after(self, error: ClusterError) -> float:
        """Decides what is still known after *error*, and the seconds until the next attempt."""
        pause = self.backoff.next_pause()
        if isinstance(error, UnavailableError):
            pause = max(pause, error.retry_after_seconds or 0)
        else:
            self._resource_version = ""
        # One expired watch is in the ordinary course of things; a second one before any event is not.
        if not isinstance(error, ExpiredError) or self.backoff.failures > 1:
            self._contact.failed(error)
        return pause
