"""The life of a stored profile: it outlives its workload, turns stale without new samples, and expires."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.profiles import Identity, ProfileKind, StoredProfile

# What one cycle removes at most: a mistake that concerns every profile takes hours, and is seen before.
_MOST_EXPIRED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class AgingPolicy:
    """How long after the last sample a profile is stale, and how long after it is removed."""

    stale_after: timedelta = timedelta(days=2)
    expire_after: timedelta = timedelta(days=30)


@dataclass(slots=True)
class AgingPlan:
    """The profiles whose condition changes, and those to remove."""

    turned_stale: list[StoredProfile] = field(default_factory=list)
    turned_fresh: list[StoredProfile] = field(default_factory=list)
    expired: list[StoredProfile] = field(default_factory=list)


def plan_aging(
    stored: Iterable[StoredProfile],
    newest_samples: Mapping[Identity, datetime],
    answered_kinds: Collection[ProfileKind],
    policy: AgingPolicy,
    now: datetime,
) -> AgingPlan:
    """What became of each stored profile with time.

    *newest_samples* are the ends of the windows of what was derived now; `status` is refreshed less often. A
    profile whose kind is not among *answered_kinds* does not expire: its source may hold what it lacks.
    """
    aging = AgingPlan()
    for profile in stored:
        ends = (newest_samples.get(profile.identity), profile.window_end)
        last_sample = max(filter(None, ends), default=None)
        if last_sample is None:
            continue
        age = now - last_sample
        if age > policy.expire_after and profile.kind in answered_kinds:
            aging.expired.append(profile)
        elif age > policy.stale_after and not profile.is_stale:
            aging.turned_stale.append(profile)
        elif age <= policy.stale_after and profile.is_stale:
            aging.turned_fresh.append(profile)
    del aging.expired[_MOST_EXPIRED_AT_ONCE:]
    return aging
