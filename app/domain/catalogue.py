"""Catalogue of the stored profiles, fed by a list and a watch of each of the three kinds."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from app.domain.custom_resources import KINDS, from_manifest
from app.domain.profile_names import is_name_of, is_newcomer_name
from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.stored_state import StateParts
from app.domain.workloads import Connection, Workload


class CatalogueEntry(msgspec.Struct, frozen=True, gc=False):
    """The needed part of one object: its name, and its profile if it holds an identity."""

    name: str
    profile: StoredProfile | None
    created_at: str = ""
    is_newcomer: bool = False


class ProfileCatalogue:
    """Every stored profile by identity; listeners receive each changed identity.

    An identity has at most two objects, since the rules can give it two names. The older one counts: a stored
    object keeps its name, and a later copy changes nothing. Of two with one time, the contract's name counts.

    The values of containers are kept only *with_containers*. The times and the state of the last write, which
    only the decision on the next one needs, are kept only *with_last_write*; in this state the requests of
    containers, which only gauges need, only *with_requests*, and their needs at low and at high risk, which
    only recommendations for VPA need, only *with_risks*.
    """

    def __init__(
        self,
        *,
        with_containers: bool = False,
        with_last_write: bool = True,
        with_requests: bool = False,
        with_risks: bool = False,
    ) -> None:
        self._with_containers = with_containers
        self._with_last_write = with_last_write
        self._parts = StateParts(with_requests, with_risks)
        self._by_name: dict[ProfileKind, dict[str, StoredProfile | None]] = {}
        self._by_subject: dict[ProfileKind, dict[Workload | Connection, StoredProfile]] = {
            kind: {} for kind in ProfileKind
        }
        self._copies: dict[Identity, StoredProfile] = {}  # the later object of an identity with two
        # The times of objects with a separated name in spite of a contract name, which are few.
        self._newcomers: dict[str, str] = {}
        self._listeners: list[Callable[[Identity], None]] = []

    def subscribe(self, listener: Callable[[Identity], None]) -> None:
        """Call *listener* with the changed identity after each change."""
        self._listeners.append(listener)

    @property
    def is_synced(self) -> bool:
        """True once all three kinds are listed."""
        return len(self._by_name) == len(ProfileKind)

    @property
    def has_lists(self) -> bool:
        """True once any kind is listed."""
        return bool(self._by_name)

    @property
    def listed_kinds(self) -> frozenset[ProfileKind]:
        """The kinds with a list; of the others nothing is known, which is not the same as none."""
        return frozenset(self._by_name)

    def get(self, identity: Identity) -> StoredProfile | None:
        """The profile of *identity*; the older object if there are two."""
        return self._by_subject[identity.kind].get(identity.subject)

    def __iter__(self) -> Iterator[StoredProfile]:
        """Every profile; thread-safe, since the profiles of a kind are copied by one operation."""
        return chain.from_iterable(list(profiles.values()) for profiles in self._by_subject.values())

    @property
    def names(self) -> set[str]:
        """Every name in use, also of objects without an identity; thread-safe."""
        return set().union(*self._by_name.values())

    @property
    def ignored_count(self) -> int:
        """The number of objects that are no profile in use.

        They are copies under a name that the rules do not give, the later object of an identity with two, and
        objects without an identity.
        """
        return sum(map(len, self._by_name.values())) - sum(map(len, self._by_subject.values()))

    def ignored_names(self, limit: int) -> list[str]:
        """The first of the ignored objects in order, at most *limit*, as `cpuprofiles/NAME`; thread-safe."""
        return heapq.nsmallest(limit, self._ignored()) if self.ignored_count else []

    def _ignored(self) -> Iterator[str]:
        for kind, by_name in list(self._by_name.items()):
            for name, profile in list(by_name.items()):
                in_use = self.get(profile.identity) if profile else None
                if in_use is None or in_use.name != name:
                    yield f"{KINDS[kind].plural}/{name}"

    def replace(self, kind: ProfileKind, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Replace all objects of one kind."""
        self.put_all(kind, (self.read(kind, manifest) for manifest in manifests))

    def upsert(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> None:
        """Store one added or modified object."""
        self.put(kind, self.read(kind, manifest))

    def delete(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> None:
        """Remove one deleted object."""
        self.drop(kind, self.read(kind, manifest).name)

    def read(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> CatalogueEntry:
        """The entry of an object, much smaller than the object; a copy under another name is no profile."""
        profile = from_manifest(
            kind,
            manifest,
            with_containers=self._with_containers,
            with_last_write=self._with_last_write,
            parts=self._parts,
        )
        name, created_at = manifest["metadata"]["name"], manifest["metadata"].get("creationTimestamp")
        if profile:
            name = profile.name  # the same object
            profile = profile if is_name_of(profile.identity, name) else None
        return CatalogueEntry(
            name,
            profile,
            created_at if isinstance(created_at, str) else "",
            is_newcomer=profile is not None and is_newcomer_name(profile.identity, name),
        )

    def put_all(self, kind: ProfileKind, entries: Iterable[CatalogueEntry]) -> None:
        """Replace all entries of one kind."""
        before = self._by_name.get(kind, {})
        # Newcomers first: the object with the contract's name is compared with them.
        listed = sorted(entries, key=lambda entry: not entry.is_newcomer)
        after = {entry.name: entry.profile for entry in listed}
        self._by_name[kind] = after  # one assignment: a name in use is never missing from `names`
        for entry in listed:
            self._index(entry)
        for name, profile in before.items():
            current = after.get(name)
            if profile and (current is None or current.identity != profile.identity):
                self._forget(profile)

    def put(self, kind: ProfileKind, entry: CatalogueEntry) -> None:
        """Store the entry of an added or modified object."""
        name, current = entry.name, entry.profile
        before = self._by_name.setdefault(kind, {}).get(name)
        self._by_name[kind][name] = current
        self._index(entry)
        if before and (current is None or before.identity != current.identity):
            self._forget(before)

    def drop(self, kind: ProfileKind, name: str) -> None:
        """Remove the object with that name."""
        self._forget(self._by_name.setdefault(kind, {}).pop(name, None))

    def _index(self, entry: CatalogueEntry) -> None:
        profile = entry.profile
        if profile is None:
            return
        identity, by_subject = profile.identity, self._by_subject[profile.kind]
        if entry.is_newcomer:
            self._newcomers[entry.name] = entry.created_at
        current = by_subject.get(profile.subject)
        if current is None or current.name == entry.name:
            by_subject[profile.subject] = profile
        elif entry.is_newcomer or self._newcomers.get(current.name, "") < entry.created_at:
            self._copies[identity] = profile
        else:
            by_subject[profile.subject], self._copies[identity] = profile, current
        self._notify(identity)

    def _forget(self, profile: StoredProfile | None) -> None:
        if profile is None:
            return
        identity, by_subject = profile.identity, self._by_subject[profile.kind]
        if self._by_name[profile.kind].get(profile.name) is None:
            self._newcomers.pop(profile.name, None)
        copy = self._copies.pop(identity, None)
        current = by_subject.pop(profile.subject, None)
        remaining = next((found for found in (current, copy) if found and found.name != profile.name), None)
        if remaining:
            by_subject[profile.subject] = remaining
        self._notify(identity)

    def _notify(self, identity: Identity) -> None:
        for listener in self._listeners:
            listener(identity)


class ProfileSink:
    """Feeds the catalogue from the list and watch of one kind, which keep the entries of `read`."""

    def __init__(self, catalogue: ProfileCatalogue, kind: ProfileKind) -> None:
        self._catalogue, self._kind = catalogue, kind

    def read(self, manifest: Mapping[str, Any]) -> CatalogueEntry:
        """The entry of an object; the reflector keeps it in place of the object."""
        return self._catalogue.read(self._kind, manifest)

    def replace(self, entries: Iterable[CatalogueEntry], /) -> None:
        """Replace all entries."""
        self._catalogue.put_all(self._kind, entries)

    def upsert(self, entry: CatalogueEntry, /) -> None:
        """Store the entry of an added or modified object."""
        self._catalogue.put(self._kind, entry)

    def delete(self, entry: CatalogueEntry, /) -> None:
        """Remove a deleted object."""
        self._catalogue.drop(self._kind, entry.name)
