"""Which profiles are to be written: pure decisions on what is stored and what was derived."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from app.domain.catalogue import ProfileCatalogue
from app.domain.profile_names import allocate_names
from app.domain.profiles import Identity, Profile, ResourceProfile, StoredProfile
from app.domain.workloads import Connection
from app.profiler.profile_write import ProfileWrite

# A connection that moved by less stays as it is. CPU and memory are derived as they are to be written.
DEADBAND = Decimal("0.05")
STATUS_REFRESH = timedelta(days=1)


def within_limit(
    profiles: Iterable[Profile], stored: ProfileCatalogue, max_profiles: int
) -> tuple[list[Profile], int]:
    """The profiles that may be stored, and how many newcomers are left out for *max_profiles*.

    What is stored stays. Of the newcomers, what lasts comes before what is run again and again; else the
    identities' order decides, so that every leader decides alike.
    """
    known: list[Profile] = []
    newcomers: list[Profile] = []
    for profile in profiles:
        (known if stored.get(profile.identity) else newcomers).append(profile)
    room = max(max_profiles - len(stored.names), 0)
    newcomers.sort(key=lambda profile: (not _lasts(profile.identity), profile.identity))
    return known + newcomers[:room], max(len(newcomers) - room, 0)


def _lasts(identity: Identity) -> bool:
    subject = identity.subject
    ends = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return all(end.is_long_running for end in ends)


def plan_writes(profiles: Iterable[Profile], stored: ProfileCatalogue, now: datetime) -> list[ProfileWrite]:
    """The writes that bring *stored* up to date, in the order of identities; none where nothing moved."""
    derived = {profile.identity: profile for profile in profiles}
    present = {identity: stored.get(identity) for identity in derived}
    names = allocate_names(
        derived, {identity: known.name for identity, known in present.items() if known}, stored.names
    )
    writes = []
    for identity, name in names.items():
        profile, known = derived[identity], present[identity]
        if known is None:
            writes.append(ProfileWrite(profile, name, value_changed=True))
        elif _moved(profile, known.value):
            writes.append(ProfileWrite(profile, name, value_changed=True, before=known.value))
        elif is_due(known, now):
            writes.append(ProfileWrite(profile, name, value_changed=False, before=known.value))
    return writes


def _moved(derived: Profile, stored: str) -> bool:
    """True where another value is derived; of a connection, one outside the deadband (exact, so decimal)."""
    if isinstance(derived, ResourceProfile):
        return derived.value != stored
    try:
        old = Decimal(stored)
    except InvalidOperation:
        return True
    return not old.is_finite() or abs(Decimal(derived.value) - old) > DEADBAND * abs(old)


def is_due(stored: StoredProfile, now: datetime) -> bool:
    """True where the status is to be refreshed."""
    refreshed = stored.status_refreshed_at
    return refreshed is None or now - refreshed >= STATUS_REFRESH
