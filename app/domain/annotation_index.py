"""Index from workload to the annotations of its Pods, built on profile changes rather than per Pod."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.annotations import kind_of, pod_annotations
from app.domain.catalogue import ProfileCatalogue
from app.domain.fair_shares import take_turns
from app.domain.profile_lookup import profile_lookup_order
from app.domain.profiles import Identity, ProfileKind, Resource, StoredProfile
from app.domain.reporters import is_own
from app.domain.workloads import Connection, Workload

# Up to this length a list is searched as quickly as a set, and takes a fifth of the memory.
_MAX_LISTED_CONNECTIONS = 16
_MAX_RATE = 1e100


@dataclass(slots=True)
class _Entry:
    connections: list[Connection] | set[Connection] = field(default_factory=list)
    prepared: dict[str, str] | None = None

    def add(self, connection: Connection) -> None:
        """Add a connection that has a stored profile."""
        if isinstance(self.connections, set):
            self.connections.add(connection)
        elif connection not in self.connections:
            self.connections.append(connection)
            if len(self.connections) > _MAX_LISTED_CONNECTIONS:
                self.connections = set(self.connections)

    def remove(self, connection: Connection) -> None:
        """Remove a connection that no longer has a stored profile."""
        if connection in self.connections:
            self.connections.remove(connection)


class AnnotationIndex:
    """Maps a workload to annotations, which are rebuilt at the first lookup after a change."""

    def __init__(self, catalogue: ProfileCatalogue, *, max_connections: int) -> None:
        self._catalogue = catalogue
        self._max_connections = max_connections
        self._entries: dict[Workload, _Entry] = {}
        for profile in catalogue:
            self._update(profile.identity)
        catalogue.subscribe(self._update)

    @property
    def is_synced(self) -> bool:
        """True once every kind of profile is listed; before that, a missing profile proves nothing."""
        return self._catalogue.is_synced

    @property
    def has_lists(self) -> bool:
        """True once any kind of profile is listed."""
        return self._catalogue.has_lists

    def decides(self, key: str) -> bool:
        """True for an annotation key of ours whose kind is listed: the index knows its value."""
        return kind_of(key) in self._catalogue.listed_kinds

    def __len__(self) -> int:
        return len(self._entries)

    def annotations(self, workload: Workload, *, may_be_scheduled: bool = True) -> dict[str, str]:
        """The annotations of the workload's Pods; empty if it has no profile. Do not modify the result.

        With *may_be_scheduled*, the name of a Job may be that of a CronJob's run.
        """
        match = self._find(workload, may_be_scheduled=may_be_scheduled)
        if match is None:
            return {}
        profiled, entry = match
        if entry.prepared is None:
            entry.prepared = self._prepare(profiled, entry)
        return entry.prepared

    def profiled(self, workload: Workload) -> Workload | None:
        """The workload with the profiles that apply (itself, its CronJob or run group), or None."""
        match = self._find(workload)
        return match[0] if match else None

    def had_profile_before(
        self, workload: Workload, moment: datetime, *, may_be_scheduled: bool = True
    ) -> bool:
        """True if the last value change of the workload's CPU or memory profile is before *moment*."""
        match = self._find(workload, may_be_scheduled=may_be_scheduled)
        if match is None:
            return False
        profiles = [self._catalogue.get(Identity(resource.profile_kind, match[0])) for resource in Resource]
        return any(profile and profile.updated_at and profile.updated_at < moment for profile in profiles)

    def _find(self, workload: Workload, *, may_be_scheduled: bool = True) -> tuple[Workload, _Entry] | None:
        for profiled in profile_lookup_order(workload, may_be_scheduled=may_be_scheduled):
            if entry := self._entries.get(profiled):
                return profiled, entry
        return None

    def _prepare(self, workload: Workload, entry: _Entry) -> dict[str, str]:
        cpu = self._catalogue.get(Identity(ProfileKind.CPU, workload))
        memory = self._catalogue.get(Identity(ProfileKind.MEMORY, workload))
        return pod_annotations(
            cpu.name if cpu else None,
            memory.name if memory else None,
            self._largest(workload, entry.connections),
        )

    def _largest(self, workload: Workload, connections: Iterable[Connection]) -> list[str]:
        """The profile names of the connections with the largest shares; ties go to the first by name.

        The workload's own calls come first, then what else its namespace reports. Connections that only other
        namespaces declare take the places that are left, where these namespaces take turns.
        """
        own: list[StoredProfile] = []
        declared: list[StoredProfile] = []
        for connection in connections:
            if profile := self._catalogue.get(Identity(ProfileKind.CONNECTION, connection)):
                (own if is_own(workload, connection, profile.reporters) else declared).append(profile)
        share = _shares(own)
        own.sort(key=lambda profile: (not _is_call(workload, profile), -share(profile), profile.name))
        room = max(self._max_connections - len(own), 0)
        share = _shares(declared)
        declared.sort(key=lambda profile: (-share(profile), profile.name))
        others = take_turns(declared, lambda profile: profile.tenant, room)
        return [profile.name for profile in (*own[: self._max_connections], *others)]

    def _update(self, identity: Identity) -> None:
        subject = identity.subject
        ends = {subject.source, subject.destination} if isinstance(subject, Connection) else {subject}
        is_stored = self._catalogue.get(identity) is not None
        for workload in ends:
            entry = self._entries.setdefault(workload, _Entry())
            entry.prepared = None
            if isinstance(subject, Connection):
                (entry.add if is_stored else entry.remove)(subject)
            if not is_stored and not entry.connections and not self._has_needs(workload):
                del self._entries[workload]

    def _has_needs(self, workload: Workload) -> bool:
        return any(self._catalogue.get(Identity(resource.profile_kind, workload)) for resource in Resource)


def _is_call(workload: Workload, profile: StoredProfile) -> bool:
    """True if *workload* is the source of the connection."""
    return isinstance(profile.subject, Connection) and profile.subject.source == workload


def _shares(profiles: Collection[StoredProfile]) -> Callable[[StoredProfile], float]:
    """The larger of a connection's shares in the messages and in the bytes of all *profiles*."""
    messages = sum(map(_messages, profiles))
    bytes_per_second = sum(map(_bytes_per_second, profiles))

    def share(profile: StoredProfile) -> float:
        of_messages = _messages(profile) / messages if messages else 0.0
        return max(of_messages, _bytes_per_second(profile) / bytes_per_second if bytes_per_second else 0.0)

    return share


def _messages(profile: StoredProfile) -> float:
    """The rate in an object's text; 0 if it is not a number, since people can edit the object."""
    try:
        rate = float(profile.value)
    except ValueError:
        return 0.0
    # NaN has no order, so sorting it would give random results; a sum of huge numbers is none.
    return rate if 0 <= rate <= _MAX_RATE else 0.0


def _bytes_per_second(profile: StoredProfile) -> float:
    """The bytes per second both ways."""
    return (profile.request_bytes or 0.0) + (profile.response_bytes or 0.0)
