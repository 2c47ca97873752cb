"""Who owned the Pods of the past, as kube-state-metrics tells it; pure."""

from collections.abc import Iterable, Mapping

from app.domain.workloads import Workload

PodOwners = Mapping[tuple[str, str], Workload]
# Values of label sets: (namespace, owned object, owner's kind, owner's name).
Ownership = Iterable[tuple[str, ...]]

# Mirror Pods are owned by their node, which is nobody's workload.
_NODE = "Node"


def join_owners(pods: Ownership, replicasets: Ownership, jobs: Ownership) -> PodOwners:
    """The workload of each (namespace, Pod): its controller, or that controller's own where there is one.

    A Pod belongs to a ReplicaSet, and that to a Deployment; a Pod belongs to a Job, and that to a CronJob.
    """
    above = {
        ("ReplicaSet", namespace, name): Workload(namespace, owner, kind)
        for namespace, name, kind, owner in replicasets
    } | {("Job", namespace, name): Workload(namespace, owner, kind) for namespace, name, kind, owner in jobs}
    return {
        (namespace, pod): above.get((kind, namespace, owner), Workload(namespace, owner, kind))
        for namespace, pod, kind, owner in pods
        if kind != _NODE
    }
