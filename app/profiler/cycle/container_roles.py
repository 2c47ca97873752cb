"""Roles of the containers in profiles, from the Pod templates of their workloads; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.container_roles import NO_INIT_CONTAINERS, InitContainers
from app.domain.profiles import Profile, ResourceProfile
from app.domain.workloads import Workload
from app.recommendation.active_containers import IsInitContainer

Templates = Mapping[Workload, InitContainers]


def with_roles(profiles: Iterable[Profile], templates: Templates) -> list[Profile]:
    """The profiles with the role of each container."""
    return [
        _with_roles(profile, templates.get(profile.workload, NO_INIT_CONTAINERS))
        if isinstance(profile, ResourceProfile)
        else profile
        for profile in profiles
    ]


def init_container_check(templates: Templates) -> IsInitContainer:
    """A function that is true for a workload's regular init containers, which no profile counts."""
    return lambda workload, container: templates.get(workload, NO_INIT_CONTAINERS).is_regular(container)


def _with_roles(profile: ResourceProfile, init_containers: InitContainers) -> ResourceProfile:
    containers = tuple(
        replace(container, role=init_containers.role(container.name)) for container in profile.containers
    )
    return replace(profile, containers=containers)
