"""The annotations of every profiled workload, prepared when a profile changes and not when a Pod arrives."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite

from app.domain.annotations import pod_annotations
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Connection, Workload, candidates

# Up to so many a list is searched as quickly as a set, and takes a fifth of its memory.
_FEW_CONNECTIONS = 16


@dataclass(slots=True)
class _Entry:
    connections: list[Connection] | set[Connection] = field(default_factory=list)
    prepared: dict[str, str] | None = None

    def keep(self, connection: Connection) -> None:
        """Take a connection that is stored."""
        if isinstance(self.connections, set):
            self.connections.add(connection)
        elif connection not in self.connections:
            self.connections.append(connection)
            if len(self.connections) > _FEW_CONNECTIONS:
                self.connections = set(self.connections)

    def drop(self, connection: Connection) -> None:
        """Forget a connection that is stored no more."""
        if connection in self.connections:
            self.connections.remove(connection)


class AnnotationIndex:
    """Workload to annotations; a map is made anew the first time it is asked for after a change."""

    def __init__(self, catalogue: ProfileCatalogue, *, max_connections: int) -> None:
        self._catalogue = catalogue
        self._max_connections = max_connections
        self._entries: dict[Workload, _Entry] = {}
        for profile in catalogue:
            self._changed(profile.identity)
        catalogue.subscribe(self._changed)

    @property
    def is_synced(self) -> bool:
        """True once every kind of profile was listed; before that the index knows nothing for sure."""
        return self._catalogue.is_synced

    def __len__(self) -> int:
        return len(self._entries)

    def annotations(self, workload: Workload) -> dict[str, str]:
        """The annotations of the workload's Pods; empty where it has no profile. Not to be changed."""
        found = self._profiled(workload)
        if found is None:
            return {}
        profiled, entry = found
        if entry.prepared is None:
            entry.prepared = self._prepare(profiled, entry)
        return entry.prepared

    def profiled(self, workload: Workload) -> Workload | None:
        """Whose profiles the workload's Pods carry: its own, or those of the group that it is learned in."""
        found = self._profiled(workload)
        return found[0] if found else None

    def knew(self, workload: Workload, moment: datetime) -> bool:
        """True where a CPU or memory profile of the workload is as it was before *moment*."""
        found = self._profiled(workload)
        if found is None:
            return False
        profiles = [self._catalogue.get(Identity(resource.profile_kind, found[0])) for resource in Resource]
        return any(each and each.updated_at and each.updated_at < moment for each in profiles)

    def _profiled(self, workload: Workload) -> tuple[Workload, _Entry] | None:
        for candidate in candidates(workload):
            if entry := self._entries.get(candidate):
                return candidate, entry
        return None

    def _prepare(self, workload: Workload, entry: _Entry) -> dict[str, str]:
        cpu = self._catalogue.get(Identity(ProfileKind.CPU, workload))
        memory = self._catalogue.get(Identity(ProfileKind.MEMORY, workload))
        return pod_annotations(
            cpu.name if cpu else None, memory.name if memory else None, self._largest(entry.connections)
        )

    def _largest(self, connections: Iterable[Connection]) -> list[str]:
        """The names of the largest connections; among equals the first by name."""
        profiles = [
            self._catalogue.get(Identity(ProfileKind.CONNECTION, connection)) for connection in connections
        ]
        ranked = sorted((-_rate(profile.value), profile.name) for profile in profiles if profile is not None)
        return [name for _, name in ranked[: self._max_connections]]

    def _changed(self, identity: Identity) -> None:
        subject = identity.subject
        ends = {subject.source, subject.destination} if isinstance(subject, Connection) else {subject}
        present = self._catalogue.get(identity) is not None
        for workload in ends:
            entry = self._entries.setdefault(workload, _Entry())
            entry.prepared = None
            if isinstance(subject, Connection):
                (entry.keep if present else entry.drop)(subject)
            if not present and not entry.connections and not self._has_needs(workload):
                del self._entries[workload]

    def _has_needs(self, workload: Workload) -> bool:
        return any(self._catalogue.get(Identity(resource.profile_kind, workload)) for resource in Resource)


def _rate(value: str) -> float:
    """The rate that an object spells, 0 where it spells none: a person may have written anything."""
    try:
        rate = float(value)
    except ValueError:
        return 0.0
    return rate if isfinite(rate) else 0.0  # a NaN compares with nothing, so a sort must not meet one
