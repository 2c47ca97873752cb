"""Index from workload to the needs of its containers, parsed on profile changes rather than per Pod."""

from collections.abc import Mapping

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, Resource
from app.domain.workload_policy import WorkloadPolicy, ordered
from app.domain.workloads import Connection, Workload
from app.rightsizing.needs import ContainerNeeds, container_needs

_NOTHING: Mapping[Resource, ContainerNeeds] = {}


class NeedIndex:
    """Maps a workload to needs, parsed at the first lookup after a change of its profiles.

    *index* selects the profiles, so that needs and annotations come from the same ones. Stale profiles count:
    only the confidence decides whether a profile is used.
    """

    def __init__(self, catalogue: ProfileCatalogue, index: AnnotationIndex) -> None:
        self._catalogue, self._index = catalogue, index
        self._needs: dict[Workload, Mapping[Resource, ContainerNeeds]] = {}
        catalogue.subscribe(self._invalidate)

    @property
    def is_synced(self) -> bool:
        """True once every kind of profile is listed; before that, a workload may have needs."""
        return self._index.is_synced

    def needs(self, workload: Workload) -> Mapping[Resource, ContainerNeeds]:
        """The needs by resource; empty if there are none. Do not modify the result."""
        profiled = self._index.profiled(workload)
        if profiled is None:
            return _NOTHING
        needs = self._needs.get(profiled)
        if needs is None:
            needs = self._from_profiles(profiled)
            if needs:
                self._needs[profiled] = needs
        return needs

    def policy(self, workload: Workload) -> WorkloadPolicy:
        """The policy in its profiles; for explanations, since it is read on each call."""
        profiled = self._index.profiled(workload)
        profiles = [
            self._catalogue.get(Identity(resource.profile_kind, profiled)) if profiled else None
            for resource in Resource
        ]
        return WorkloadPolicy(ordered(rule for profile in profiles if profile for rule in profile.policy))

    def _from_profiles(self, workload: Workload) -> Mapping[Resource, ContainerNeeds]:
        profiles = {
            resource: self._catalogue.get(Identity(resource.profile_kind, workload)) for resource in Resource
        }
        needs = {
            resource: container_needs(
                workload, resource, profile.containers, profile.confidence, profile.policy
            )
            for resource, profile in profiles.items()
            if profile
        }
        return {resource: need for resource, need in needs.items() if need.containers or need.kept}

    def _invalidate(self, identity: Identity) -> None:
        if not isinstance(identity.subject, Connection):
            self._needs.pop(identity.subject, None)
