"""What the containers of every profiled workload need, read when a profile changes, not with each Pod."""

from collections.abc import Mapping
from decimal import Decimal

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, Resource, StoredProfile
from app.domain.quantities import parse_quantity
from app.domain.workloads import Connection, Workload
from app.rightsizing.resizing import ContainerNeeds

_NOTHING: Mapping[Resource, ContainerNeeds] = {}


class NeedIndex:
    """Workload to needs, of the very profiles that *index* names; read anew when first asked after a change.

    A profile that is stale still tells: whether it is trusted is decided by its confidence.
    """

    def __init__(self, catalogue: ProfileCatalogue, index: AnnotationIndex) -> None:
        self._catalogue, self._index = catalogue, index
        self._read: dict[Workload, Mapping[Resource, ContainerNeeds]] = {}
        catalogue.subscribe(self._changed)

    def needs(self, workload: Workload) -> Mapping[Resource, ContainerNeeds]:
        """The needs that are known, by resource; empty where there is none. Not to be changed."""
        profiled = self._index.profiled(workload)
        if profiled is None:
            return _NOTHING
        found = self._read.get(profiled)
        if found is None:
            found = self._from_profiles(profiled)
            if found:
                self._read[profiled] = found
        return found

    def _from_profiles(self, workload: Workload) -> Mapping[Resource, ContainerNeeds]:
        profiles = {
            resource: self._catalogue.get(Identity(resource.profile_kind, workload)) for resource in Resource
        }
        needs = {resource: _needs(profile) for resource, profile in profiles.items() if profile}
        return {resource: found for resource, found in needs.items() if found.containers}

    def _changed(self, identity: Identity) -> None:
        if not isinstance(identity.subject, Connection):
            self._read.pop(identity.subject, None)


def _needs(profile: StoredProfile) -> ContainerNeeds:
    values = {name: _amount(value) for name, value in profile.containers.items()}
    return ContainerNeeds({name: value for name, value in values.items() if value > 0}, profile.confidence)


def _amount(value: str) -> Decimal:
    """The number that an object spells, 0 where it spells none: a person may have written anything."""
    try:
        return parse_quantity(value)
    except (ValueError, ArithmeticError):
        return Decimal(0)
