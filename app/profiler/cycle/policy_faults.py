"""Annotations of a policy that have no effect, by the object on which they stand."""

from collections.abc import Callable, Iterable

from app.domain.catalogue import ProfileCatalogue
from app.domain.container_roles import UNKNOWN_TEMPLATE
from app.domain.policy_rule import PolicySource
from app.domain.profiles import Identity, Resource
from app.domain.workload_policy import WorkloadPolicy
from app.domain.workloads import NAMESPACE, Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.plan_policies import container_names
from app.profiler.fault_events import MAX_LENGTH


def policy_faults(
    snapshot: ClusterSnapshot, stored: ProfileCatalogue, in_scope: Callable[[str], bool]
) -> dict[Workload, str]:
    """The faults of each workload and namespace with any, as a sentence.

    A namespace stands for itself as an object in it. A rule of a namespace may be of any container.
    """
    faults = {
        Workload(namespace, namespace, NAMESPACE): policy.faults
        for namespace, policy in snapshot.namespace_policies.items()
    }
    for workload, policy in snapshot.policies.items():
        if policy.rules or policy.faults:
            faults[workload] = (*policy.faults, *_unknown_containers(workload, policy, snapshot, stored))
    return {
        subject: "; ".join(sentences)[:MAX_LENGTH]
        for subject, sentences in sorted(faults.items())
        if sentences and in_scope(subject.namespace)
    }


def _unknown_containers(
    workload: Workload, policy: WorkloadPolicy, snapshot: ClusterSnapshot, stored: ProfileCatalogue
) -> Iterable[str]:
    """The rules of containers that neither the known Pod template nor a profile names."""
    named = [rule for rule in policy.rules if rule.container and rule.source is not PolicySource.NAMESPACE]
    template = snapshot.templates.get(workload, UNKNOWN_TEMPLATE)
    if not named or template == UNKNOWN_TEMPLATE:
        return ()
    profiles = (stored.get(Identity(resource.profile_kind, workload)) for resource in Resource)
    seen = {name for profile in profiles if profile and profile.state for name in profile.state.containers}
    names = container_names(workload, seen, snapshot)
    return tuple(
        f"{rule.annotation} is of an init container, which is not sized"
        if rule.container in template.regular
        else f"{rule.annotation} is of a container that the Pod template does not have"
        for rule in named
        if rule.container not in names
    )
