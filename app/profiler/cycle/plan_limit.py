"""Plans which profiles are stored if there are more than MAX_PROFILES; pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.domain.catalogue import ProfileCatalogue
from app.domain.fair_shares import fair_shares, take_turns
from app.domain.profiles import Identity, Profile, ProfileKind, StoredProfile
from app.domain.workloads import Connection


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """The profiles that may be stored, the number of new ones left out, and the stored ones to remove."""

    allowed: list[Profile]
    left_out: int = 0
    evicted: list[StoredProfile] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A profile that is stored or new, and the namespace in whose share it counts."""

    identity: Identity
    tenant: str
    is_stored: bool

    @property
    def rank(self) -> tuple[bool, bool, bool, Identity]:
        """The order within a namespace, which every leader finds alike: what is stored stays if it can."""
        is_connection = self.identity.kind is ProfileKind.CONNECTION
        return is_connection, not _is_long_running(self.identity), not self.is_stored, self.identity


def plan_limit(profiles: Iterable[Profile], stored: ProfileCatalogue, max_profiles: int) -> LimitPlan:
    """The plan for derived *profiles* beside the *stored* ones.

    Only profiles in use count: an object that the profiler ignores takes no place. Everything is stored while
    it fits. Then a namespace within its share of *max_profiles* keeps all of its
    profiles. The others take turns for the remaining places: first with CPU and memory, then with
    connections. A stored profile is removed only in favour of a new one that goes before it.
    """
    existing: list[Profile] = []
    new: list[Profile] = []
    for profile in profiles:
        (existing if stored.get(profile.identity) else new).append(profile)
    candidates = [_Candidate(one.identity, one.tenant, is_stored=True) for one in stored]
    in_use = len(candidates)
    if in_use + len(new) <= max_profiles:
        return LimitPlan(existing + new)
    candidates += [_Candidate(profile.identity, profile.tenant, is_stored=False) for profile in new]
    kept = _kept(candidates, max_profiles)
    new.sort(key=lambda profile: _Candidate(profile.identity, profile.tenant, is_stored=False).rank)
    allowed = [profile for profile in new if profile.identity in kept]
    surplus = [one for one in candidates if one.is_stored and one.identity not in kept]
    surplus.sort(key=lambda candidate: candidate.rank, reverse=True)
    wanted = max(min(in_use + len(allowed) - max_profiles, len(allowed)), 0)
    evicted = [found for one in surplus[:wanted] if (found := stored.get(one.identity))]
    dropped = {found.identity for found in evicted}
    remaining = [profile for profile in existing if profile.identity not in dropped]
    return LimitPlan(remaining + allowed, len(new) - len(allowed), evicted)


def _kept(candidates: Iterable[_Candidate], places: int) -> set[Identity]:
    ordered = sorted(candidates, key=lambda candidate: candidate.rank)
    demands = Counter(candidate.tenant for candidate in ordered)
    shares = fair_shares(demands, places)
    kept = {one.identity for one in ordered if shares[one.tenant] == demands[one.tenant]}
    others = [one for one in ordered if shares[one.tenant] < demands[one.tenant]]
    for is_connection in (False, True):
        group = [one for one in others if (one.identity.kind is ProfileKind.CONNECTION) == is_connection]
        taken = take_turns(group, lambda candidate: candidate.tenant, places - len(kept))
        kept |= {candidate.identity for candidate in taken}
    return kept


def _is_long_running(identity: Identity) -> bool:
    subject = identity.subject
    workloads = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return all(workload.is_long_running for workload in workloads)
