"""Who owned the Pods of the past: what is asked of Prometheus, and the answers joined; pure.

kube-state-metrics tells every owner. Where a store keeps nothing but recording rules, that of the
kubernetes-mixin tells the workload of each Pod.
"""

from collections.abc import Collection, Iterable, Mapping

from app.domain.workloads import JOB, NODE, POD, Workload
from app.history.samples import PastOwners
from app.sources.queries import Scope, aggregate, excluded, included, selector
from app.sources.query_result import Key

KUBE_STATE_METRICS, KUBERNETES_MIXIN = "kube-state-metrics", "kubernetes-mixin"

POD_OWNER, REPLICASET_OWNER, JOB_OWNER = "kube_pod_owner", "kube_replicaset_owner", "kube_job_owner"
CONTROLLER_OWNER = "kube_replicationcontroller_owner"
# The kind that each metric tells the owner of, and the label that names the owned object.
_OWNED = {
    POD_OWNER: (POD, "pod"),
    REPLICASET_OWNER: ("ReplicaSet", "replicaset"),
    JOB_OWNER: (JOB, "job_name"),
    CONTROLLER_OWNER: ("ReplicationController", "replicationcontroller"),
}
_OWNED_KINDS, _OWNED_LABELS = zip(*_OWNED.values(), strict=True)
_OWNER = ("owner_kind", "owner_name")
OWNER_LABELS = ("namespace", *_OWNED_LABELS, *_OWNER)
OPTIONAL_LABELS = frozenset(_OWNED_LABELS)

WORKLOAD_OF_POD = "namespace_workload_pod:kube_pod_owner:relabel"
WORKLOAD_LABELS = ("namespace", "pod", "workload_type", "workload")
# How the rule spells kinds; what is not among these is a kind as it stands. A static Pod belongs to its node.
_KINDS = {
    kind.lower(): kind
    for kind in ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "CronJob", JOB, POD)
} | {"barepod": POD, "staticpod": NODE}

Owners = Mapping[tuple[str, str, str], Workload]


def owners(scope: Scope, *, seconds: int) -> str:
    """The controllers of all Pods, and of what controls Pods, that were there within the last *seconds*.

    kube-state-metrics may run more than once, hence the maximum over the duplicates.
    """
    return " or ".join(
        aggregate(
            "max",
            ("namespace", owned, *_OWNER),
            _seen(metric, scope, seconds, 'owner_is_controller="true"'),
        )
        for metric, (_, owned) in _OWNED.items()
    )


def workloads_of_pods(scope: Scope, *, seconds: int) -> str:
    """The workload of each Pod that was there within the last *seconds*, as the mixin's rule tells it."""
    return aggregate("max", WORKLOAD_LABELS, _seen(WORKLOAD_OF_POD, scope, seconds))


def _seen(metric: str, scope: Scope, seconds: int, *matchers: str) -> str:
    namespaces = (*included("namespace", scope), *excluded("namespace", scope))
    return f"max_over_time({selector(metric, (*matchers, *namespaces), scope)}[{seconds}s])"


def join_owners(told: Collection[Key]) -> PastOwners:
    """The workload of each Pod: its controller, or that controller's own where there is one.

    A Pod belongs to a ReplicaSet, and that to a Deployment; or to a Job of a CronJob, or to a
    ReplicationController of a DeploymentConfig.
    """
    owned = ((namespace, pod, kind, owner) for namespace, pod, *_, kind, owner in told if pod)
    return PastOwners(KUBE_STATE_METRICS, _topmost(owned, _above(told)))


def join_workloads(rule: Collection[Key], told: Collection[Key]) -> PastOwners:
    """The same from the mixin's rule; of a Job, kube-state-metrics may have told the CronJob."""
    owned = (
        (namespace, pod, _KINDS.get(kind.lower(), kind), name) for namespace, pod, kind, name in _by_age(rule)
    )
    return PastOwners(KUBERNETES_MIXIN, _topmost(owned, _above(told)))


def _by_age(rule: Collection[Key]) -> Iterable[Key]:
    """A newer rule comes later, and so counts: it spells the kind of an owner that was a `job` before."""
    return sorted(rule, key=lambda key: (key[2][:1].isupper(), key))


def tells_pods(told: Collection[Key]) -> bool:
    """True where the owner of any Pod is told."""
    return any(pod for _, pod, *_ in told)


def _above(told: Collection[Key]) -> Owners:
    found = {}
    for namespace, *names, owner_kind, owner in told:
        for kind, name in zip(_OWNED_KINDS, names, strict=True):
            if name:
                found[kind, namespace, name] = Workload(namespace, owner, owner_kind)
    return found


def _topmost(owned: Iterable[tuple[str, str, str, str]], above: Owners) -> dict[tuple[str, str], Workload]:
    return {
        (namespace, pod): above.get((kind, namespace, owner), Workload(namespace, owner, kind))
        for namespace, pod, kind, owner in owned
    }
