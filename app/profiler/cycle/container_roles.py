"""Roles of the containers in profiles, from the Pod templates of their workloads; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.container_roles import UNKNOWN_TEMPLATE, TemplateContainers
from app.domain.profiles import Profile, ResourceProfile
from app.domain.workloads import Workload
from app.recommendation.active_containers import ContainerCheck

Templates = Mapping[Workload, TemplateContainers]


def with_roles(profiles: Iterable[Profile], templates: Templates) -> list[Profile]:
    """The profiles with the role of each container."""
    return [
        _with_roles(profile, templates.get(profile.workload, UNKNOWN_TEMPLATE))
        if isinstance(profile, ResourceProfile)
        else profile
        for profile in profiles
    ]


def init_container_check(templates: Templates) -> ContainerCheck:
    """A function that is true for a workload's regular init containers, which no profile counts."""
    return lambda workload, container: templates.get(workload, UNKNOWN_TEMPLATE).is_regular(container)


def ephemeral_container_check(ephemeral: Mapping[Workload, frozenset[str]]) -> ContainerCheck:
    """A function that is true for a container that was added to a Pod to debug it."""
    return lambda workload, container: container in ephemeral.get(workload, ())


def added_container_check(templates: Templates) -> ContainerCheck:
    """A function that is true for a container that a workload's Pod template is known not to name."""
    return lambda workload, container: templates.get(workload, UNKNOWN_TEMPLATE).is_added(container)


def _with_roles(profile: ResourceProfile, template: TemplateContainers) -> ResourceProfile:
    containers = tuple(
        replace(container, role=template.role(container.name)) for container in profile.containers
    )
    return replace(profile, containers=containers)
