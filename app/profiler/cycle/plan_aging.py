"""Aging of stored profiles: without new samples they become stale and later expire; pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.profiles import Identity, StoredProfile

# The most profiles that one cycle removes: a fault that affects all profiles takes hours and is noticed.
_MAX_EXPIRED_PER_CYCLE = 100


@dataclass(frozen=True, slots=True)
class AgingPolicy:
    """The times after the last sample at which a profile becomes stale and is removed."""

    stale_after: timedelta = timedelta(days=2)
    expire_after: timedelta = timedelta(days=30)


@dataclass(slots=True)
class AgingPlan:
    """The profiles with a changed condition, and those to remove."""

    turned_stale: list[StoredProfile] = field(default_factory=list)
    turned_fresh: list[StoredProfile] = field(default_factory=list)
    expired: list[StoredProfile] = field(default_factory=list)


def plan_aging(
    stored: Iterable[StoredProfile],
    newest_samples: Mapping[Identity, datetime],
    is_answered: Callable[[Identity], bool],
    policy: AgingPolicy,
    now: datetime,
) -> AgingPlan:
    """The profiles that become stale, become fresh or expire.

    *newest_samples* has the window ends of the profiles derived now; `status` is refreshed less often. A
    profile whose query is not answered does not expire: its source may have newer samples.
    """
    aging = AgingPlan()
    for profile in stored:
        ends = (newest_samples.get(profile.identity), profile.window_end)
        last_sample = max(filter(None, ends), default=None)
        if last_sample is None:
            continue
        age = now - last_sample
        if age > policy.expire_after and is_answered(profile.identity):
            aging.expired.append(profile)
        elif age > policy.stale_after and not profile.is_stale:
            aging.turned_stale.append(profile)
        elif age <= policy.stale_after and profile.is_stale:
            aging.turned_fresh.append(profile)
    del aging.expired[_MAX_EXPIRED_PER_CYCLE:]
    return aging
