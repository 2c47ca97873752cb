"""Plans the writes of profiles from the stored and the derived ones; pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from operator import itemgetter

from app.domain.catalogue import ProfileCatalogue
from app.domain.fair_shares import take_turns
from app.domain.profile_names import allocate_names
from app.domain.profiles import ConnectionProfile, Profile, ResourceProfile, StoredProfile
from app.domain.value_history import history_with
from app.profiler.cycle.workload_states import is_state_due
from app.profiler.profile_write import ProfileWrite

# A connection's value stays if it changed by less, and so do its bytes. CPU and memory values are stabilized
# already.
DEADBAND = Decimal("0.05")
_ROUNDING_BYTES = 1  # a difference of whole bytes per second that rounding alone may make
STATUS_REFRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """The writes of one cycle in their order, and how many are left to the next one."""

    writes: list[ProfileWrite]
    postponed: int = 0


def order_writes(
    writes: Iterable[ProfileWrite], max_writes: float, is_refused: Callable[[str], bool]
) -> WriteOrder:
    """CPU and memory, then connections, the largest change first; last what was refused before.

    Of equal changes, namespaces have one each in turn. If there are more than *max_writes*, namespaces that
    declare connections take turns whatever the changes are, and the rest is left to the next cycle.
    """

    def priority(write: ProfileWrite) -> tuple[bool, bool, float]:
        return is_refused(write.name), write.is_connection, -write.relative_change

    turns: Counter[tuple[bool, bool, float, str]] = Counter()
    numbered = []
    for write in sorted(writes, key=priority):
        turns[key := (*priority(write), write.tenant)] += 1
        numbered.append((*priority(write), turns[key], write))
    ordered = [write for *_, write in sorted(numbered, key=itemgetter(0, 1, 2, 3))]
    if len(ordered) <= max_writes:
        return WriteOrder(ordered)
    needs = [write for write in ordered if not write.is_connection]
    connections = [write for write in ordered if write.is_connection]
    taken = take_turns(connections, lambda write: write.tenant, int(max_writes) - len(needs))
    in_turn = sorted([*needs, *taken], key=lambda write: is_refused(write.name))
    return WriteOrder(in_turn, len(connections) - len(taken))


def plan_writes(profiles: Iterable[Profile], stored: ProfileCatalogue, now: datetime) -> list[ProfileWrite]:
    """The writes that bring *stored* up to date, in order of identity; empty if nothing changed."""
    derived = {profile.identity: profile for profile in profiles}
    present = {identity: stored.get(identity) for identity in derived}
    names = allocate_names(
        derived, {identity: existing.name for identity, existing in present.items() if existing}, stored.names
    )
    writes = []
    for identity, name in names.items():
        profile, existing = derived[identity], present[identity]
        if existing is None:
            writes.append(ProfileWrite(profile, name, value_changed=True))
        elif _is_value_due(profile, existing):
            writes.append(_rewrite(profile, existing, now, value_changed=True))
        elif _is_status_due(profile, existing, now):
            writes.append(_rewrite(profile, existing, now, value_changed=False))
    return writes


def _rewrite(profile: Profile, stored: StoredProfile, now: datetime, *, value_changed: bool) -> ProfileWrite:
    """The write of a stored profile, with its history; if labels are missing, they are added."""
    history = history_with(stored, profile, now) if isinstance(profile, ResourceProfile) else ()
    unlabelled_since = stored.updated_at if stored.state and not stored.state.has_labels else None
    containers = stored.state.values_by_container if stored.state else {}
    return ProfileWrite(
        profile,
        stored.name,
        value_changed,
        stored.value,
        history,
        unlabelled_since,
        containers,
        stored.policy,
    )


def is_write_due(derived: Profile, stored: StoredProfile | None, now: datetime) -> bool:
    """True if the profile is new, or if its value or its status is to be written."""
    return stored is None or _is_value_due(derived, stored) or _is_status_due(derived, stored, now)


def _is_value_due(derived: Profile, stored: StoredProfile) -> bool:
    """True if the whole object is to be written."""
    return _value_differs(derived, stored.value) or _reporters_differ(derived, stored)


def _is_status_due(derived: Profile, stored: StoredProfile, now: datetime) -> bool:
    """True if only the status is to be written."""
    if is_refresh_due(stored, now):
        return True
    if isinstance(derived, ResourceProfile):
        return is_state_due(stored, derived.workload_state, now) or _risk_differs(derived, stored)
    return _bytes_differ(derived, stored)


def _risk_differs(derived: ResourceProfile, stored: StoredProfile) -> bool:
    """True if the stored risk is of another level, although the value is the same."""
    level = stored.state.risk if stored.state else ""
    return bool(level) and derived.risk is not None and derived.risk.level.value != level


def _value_differs(derived: Profile, stored: str) -> bool:
    """True if the value differs; for a connection, by more than the deadband (decimal, so exact)."""
    if isinstance(derived, ResourceProfile):
        return derived.value != stored
    try:
        old = Decimal(stored)
    except InvalidOperation:
        return True
    return not old.is_finite() or abs(Decimal(derived.value) - old) > DEADBAND * abs(old)


def _reporters_differ(derived: Profile, stored: StoredProfile) -> bool:
    """True if other ends report the connection now; who does is kept for as long as the edge is."""
    return isinstance(derived, ConnectionProfile) and derived.reporters != stored.reporters


def _bytes_differ(derived: ConnectionProfile, stored: StoredProfile) -> bool:
    """True if the bytes of a connection changed by more than the deadband, one way or the other.

    They are in the status: only that is written.
    """
    ways = (
        (derived.request_bytes_per_second, stored.request_bytes),
        (derived.response_bytes_per_second, stored.response_bytes),
    )
    return any(_amounts_differ(None if new is None else float(new), old) for new, old in ways)


def _amounts_differ(new: float | None, old: float | None) -> bool:
    if new is None or old is None:
        return new is not old
    return abs(new - old) > max(float(DEADBAND) * old, _ROUNDING_BYTES)


def is_refresh_due(stored: StoredProfile, now: datetime) -> bool:
    """True if the status is due for a refresh."""
    refreshed = stored.status_refreshed_at
    return refreshed is None or now - refreshed >= STATUS_REFRESH
