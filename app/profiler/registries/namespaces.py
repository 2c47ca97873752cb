"""The profiled namespaces, from settings and from watches of namespaces; no I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.namespaces import NamespaceSelection
from app.errors import UnavailableError
from app.periodic import wait_synced

# A namespace that is labelled at its creation, or soon after, has no history to read.
_YOUNG = timedelta(seconds=30)
_LISTED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """The record of a Namespace; `is_terminating` while it is being deleted."""

    name: str
    created_at: datetime | None = None
    is_terminating: bool = False

    def has_history(self, now: datetime) -> bool:
        """True if its Pods may have run for a while already."""
        is_young = self.created_at is not None and now - self.created_at < _YOUNG
        return not self.is_terminating and not is_young


Records = Iterable[NamespaceRecord]


class MatchedNamespaces:
    """The namespaces that match one watch; *on_change* receives those that were added and removed.

    The watch is of one *namespace* by its name, or of all if it is empty.
    """

    def __init__(self, on_change: Callable[[Records, Records], None], namespace: str = "") -> None:
        self._on_change, self.namespace = on_change, namespace
        self._records: dict[str, NamespaceRecord] = {}
        self.is_listed = False

    @property
    def names(self) -> Iterable[str]:
        """The names that match now."""
        return self._records

    def replace(self, records: Records, /) -> None:
        """Replace all; the first list is the initial state and so adds no namespace."""
        before, self._records = self._records, {record.name: record for record in records}
        added = [record for name, record in self._records.items() if self.is_listed and name not in before]
        self.is_listed = True
        self._on_change(added, [record for name, record in before.items() if name not in self._records])

    def upsert(self, record: NamespaceRecord, /) -> None:
        """Store a namespace that matches."""
        added = [] if record.name in self._records else [record]
        self._records[record.name] = record
        self._on_change(added, [])

    def delete(self, record: NamespaceRecord, /) -> None:
        """Remove a namespace that was deleted or matches no more."""
        if self._records.pop(record.name, None):
            self._on_change([], [record])


class NamespaceScope:
    """The profiled namespaces, from memory.

    The *named* ones are profiled, without the namespaces with the opt-out label; with receivers of selected
    namespaces, only the selected ones. A change replaces the whole selection, so any thread may read it.

    A namespace with a watch of its own is not profiled before that watch has a list: it may have opted out.
    `have_watches_settled` is True once each watch has a list or is known to fail.
    """

    def __init__(
        self,
        named: NamespaceSelection,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._named, self._clock = named, clock
        self._opted_out: list[MatchedNamespaces] = []
        self._selected: list[MatchedNamespaces] = []
        self.have_watches_settled: Callable[[], bool] = lambda: False
        self._added: set[str] = set()
        self._unlisted: frozenset[str] = frozenset()
        self._selection = self._select()

    def new_opted_out(self, namespace: str = "") -> MatchedNamespaces:
        """A new receiver of the namespaces that opted out."""
        receiver = MatchedNamespaces(lambda _added, removed: self._update(removed), namespace)
        self._opted_out.append(receiver)
        self._update(())
        return receiver

    def new_selected(self, namespace: str = "") -> MatchedNamespaces:
        """A new receiver of selected namespaces; once there is one, no other namespaces are profiled."""
        receiver = MatchedNamespaces(lambda added, _removed: self._update(added), namespace)
        self._selected.append(receiver)
        self._update(())
        return receiver

    @property
    def is_listed(self) -> bool:
        """True once each receiver has its first list; `current` is incomplete before."""
        return all(matched.is_listed for matched in (*self._opted_out, *self._selected))

    @property
    def is_settled(self) -> bool:
        """True once each receiver has its first list, or only such of single namespaces can't get theirs."""
        of_all = (matched for matched in (*self._opted_out, *self._selected) if not matched.namespace)
        return self.is_listed or (
            self.have_watches_settled() and all(matched.is_listed for matched in of_all)
        )

    async def until_settled(self) -> None:
        """Wait for `is_settled`; raises UnavailableError after a minute."""
        try:
            await wait_synced(lambda: self.is_settled, within_seconds=_LISTED_WITHIN_SECONDS)
        except TimeoutError as error:
            raise UnavailableError("the namespaces could not be listed yet") from error

    def current(self) -> NamespaceSelection:
        """The namespaces that are profiled now, or once the watch of that namespace has a list."""
        return self._selection

    def covers(self, namespace: str) -> bool:
        """True if *namespace* is profiled."""
        return namespace not in self._unlisted and self._selection.covers(namespace)

    def take_added(self) -> frozenset[str]:
        """The namespaces that came into scope since the last call and have a history that was not queried."""
        added, self._added = self._added, set()
        return frozenset(filter(self.covers, added))

    def _update(self, added: Records) -> None:
        now = self._clock()
        self._added |= {record.name for record in added if record.has_history(now)}
        self._selection = self._select()
        self._unlisted = _unlisted((*self._opted_out, *self._selected))

    def _select(self) -> NamespaceSelection:
        included = self._named.included
        if self._selected:
            selected = _names(self._selected) | _unlisted(self._selected)
            included = selected if included is None else selected.intersection(included)
        return NamespaceSelection(included, _names(self._opted_out).union(self._named.excluded))


def _unlisted(receivers: Iterable[MatchedNamespaces]) -> frozenset[str]:
    """The single namespaces of receivers without a list."""
    names = {matched.namespace for matched in receivers if not matched.is_listed}
    return frozenset(filter(None, names))


def _names(receivers: Iterable[MatchedNamespaces]) -> frozenset[str]:
    return frozenset(name for matched in receivers for name in matched.names)
