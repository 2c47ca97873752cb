"""Plans Events on workloads: a profile was created, changed by a large factor, or removed; pure.

All changes of one cycle with the same workload and reason make one Event. A change of a connection counts for
its source.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import groupby

from app.domain.api_versions import API_VERSIONS
from app.domain.fair_shares import in_turn
from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.workloads import NAMED_KINDS, Connection, Workload
from app.profiler.profile_write import ProfileWrite
from app.profiler.workload_event import EventReason, WorkloadEvent

# A change by more than this factor causes an Event: 50 % up, or a third down.
EVENT_FACTOR = Decimal("1.5")
_MAX_LISTED = 8
_KIND_ORDER = list(ProfileKind)
_NOTHING: Mapping[Identity, str] = {}
_PREFIXES = {
    EventReason.EXPIRED: "no new samples, so removed: ",
    EventReason.REQUESTS: "the webhook sets for new Pods, within LimitRanges and quotas: ",
}


@dataclass(frozen=True, slots=True)
class _ProfileChange:
    """One change of a profile; `values` is the text of the new or both values."""

    reason: EventReason
    identity: Identity
    values: str

    @property
    def workload(self) -> Workload:
        """The workload that the Event is on."""
        subject = self.identity.subject
        return subject.source if isinstance(subject, Connection) else subject

    def __str__(self) -> str:
        """The change as part of a message."""
        if self.reason is EventReason.REQUESTS:
            return self.values
        kind, subject = self.identity.kind, self.identity.subject
        if isinstance(subject, Connection):
            return f"{self.values} requests and responses a minute to {subject.destination}"
        return f"CPU {self.values} cores" if kind is ProfileKind.CPU else f"memory {self.values} bytes"


def plan_events(
    written: Iterable[ProfileWrite],
    removed: Iterable[StoredProfile],
    uids: Mapping[Workload, str],
    in_scope: Callable[[str], bool],
    request_changes: Mapping[Identity, str] = _NOTHING,
) -> list[WorkloadEvent]:
    """The Events after *written* was written and *removed* was removed, highest priority first.

    Of those with the same reason, namespaces have one each in turn: only so many are recorded.
    *uids* are those of the existing objects. Repeated runs are profiled under a common name; if no object has
    that name, there is no Event. *request_changes* has the changes of what the webhook sets, by profile.
    """
    changes_by_event: dict[tuple[EventReason, Workload], list[_ProfileChange]] = {}
    requests = (
        _ProfileChange(EventReason.REQUESTS, identity, text) for identity, text in request_changes.items()
    )
    for change in (*requests, *_written_changes(written), *_removed_changes(removed)):
        changes_by_event.setdefault((change.reason, change.workload), []).append(change)
    events = [
        WorkloadEvent(workload, api_version, uids.get(workload, ""), reason, _message(reason, changes))
        for (reason, workload), changes in sorted(changes_by_event.items(), key=_rank)
        if (api_version := API_VERSIONS.get(workload.kind))
        and (workload.kind in NAMED_KINDS or workload in uids)
        and in_scope(workload.namespace)
    ]
    by_reason = (list(same) for _, same in groupby(events, key=lambda event: event.reason))
    return [event for same in by_reason for event in in_turn(same, lambda event: event.workload.namespace)]


def _rank(item: tuple[tuple[EventReason, Workload], object]) -> tuple[int, Workload]:
    (reason, workload), _ = item
    return list(EventReason).index(reason), workload


def _written_changes(writes: Iterable[ProfileWrite]) -> Iterator[_ProfileChange]:
    """New profiles and large changes; changes of connections are too frequent for Events."""
    for write in writes:
        identity, value = write.profile.identity, write.profile.value
        if write.stored_value is None:
            yield _ProfileChange(EventReason.CREATED, identity, value)
        elif identity.kind is not ProfileKind.CONNECTION and _is_large_change(write.stored_value, value):
            yield _ProfileChange(EventReason.CHANGED, identity, f"{write.stored_value} → {value}")


def _removed_changes(profiles: Iterable[StoredProfile]) -> Iterator[_ProfileChange]:
    return (_ProfileChange(EventReason.EXPIRED, profile.identity, profile.value) for profile in profiles)


def _is_large_change(before: str, after: str) -> bool:
    try:
        old, new = Decimal(before), Decimal(after)
    except InvalidOperation:
        return False  # the stored value was not a number
    return old.is_finite() and (new > EVENT_FACTOR * old or old > EVENT_FACTOR * new)


def _message(reason: EventReason, changes: list[_ProfileChange]) -> str:
    changes.sort(key=lambda change: (_KIND_ORDER.index(change.identity.kind), change.identity.subject))
    listed, more = changes[:_MAX_LISTED], len(changes) - _MAX_LISTED
    text = ", ".join([*map(str, listed), *([f"and {more} more"] if more > 0 else [])])
    return f"{_PREFIXES[reason]}{text}" if reason in _PREFIXES else text
