"""The profiles that are stored, as a list and a watch of the three kinds tell them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from app.domain.custom_resources import from_manifest
from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.workloads import Connection, Workload


class CatalogueEntry(msgspec.Struct, frozen=True, gc=False):
    """An object as it is kept: its name, and what it tells if it holds an identity."""

    name: str
    profile: StoredProfile | None


class ProfileCatalogue:
    """Every stored profile by identity; whoever subscribes hears which identities changed.

    What each container needs is kept only where *with_containers* asks for it. Without *with_times*
    nothing is kept that only a writer has to know.
    """

    def __init__(self, *, with_containers: bool = False, with_times: bool = True) -> None:
        self._with_containers = with_containers
        self._with_times = with_times
        self._by_name: dict[ProfileKind, dict[str, StoredProfile | None]] = {}
        self._by_subject: dict[ProfileKind, dict[Workload | Connection, StoredProfile]] = {
            kind: {} for kind in ProfileKind
        }
        self._copies: dict[Identity, dict[str, StoredProfile]] = {}  # beside the first by name
        self._listeners: list[Callable[[Identity], None]] = []

    def subscribe(self, listener: Callable[[Identity], None]) -> None:
        """Call *listener* after each change, with the identity that changed."""
        self._listeners.append(listener)

    @property
    def is_synced(self) -> bool:
        """True once all three kinds were listed."""
        return len(self._by_name) == len(ProfileKind)

    def get(self, identity: Identity) -> StoredProfile | None:
        """The profile of *identity*; of several (somebody copied an object) the first by name."""
        return self._by_subject[identity.kind].get(identity.subject)

    def __iter__(self) -> Iterator[StoredProfile]:
        return chain.from_iterable(map(dict.values, self._by_subject.values()))

    @property
    def names(self) -> set[str]:
        """Every name in use, also of objects that hold no identity; any thread may ask."""
        return set().union(*self._by_name.values())

    def replace(self, kind: ProfileKind, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Take a whole list of one kind."""
        self.put_all(kind, (self.read(kind, manifest) for manifest in manifests))

    def upsert(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> None:
        """Take one object that appeared or changed."""
        self.put(kind, self.read(kind, manifest))

    def delete(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> None:
        """Take one object that vanished."""
        self.drop(kind, self.read(kind, manifest).name)

    def read(self, kind: ProfileKind, manifest: Mapping[str, Any]) -> CatalogueEntry:
        """What is kept of an object: much less than the object."""
        profile = from_manifest(
            kind, manifest, with_containers=self._with_containers, with_times=self._with_times
        )
        return CatalogueEntry(str(manifest["metadata"]["name"]), profile)

    def put_all(self, kind: ProfileKind, found: Iterable[CatalogueEntry]) -> None:
        """Take a whole list that was read."""
        before, whole = self._by_name.get(kind, {}), {each.name: each.profile for each in found}
        self._by_name[kind] = whole  # at once: a name that is in use is never missing
        for name, profile in whole.items():
            self._index(name, profile)
        for name, profile in before.items():
            current = whole.get(name)
            if profile and (current is None or current.identity != profile.identity):
                self._forget(profile)

    def put(self, kind: ProfileKind, found: CatalogueEntry) -> None:
        """Take one object that was read."""
        name, current = found.name, found.profile
        before = self._by_name.setdefault(kind, {}).get(name)
        self._by_name[kind][name] = current
        self._index(name, current)
        if before and (current is None or before.identity != current.identity):
            self._forget(before)

    def drop(self, kind: ProfileKind, name: str) -> None:
        """Forget the object of that name."""
        self._forget(self._by_name.setdefault(kind, {}).pop(name, None))

    def _index(self, name: str, profile: StoredProfile | None) -> None:
        if profile is not None:
            first = self._by_subject[profile.kind].get(profile.subject)
            if first is None or first.name == name:
                self._by_subject[profile.kind][profile.subject] = profile
            else:
                self._choose([profile, first, *self._copies.get(profile.identity, {}).values()])
            self._tell(profile.identity)

    def _forget(self, profile: StoredProfile | None) -> None:
        if profile is None:
            return
        identity = profile.identity
        copies = self._copies.pop(identity, {})
        first = self._by_subject[profile.kind].pop(profile.subject, None)
        found = {copy.name: copy for copy in (first, *copies.values()) if copy}
        found.pop(profile.name, None)
        if found:
            self._choose(found.values())
        self._tell(identity)

    def _choose(self, found: Iterable[StoredProfile]) -> None:
        """Of several objects of one identity the first by name counts; the others may take its place."""
        by_name = {profile.name: profile for profile in reversed([*found])}
        first = by_name.pop(min(by_name))
        self._by_subject[first.kind][first.subject] = first
        if by_name:
            self._copies[first.identity] = by_name

    def _tell(self, identity: Identity) -> None:
        for listener in self._listeners:
            listener(identity)


class ProfileSink:
    """The catalogue as the receiver of one kind's list and watch, which are to keep what `read` gives."""

    def __init__(self, catalogue: ProfileCatalogue, kind: ProfileKind) -> None:
        self._catalogue, self._kind = catalogue, kind

    def read(self, manifest: Mapping[str, Any]) -> CatalogueEntry:
        """What is kept of an object, from the moment at which it comes in."""
        return self._catalogue.read(self._kind, manifest)

    def replace(self, found: Iterable[CatalogueEntry], /) -> None:
        """Take the whole list."""
        self._catalogue.put_all(self._kind, found)

    def upsert(self, found: CatalogueEntry, /) -> None:
        """Take an object that appeared or changed."""
        self._catalogue.put(self._kind, found)

    def delete(self, found: CatalogueEntry, /) -> None:
        """Take an object that vanished."""
        self._catalogue.drop(self._kind, found.name)
