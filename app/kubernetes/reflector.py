"""Reflector: keeps a sink in sync with a collection by list and watch.

A watch that ends, or that an outage interrupts, is resumed from the last resourceVersion. The reflector
relists only if that can't be used any more: after any other error, and after several watches without events.

An object of other types than the API's, or one that the sink can't use, is left out and counted: it never
ends the process, and never delays the others. A line that is no event is left out too; the next watch then
begins with a new list, since it may have been a deletion. A watch of nothing but such lines is a fault.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import msgspec
import structlog

from app.errors import ClusterError, ExpiredError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import UNREADABLE, ListOptions, Object, WatchEvent
from app.kubernetes.object_types import checked, name_of, readable
from app.outage_log import contact_log
from app.periodic import Backoff

log = structlog.get_logger(__name__)

_MIN_WATCH_SECONDS = 240.0
_MAX_WATCH_SECONDS = 600.0
_OUTAGE_SECONDS = 60.0
# An API server that can't serve a resourceVersion may end every watch at once, without events or an error.
_EMPTY_WATCHES_UNTIL_RELIST = 3


Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Sink(Protocol[Item_contra]):
    """The receiver of the objects; called from a single task, never blocks."""

    def replace(self, objects: Iterable[Item_contra], /) -> None:
        """Replace all objects by a complete list."""

    def upsert(self, manifest: Item_contra, /) -> None:
        """Add or update an object."""

    def delete(self, manifest: Item_contra, /) -> None:
        """Remove an object."""


def drop_managed_fields(manifest: Object) -> Object:
    """Remove `managedFields`, which is often more than half of the object; returns the same object."""
    manifest["metadata"].pop("managedFields", None)
    return manifest


@dataclass(eq=False)
class Reflector(Generic[Item]):
    """Keeps a sink in sync; the sink keeps its objects during an outage of the API server.

    `transform` reduces each object to what the sink needs, before the next object is decoded.
    `is_synced` is True from the first complete list on.
    `last_contact` is the time of the last response or event, a bookmark included, on `clock`.
    `left_out` counts the objects and lines that were left out, each time that they were received.
    An error of `absent_if` is an empty list, and is tried again: of a resource that the API server may not
    know, or that the account may have no right to list. While that is so, the resource `is_absent`.
    `on_error` is called for each failed attempt; the next attempt follows in any case.
    `fault` is the error of the last attempts; None while a watch is open. It may become None for a moment if
    the API server opens each watch and sends nothing that is an event.
    `has_settled` is True after the first list, when the API server refuses the list, or after an outage of a
    minute. What waits for several reflectors waits for this, so that one that fails stops no other.
    """

    client: ClusterClient
    selection: ListOptions
    sink: Sink[Item]
    _: KW_ONLY
    transform: Callable[[Object], Item] = drop_managed_fields  # type: ignore[assignment]  # for a sink of objects
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    on_error: Callable[[ClusterError], None] = lambda _error: None
    absent_if: tuple[type[ClusterError], ...] = ()
    is_synced: bool = field(default=False, init=False)
    is_absent: bool = field(default=False, init=False)
    last_contact: float | None = field(default=None, init=False)
    left_out: int = field(default=0, init=False)
    fault: ClusterError | None = field(default=None, init=False)
    has_settled: bool = field(default=False, init=False)
    _failing_since: float | None = field(default=None, init=False)
    _resource_version: str = field(default="", init=False)
    _must_relist: bool = field(default=False, init=False)
    _last_left_out: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._contact = contact_log(log, self.selection.path)

    @property
    def silent_seconds(self) -> float | None:
        """The seconds since the last contact; None before the first."""
        return None if self.last_contact is None else self.clock() - self.last_contact

    @property
    def failing_seconds(self) -> float:
        """The seconds for which all attempts have failed; 0 while a watch is open.

        After the first list, a later list counts as a success, also if the API server then refuses the watch.
        """
        if self.fault is None or self._failing_since is None:
            return 0.0
        contact = self.last_contact if self.is_synced and self.last_contact is not None else 0.0
        return self.clock() - max(self._failing_since, contact)

    async def run(self) -> NoReturn:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._resource_version or self._must_relist:
                    await self._list()
                await self._watch()
            except ClusterError as error:
                self.on_error(error)
                await asyncio.sleep(self._handle_failure(error))

    async def _list(self) -> None:
        items: list[Item] = []
        resource_version = ""
        async for page in self.client.pages(self.selection, msgspec.Raw):
            self.last_contact = self.clock()
            if page.is_first:
                items.clear()
            items += readable(page.items, self.transform, self._leave_out)
            resource_version = page.resource_version
        if not resource_version:  # of another server: an empty list would remove everything
            raise UnavailableError(f"the list of {self.selection} has no resourceVersion")
        self.sink.replace(items)
        self._resource_version, self._must_relist = resource_version, False
        self.is_synced, self.has_settled, self.is_absent = True, True, False
        log.debug("listed", path=self.selection.path, objects=len(items))

    async def _watch(self) -> None:
        """Run one watch until it ends; pause afterwards if it was short and had no changes."""
        started_at = self.clock()
        try:
            has_changes = await self._receive_events()
        finally:
            was_long = self.clock() - started_at >= self.backoff.limit_seconds
            if was_long:
                self.backoff.reset()
        if self.fault is None:
            self._contact.succeeded()
        if has_changes:
            self.backoff.reset()
        elif not was_long:
            pause = self.backoff.next_pause()
            if self.backoff.failures >= _EMPTY_WATCHES_UNTIL_RELIST:
                self._resource_version = ""
            await asyncio.sleep(pause)

    async def _receive_events(self) -> bool:
        """Run one watch; True if it had at least one change."""
        has_changes = False
        seconds = random.uniform(_MIN_WATCH_SECONDS, _MAX_WATCH_SECONDS)  # noqa: S311 - spreads load
        async with self.client.watch(
            self.selection, self._resource_version, timeout_seconds=seconds
        ) as events:
            self.last_contact = self.clock()
            self.fault = self._failing_since = None
            async for event in events:
                has_changes |= self._apply(event)
        return has_changes

    def _apply(self, event: WatchEvent) -> bool:
        """Pass the event to the sink; False for a bookmark, and for a line that is no event."""
        if event.kind == UNREADABLE:
            self._must_relist = True
            self._leave_out("", event.fault)
            self._record_fault(UnavailableError(f"a line of the watch is no event: {event.fault}"))
            return False
        self.last_contact = self.clock()
        self.fault = self._failing_since = None
        self._contact.succeeded()
        if event.kind != "BOOKMARK":
            self._change(event)
        self._resource_version = event.resource_version
        return event.kind != "BOOKMARK"

    def _change(self, event: WatchEvent) -> None:
        is_deletion = event.kind == "DELETED"
        try:
            item = self.transform(checked(event.object))
            (self.sink.delete if is_deletion else self.sink.upsert)(item)
        except Exception as error:  # noqa: BLE001 - an object may have any content
            self._must_relist |= is_deletion
            self._leave_out(name_of(event.object), error)

    def _leave_out(self, name: str, fault: object) -> None:
        """Count what was left out; the log has each object once in a row."""
        self.left_out += 1
        if name != self._last_left_out or self.left_out == 1:
            self._last_left_out = name
            log.warning("object_left_out", path=self.selection.path, name=name, fault=str(fault)[:400])

    def _handle_failure(self, error: ClusterError) -> float:
        """Log a failed attempt, and plan a relist unless it was an outage; returns the pause in seconds."""
        pause = self.backoff.next_pause()
        if isinstance(error, self.absent_if):
            self._handle_absence()
            return pause
        if isinstance(error, UnavailableError):
            pause = max(pause, error.retry_after_seconds or 0)
        else:
            self._resource_version = ""
        # A single expired watch is normal; a second one without an event in between is an outage.
        if not isinstance(error, ExpiredError) or self.backoff.failures > 1:
            self._contact.failed(error)
            self._record_fault(error)
        return pause

    def _handle_absence(self) -> None:
        """There are no objects for this account, which is no fault."""
        self.is_absent = True
        self.sink.replace(())
        self._resource_version, self.last_contact = "", self.clock()
        self.is_synced = self.has_settled = True
        self.fault = self._failing_since = None

    def _record_fault(self, error: ClusterError) -> None:
        self.fault, now = error, self.clock()
        self._failing_since = now if self._failing_since is None else self._failing_since
        is_refused = not isinstance(error, UnavailableError | ExpiredError)
        self.has_settled |= is_refused or now - self._failing_since >= _OUTAGE_SECONDS


async def run_reflectors(reflectors: Iterable[Reflector[Any]]) -> None:
    """Run all *reflectors* until cancelled."""
    async with asyncio.TaskGroup() as watches:
        for reflector in reflectors:
            watches.create_task(reflector.run())
