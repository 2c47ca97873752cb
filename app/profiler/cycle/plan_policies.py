"""Which stored profiles get another policy, from the annotations that hold now; pure.

A profile has the policy of its workload whether or not there is usage to derive it from: what an annotation
says holds while Prometheus is away, and for the next run of what does not run now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from app.domain.catalogue import ProfileCatalogue
from app.domain.container_roles import UNKNOWN_TEMPLATE
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import Profile, ProfileKind, Resource, ResourceProfile, StoredProfile
from app.domain.workloads import Connection, Workload
from app.profiler.cluster_snapshot import ClusterSnapshot

_RESOURCES = {resource.profile_kind: resource for resource in Resource}


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A stored profile of a workload, and the rules that it is to have."""

    profile: StoredProfile
    workload: Workload
    resource: Resource
    rules: tuple[PolicyRule, ...]


def with_policies(
    profiles: Iterable[Profile], snapshot: ClusterSnapshot, stored: ProfileCatalogue
) -> Iterator[Profile]:
    """The profiles; those of CPU and memory have the rules of their workload.

    Of a workload that is not known now they have the stored ones, which the webhook goes on to use.
    """
    for profile in profiles:
        if isinstance(profile, ResourceProfile):
            rules = _rules(profile.resource, profile.workload, _names(profile), snapshot)
            if rules is None:
                existing = stored.get(profile.identity)
                rules = existing.policy if existing else ()
            yield replace(profile, policy=rules) if rules else profile
        else:
            yield profile


def plan_policies(stored: Iterable[StoredProfile], snapshot: ClusterSnapshot) -> Iterator[PolicyChange]:
    """The changes; the policy of a workload that is not known now stays."""
    for profile in stored:
        if profile.kind is ProfileKind.CONNECTION or isinstance(profile.subject, Connection):
            continue
        seen = profile.state.containers if profile.state else ()
        resource = _RESOURCES[profile.kind]
        rules = _rules(resource, profile.subject, seen, snapshot)
        if rules is not None and rules != profile.policy:
            yield PolicyChange(profile, profile.subject, resource, rules)


def _rules(
    resource: Resource, workload: Workload, seen: Iterable[str], snapshot: ClusterSnapshot
) -> tuple[PolicyRule, ...] | None:
    """The rules of *workload*, without those of containers that it does not have; None if it is not known."""
    policy = snapshot.policy_of(workload)
    if policy is None or not policy.rules:
        return None if policy is None else ()
    return policy.stored_rules(resource, container_names(workload, seen, snapshot))


def container_names(workload: Workload, seen: Iterable[str], snapshot: ClusterSnapshot) -> frozenset[str]:
    """The long-running containers of the Pod template, and those that were *seen* in Pods."""
    template = snapshot.templates.get(workload, UNKNOWN_TEMPLATE)
    return template.containers.union(template.sidecars, seen)


def _names(profile: ResourceProfile) -> Iterable[str]:
    return (container.name for container in profile.containers)
