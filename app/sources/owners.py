"""Queries on the owners of current and past Pods, and the join of their results; pure.

kube-state-metrics exposes the owner of each object. If a store keeps only recording rules, a rule of the
kubernetes-mixin has the workload of each Pod.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from app.domain.workloads import JOB, NODE, POD, Workload
from app.history.samples import PastOwners
from app.sources.exported_labels import ObjectSeries, by_object
from app.sources.queries import Scope, aggregate, namespace_matchers, selector
from app.sources.query_result import Key

KUBE_STATE_METRICS, KUBERNETES_MIXIN = "kube-state-metrics", "kubernetes-mixin"

POD_OWNER, REPLICASET_OWNER, JOB_OWNER = "kube_pod_owner", "kube_replicaset_owner", "kube_job_owner"
CONTROLLER_OWNER = "kube_replicationcontroller_owner"
# For each metric: the kind of the owned objects, and the label with their name.
_OWNED = {
    POD_OWNER: (POD, "pod"),
    REPLICASET_OWNER: ("ReplicaSet", "replicaset"),
    JOB_OWNER: (JOB, "job_name"),
    CONTROLLER_OWNER: ("ReplicationController", "replicationcontroller"),
}
_OWNED_KINDS, _OWNED_LABELS = zip(*_OWNED.values(), strict=True)
_OWNER = ("owner_kind", "owner_name")
OWNER_LABELS = ("namespace", *_OWNED_LABELS, *_OWNER)
OPTIONAL_LABELS = frozenset({*_OWNED_LABELS, *_OWNER})
_OWNER_LABELS = len(_OWNER)
# Controllers of one object, within the time of a query: an object may be adopted, and a name is used again.
_MOST_OWNERS = 2
# The kind of an owner that does not exist, in kube-state-metrics since 2.8 and before.
_NO_OWNER = frozenset({"", "<none>"})
# An object of these kinds may have a controller itself.
_INTERMEDIATE_KINDS = frozenset(_OWNED_KINDS) - {POD}

WORKLOAD_OF_POD = "namespace_workload_pod:kube_pod_owner:relabel"
WORKLOAD_LABELS = ("namespace", "pod", "workload_type", "workload")
# Kinds by their value in the rule; any other value is the kind itself. The owner of a static Pod is its node.
_KINDS = {
    kind.lower(): kind
    for kind in ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "CronJob", JOB, POD)
} | {"barepod": POD, "staticpod": NODE}

# The controller of an object, or the fact that it has none; owners that are no controllers do not count.
_CONTROLLER = 'owner_is_controller!="false"'

Owners = Mapping[tuple[str, str, str], Workload]


def owners_query(scope: Scope, *, seconds: int) -> str:
    """The controllers of all Pods of the last *seconds*, and the controllers of these controllers.

    An object without a controller has a row too, since one that has none is not the same as one that the
    server knows nothing of. kube-state-metrics may run more than once, hence the maximum over the duplicates.
    """

    def owners(series: ObjectSeries) -> str:
        return " or ".join(
            series.max_by(
                ("namespace", owned, *_OWNER),
                f"max_over_time({series.selector(metric, _CONTROLLER)}[{seconds}s])",
            )
            for metric, (_, owned) in _OWNED.items()
        )

    window = f"{seconds}s"
    return by_object(OWNER_LABELS, lambda series: f"({owners(series)})", POD_OWNER, scope, window=window)


def workloads_query(scope: Scope, *, seconds: int) -> str:
    """The workload of each Pod of the last *seconds*, from the mixin's rule."""
    namespaces = namespace_matchers("namespace", scope)
    present = f"max_over_time({selector(WORKLOAD_OF_POD, namespaces, scope)}[{seconds}s])"
    return aggregate("max", WORKLOAD_LABELS, present)


def join(keys: Collection[Key], rule_keys: Collection[Key]) -> PastOwners:
    """The workload of each Pod from kube-state-metrics; of other Pods, from the mixin's rule."""
    owners = join_owners(keys) if any(pod for _, pod, *_ in keys) else PastOwners()
    if not rule_keys:
        return owners
    by_rule = join_workloads(rule_keys, keys)
    return replace(
        by_rule,
        workloads={**by_rule.workloads, **owners.workloads},
        incomplete={**by_rule.incomplete, **owners.incomplete},
        distrusted=by_rule.distrusted | owners.distrusted,
    )


def join_owners(keys: Collection[Key]) -> PastOwners:
    """The workload of each Pod: its controller, or the controller of that one if there is one.

    A Pod belongs to a ReplicaSet of a Deployment, to a Job of a CronJob, or to a ReplicationController of a
    DeploymentConfig. If the server does not know whether that one has a controller, the chain is incomplete.
    A Pod without a controller is its own workload.
    """
    keys, distrusted = _without_ambiguous(keys)
    owned = (
        (namespace, pod, POD, pod) if kind in _NO_OWNER else (namespace, pod, kind, owner)
        for namespace, pod, *_, kind, owner in keys
        if pod
    )
    owners = _past_owners(KUBE_STATE_METRICS, owned, _owners(keys), _INTERMEDIATE_KINDS)
    return replace(owners, distrusted=distrusted)


def join_workloads(rule_keys: Collection[Key], keys: Collection[Key]) -> PastOwners:
    """The workload of each Pod from the mixin's rule; for a Job, its CronJob if kube-state-metrics has it.

    The rule has the topmost owner of a ReplicaSet's Pods, but may have the Job of a CronJob's.
    """
    rule_keys, distrusted = _without_ambiguous(rule_keys)
    keys, _ = _without_ambiguous(keys)
    owned = (
        (namespace, pod, _KINDS.get(kind.lower(), kind), name)
        for namespace, pod, kind, name in _oldest_first(rule_keys)
    )
    owners = _past_owners(KUBERNETES_MIXIN, owned, _owners(keys), frozenset({JOB}))
    return replace(owners, distrusted=distrusted)


def _without_ambiguous(keys: Collection[Key]) -> tuple[list[Key], frozenset[str]]:
    """The keys of objects with a plausible number of owners, and the names of the other objects.

    An object with many owners is the target that was scraped, not the one that the series describe: without
    `honorLabels` its name replaced theirs, and relabelling dropped the renamed labels.
    """
    owners: dict[Key, set[Key]] = {}
    for key in keys:
        owners.setdefault(key[:-_OWNER_LABELS], set()).add(key[-_OWNER_LABELS:])
    kept = [key for key in keys if len(owners[key[:-_OWNER_LABELS]]) <= _MOST_OWNERS]
    ambiguous = (filter(None, thing) for thing, found in owners.items() if len(found) > _MOST_OWNERS)
    return kept, frozenset(map("/".join, ambiguous))


def _oldest_first(rule_keys: Collection[Key]) -> Iterable[Key]:
    """The keys from newer versions of the rule last, so that they override those from older versions.

    Newer versions have the kind of every owner, with a capital letter; older ones have `job` for some.
    """
    return sorted(rule_keys, key=lambda key: (key[2][:1].isupper(), key))


def has_pod_owners(keys: Collection[Key], namespaces: Collection[str]) -> bool:
    """True if kube-state-metrics has owners of Pods, in half of the *namespaces* with containers or more.

    In fewer, it may be a tenant that exposes its metric.
    """
    owned = {namespace for namespace, pod, *_ in keys if pod}
    return bool(owned) and 2 * len(owned.intersection(namespaces)) >= len(namespaces)


def _owners(keys: Collection[Key]) -> Owners:
    """The owner of each object but Pods, by kind, namespace and name; the object itself if it has none."""
    owners = {}
    for namespace, *names, owner_kind, owner in keys:
        for kind, name in zip(_OWNED_KINDS, names, strict=True):
            if name and kind != POD:
                has_owner = owner_kind not in _NO_OWNER
                owners[kind, namespace, name] = Workload(
                    namespace, owner if has_owner else name, owner_kind if has_owner else kind
                )
    return owners


def _past_owners(
    known_by: str,
    owned: Iterable[tuple[str, str, str, str]],
    owners: Owners,
    intermediate_kinds: Collection[str],
) -> PastOwners:
    """The topmost owner of each Pod; apart from these, owners that may have an owner that is not known."""
    complete, incomplete = {}, {}
    for namespace, pod, kind, name in owned:
        topmost = owners.get((kind, namespace, name))
        if topmost is None and kind in intermediate_kinds:
            incomplete[namespace, pod] = Workload(namespace, name, kind)
        else:
            complete[namespace, pod] = topmost or Workload(namespace, name, kind)
    return PastOwners(known_by, complete, incomplete=incomplete)
