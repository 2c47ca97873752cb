"""Plans the writes of profiles from the stored and the derived ones; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from app.domain.catalogue import ProfileCatalogue
from app.domain.profile_names import allocate_names
from app.domain.profiles import Identity, Profile, ResourceProfile, StoredProfile
from app.domain.workloads import Connection
from app.profiler.profile_write import ProfileWrite

# A connection's value stays if it changed by less. CPU and memory values are stabilized already.
DEADBAND = Decimal("0.05")
STATUS_REFRESH = timedelta(days=1)


def within_limit(
    profiles: Iterable[Profile], stored: ProfileCatalogue, max_profiles: int
) -> tuple[list[Profile], int]:
    """The profiles that may be stored, and how many new ones are left out because of *max_profiles*.

    Stored profiles stay. Of the new ones, long-running workloads come before repeated runs, then in order of
    identity, so that every leader decides alike.
    """
    existing: list[Profile] = []
    new: list[Profile] = []
    for profile in profiles:
        (existing if stored.get(profile.identity) else new).append(profile)
    room = max(max_profiles - len(stored.names), 0)
    new.sort(key=lambda profile: (not _is_long_running(profile.identity), profile.identity))
    return existing + new[:room], max(len(new) - room, 0)


def _is_long_running(identity: Identity) -> bool:
    subject = identity.subject
    workloads = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return all(workload.is_long_running for workload in workloads)


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
        elif _value_differs(profile, existing.value):
            writes.append(ProfileWrite(profile, name, value_changed=True, stored_value=existing.value))
        elif is_refresh_due(existing, now):
            writes.append(ProfileWrite(profile, name, value_changed=False, stored_value=existing.value))
    return writes


def _value_differs(derived: Profile, stored: str) -> bool:
    """True if the value differs; for a connection, by more than the deadband (decimal, so exact)."""
    if isinstance(derived, ResourceProfile):
        return derived.value != stored
    try:
        old = Decimal(stored)
    except InvalidOperation:
        return True
    return not old.is_finite() or abs(Decimal(derived.value) - old) > DEADBAND * abs(old)


def is_refresh_due(stored: StoredProfile, now: datetime) -> bool:
    """True if the status is due for a refresh."""
    refreshed = stored.status_refreshed_at
    return refreshed is None or now - refreshed >= STATUS_REFRESH
