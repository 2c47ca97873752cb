"""Which namespaces are profiled now: what the settings list, and what others tell of labels; no I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.namespaces import NamespaceSelection
from app.errors import UnavailableError
from app.periodic import wait_synced

# A namespace that is created with its label, or gets it right afterwards, has nothing to be read of it.
_YOUNG = timedelta(seconds=30)
_LISTED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """What is known of a Namespace; `is_going` once it is being deleted."""

    name: str
    created_at: datetime | None = None
    is_going: bool = False

    def has_past(self, now: datetime) -> bool:
        """True where its Pods may have run for a while already."""
        is_young = self.created_at is not None and now - self.created_at < _YOUNG
        return not self.is_going and not is_young


Records = Iterable[NamespaceRecord]


class MatchedNamespaces:
    """The receiver of one watch: the namespaces that match it. *moved* hears who joined and who left."""

    def __init__(self, moved: Callable[[Records, Records], None]) -> None:
        self._moved = moved
        self._records: dict[str, NamespaceRecord] = {}
        self.is_listed = False

    @property
    def names(self) -> Iterable[str]:
        """Who matches now."""
        return self._records

    def replace(self, records: Records, /) -> None:
        """Take the whole list; nobody joins by the first one, which tells how things stand."""
        before, self._records = self._records, {record.name: record for record in records}
        joined = [record for name, record in self._records.items() if self.is_listed and name not in before]
        self.is_listed = True
        self._moved(joined, [record for name, record in before.items() if name not in self._records])

    def upsert(self, record: NamespaceRecord, /) -> None:
        """Take a namespace that matches."""
        joined = [] if record.name in self._records else [record]
        self._records[record.name] = record
        self._moved(joined, [])

    def delete(self, record: NamespaceRecord, /) -> None:
        """Take a namespace that matches no more, or is gone."""
        if self._records.pop(record.name, None):
            self._moved([], [record])


class NamespaceScope:
    """The profiled namespaces, from memory.

    *listed* names are profiled (empty: all), without the *excluded* names and without the namespaces that
    opted out by their label; with receivers of selected namespaces, only those. A change replaces the whole
    selection, so that any thread may read it.
    """

    def __init__(
        self,
        listed: Iterable[str],
        excluded: Iterable[str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._listed, self._excluded, self._clock = frozenset(listed), frozenset(excluded), clock
        self._opted_out: list[MatchedNamespaces] = []
        self._selected: list[MatchedNamespaces] = []
        self._arrived: set[str] = set()
        self._selection = self._compose()

    def opted_out(self) -> MatchedNamespaces:
        """A new receiver of namespaces that opted out."""
        self._opted_out.append(MatchedNamespaces(lambda _joined, left: self._admit(left)))
        return self._opted_out[-1]

    def selected(self) -> MatchedNamespaces:
        """A new receiver of selected namespaces; from the first one on, no others are profiled."""
        self._selected.append(MatchedNamespaces(lambda joined, _left: self._admit(joined)))
        self._selection = self._compose()
        return self._selected[-1]

    @property
    def is_listed(self) -> bool:
        """True once each receiver got its first list; `current` is incomplete before."""
        return all(matched.is_listed for matched in (*self._opted_out, *self._selected))

    async def until_listed(self) -> None:
        """Wait for `is_listed`; raises UnavailableError after a minute."""
        try:
            await wait_synced(lambda: self.is_listed, within_seconds=_LISTED_WITHIN_SECONDS)
        except TimeoutError as error:
            raise UnavailableError("the namespaces could not be listed yet") from error

    def current(self) -> NamespaceSelection:
        """The profiled namespaces."""
        return self._selection

    def covers(self, namespace: str) -> bool:
        """True if *namespace* is profiled."""
        return self._selection.covers(namespace)

    def arrivals(self) -> frozenset[str]:
        """The namespaces that came into scope since the last call and have a past that was not queried."""
        arrived, self._arrived = self._arrived, set()
        return frozenset(filter(self.covers, arrived))

    def _admit(self, newcomers: Records) -> None:
        now = self._clock()
        self._arrived |= {record.name for record in newcomers if record.has_past(now)}
        self._selection = self._compose()

    def _compose(self) -> NamespaceSelection:
        included = self._listed or None
        if self._selected:
            selected = _names(self._selected)
            included = selected if included is None else selected & included
        return NamespaceSelection(included, _names(self._opted_out) | self._excluded)


def _names(receivers: Iterable[MatchedNamespaces]) -> frozenset[str]:
    return frozenset(name for matched in receivers for name in matched.names)
