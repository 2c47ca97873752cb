"""Which namespaces are profiled now: what the settings list, and what others tell of labels; no I/O."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.errors import UnavailableError
from app.history.checkpoint.codec import AskedNamespaces
from app.settings.environment import Settings
from app.sources.queries import Scope

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
    """Answers from memory. A change swaps one whole `Scope` for another, so that any thread may ask."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings, self._clock = settings, clock
        self._opted_out: list[MatchedNamespaces] = []
        self._selected: list[MatchedNamespaces] = []
        self._arrived: set[str] = set()
        self._scope = self._compose()

    def opted_out(self) -> MatchedNamespaces:
        """A new receiver of namespaces that opted out."""
        self._opted_out.append(MatchedNamespaces(lambda _joined, left: self._admit(left)))
        return self._opted_out[-1]

    def selected(self) -> MatchedNamespaces:
        """A new receiver of namespaces that are selected; from the first one on, no others are profiled."""
        self._selected.append(MatchedNamespaces(lambda joined, _left: self._admit(joined)))
        self._scope = self._compose()
        return self._selected[-1]

    @property
    def is_listed(self) -> bool:
        """False while one of its receivers has not been told anything; `current` means nothing until then."""
        return all(matched.is_listed for matched in (*self._opted_out, *self._selected))

    async def until_listed(self) -> None:
        """Wait for `is_listed`; UnavailableError where it takes too long."""
        try:
            async with asyncio.timeout(_LISTED_WITHIN_SECONDS):
                while not self.is_listed:  # noqa: ASYNC110 - filled by watches without an event
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise UnavailableError("the namespaces could not be listed yet") from error

    def current(self) -> Scope:
        """The scope of this moment."""
        return self._scope

    def asked(self) -> AskedNamespaces:
        """The same, as check-points remember it."""
        scope = self._scope
        included = None if scope.included is None else frozenset(scope.included)
        return AskedNamespaces(included, frozenset(scope.excluded))

    def covers(self, namespace: str) -> bool:
        """True where *namespace* is profiled now."""
        return self._scope.covers(namespace)

    def arrivals(self) -> frozenset[str]:
        """The namespaces that came into scope since the last call, and have a past that nobody asked for."""
        arrived, self._arrived = self._arrived, set()
        return frozenset(filter(self.covers, arrived))

    def _admit(self, newcomers: Records) -> None:
        now = self._clock()
        self._arrived |= {record.name for record in newcomers if record.has_past(now)}
        self._scope = self._compose()

    def _compose(self) -> Scope:
        settings = self._settings
        listed = frozenset(settings.profiling_namespace) or None
        included = listed
        if self._selected:
            selected = _names(self._selected)
            included = selected if listed is None else selected & listed
        return Scope(
            included,
            _names(self._opted_out) | {*settings.excluded_namespaces, settings.own_namespace},
            settings.prometheus_cluster,
            settings.prometheus_cluster_label,
        )


def _names(receivers: Iterable[MatchedNamespaces]) -> frozenset[str]:
    return frozenset(name for matched in receivers for name in matched.names)
