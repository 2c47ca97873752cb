"""Maps a Pod to the workload that its usage counts for: by its owner if that is known, else by its name."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property

from app.domain.pod_names import PodNames, creator_name
from app.domain.run_names import run_groups
from app.domain.workloads import CRON_JOB, JOB, NAMED_KINDS, NODE, POD, SERVICE, Workload, run_group
from app.profiler.cluster_snapshot import ClusterSnapshot

# Objects that may have a controller, and kinds that create their Pods themselves or that meshes name.
_CONTROLLED_KINDS = frozenset({"ReplicaSet", "ReplicationController", JOB})
_KINDS_OF_PODS = frozenset({"Deployment", "StatefulSet", "DaemonSet", NODE, POD})


class Attribution:
    """Maps (namespace, Pod) to the workload that its usage counts for.

    The source did not answer on the past owners of Pods in *unknown_namespaces*, which have a reason each.
    *measured* are the workloads with usage in the history: they exist, or did. *incomplete_owners* are owners
    whose own controller is unknown: they count only for a Pod whose name fits no workload.

    Where Pods can't be read, a name proves an owner only if the workload is known: others are not guessed.
    """

    def __init__(
        self,
        snapshot: ClusterSnapshot,
        past_owners: Mapping[tuple[str, str], Workload] | None = None,
        unknown_namespaces: Mapping[str, str] | None = None,
        measured: AbstractSet[Workload] = frozenset(),
        incomplete_owners: Mapping[tuple[str, str], Workload] | None = None,
    ) -> None:
        self._unknown_namespaces = unknown_namespaces or {}
        self._snapshot, self._measured = snapshot, measured
        self._past_owners, self._incomplete_owners = past_owners or {}, incomplete_owners or {}
        self._by_name: dict[tuple[str, str], Workload | None] = {}
        self._groups: dict[Workload, tuple[Workload, ...]] = {}

    def __call__(self, namespace: str, pod: str) -> Workload | None:
        """The workload; None if it is unknown or a Node."""
        owner = self._owner(namespace, pod)
        return None if owner is None or owner.kind == NODE else self._profiled_workload(owner)

    def unknown_namespaces(self, pods: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """The reason for each namespace in which the workload of some of *pods* is unknown for now.

        Where Pods can be read, a Pod without a workload will never have one.
        """
        if self._snapshot.knows_all_pods:
            return self._unknown_namespaces
        unknown = dict(self._unknown_namespaces)
        for namespace, pod in pods:
            is_open = namespace not in unknown and not self._snapshot.knows_pods_of(namespace)
            if is_open and self._owner(namespace, pod) is None:
                unknown[namespace] = f"Pods can't be read, and nothing else names the owner of {pod}"
        return unknown

    def resolve_label(self, workload: Workload) -> Workload:
        """The workload that a label names; without a kind, the only one of that name, else a Deployment.

        Workloads that only have usage count if none of that name exists. For a ReplicaSet,
        ReplicationController or Job that has a controller it is that controller, as for their Pods.
        """
        if not workload.kind:
            name = (workload.namespace, workload.name)
            kinds = self._kinds.get(name) or self._measured_kinds.get(name, frozenset())
            kind = next(iter(kinds)) if len(kinds) == 1 else "Deployment"
            workload = Workload(workload.namespace, workload.name, kind)
        return self._profiled_workload(self._controller(workload) or workload)

    def only_workload(self, named: Workload) -> Workload | None:
        """The only known workload with the name of *named*; None if there is none, or several.

        It is looked for in the namespace of *named*, or in all without one. Its kind counts unless it is that
        of a service. Workloads that only have usage count if none of that name exists.
        """
        for by_name in (self._by_name_alone, self._measured_by_name_alone):
            fitting = {workload for workload in by_name.get(named.name, ()) if _fits(workload, named)}
            if fitting:
                return fitting.pop() if len(fitting) == 1 else None
        return None

    def may_exist(self, workload: Workload) -> bool:
        """False if all workloads of the namespace are known, and *workload* is none of them and has no usage.

        A workload that was deleted has usage from before; a name that is made up has none. Snapshots do not
        wait for the list of CronJobs, so any of these may exist.
        """
        is_known = self.knows_all_of(workload.namespace) and workload.kind != CRON_JOB
        return not is_known or workload in self._existing or workload in self._measured

    def knows_all_of(self, namespace: str) -> bool:
        """True if all Pods and workloads of *namespace* are known."""
        return self._snapshot.listed.covers(namespace)

    def _profiled_workload(self, owner: Workload) -> Workload:
        """The CronJob of a Job, or the group of runs that an owner is one of, if that group is known."""
        run = run_group(self._snapshot.cron_jobs.get(owner, owner) if owner.kind == JOB else owner)
        if run.kind in NAMED_KINDS:
            return run
        groups = self._groups.get(run)
        if groups is None:
            groups = self._groups[run] = run_groups(run)
        return next((group for group in groups if group in self._measured), run)

    @cached_property
    def _workloads(self) -> frozenset[Workload]:
        """All workloads that exist or own a Pod."""
        owners = (self._profiled_workload(owner) for owner in {*self._snapshot.pods.values()})
        cron_jobs = (workload for workload in self._snapshot.uids if workload.kind == CRON_JOB)
        return frozenset({*self._snapshot.workloads, *self._snapshot.cron_jobs.values(), *cron_jobs, *owners})

    @cached_property
    def _existing(self) -> frozenset[Workload]:
        """The workloads that exist, own a Pod or are the run group of a Job."""
        return self._workloads.union(map(self._profiled_workload, self._snapshot.uids))

    def _controller(self, owned: Workload) -> Workload | None:
        """The controller of *owned*, by a Pod that both have, else by its name; None if there is none."""
        if owned.kind not in _CONTROLLED_KINDS or owned in self._existing:
            return None
        by_pod = self._controllers.get((owned.namespace, owned.name))
        return by_pod or self._names_of_all.controller(owned)

    @cached_property
    def _controllers(self) -> Mapping[tuple[str, str], Workload]:
        """The workload of each object between it and its Pods, by namespace and name.

        The object's name is that of a Pod without its generated suffix. The Pods of Deployments, which are
        the most, are not needed: a mesh names Deployments itself.
        """
        return {
            (namespace, creator_name(pod)): owner
            for (namespace, pod), owner in self._snapshot.pods.items()
            if owner.kind not in _KINDS_OF_PODS and owner.name != creator_name(pod)
        }

    @cached_property
    def _names(self) -> PodNames:
        return PodNames(self._workloads)

    @cached_property
    def _names_of_all(self) -> PodNames:
        """The names of all workloads, also of those that only have usage."""
        return PodNames(self._workloads | self._measured)

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], frozenset[str]]:
        return _kinds_by_name(self._workloads)

    @cached_property
    def _measured_kinds(self) -> Mapping[tuple[str, str], frozenset[str]]:
        return _kinds_by_name(self._measured)

    @cached_property
    def _by_name_alone(self) -> Mapping[str, frozenset[Workload]]:
        return _workloads_by_name(self._workloads)

    @cached_property
    def _measured_by_name_alone(self) -> Mapping[str, frozenset[Workload]]:
        return _workloads_by_name(self._measured)

    def _owner(self, namespace: str, pod: str) -> Workload | None:
        key = (namespace, pod)
        owner = self._snapshot.pods.get(key) or self._past_owners.get(key)
        if owner is None and key not in self._by_name:
            may_be_unknown = self._snapshot.knows_pods_of(namespace)
            self._by_name[key] = self._names.workload(namespace, pod, may_be_unknown=may_be_unknown)
        return owner or self._by_name[key] or self._incomplete_owners.get(key)


def _fits(workload: Workload, named: Workload) -> bool:
    """True if *workload* has the namespace and the kind of *named*, as far as it has some."""
    in_namespace = named.namespace in {"", workload.namespace}
    return in_namespace and named.kind in {"", SERVICE, workload.kind}


def _workloads_by_name(workloads: Iterable[Workload]) -> Mapping[str, frozenset[Workload]]:
    by_name: dict[str, set[Workload]] = {}
    for workload in workloads:
        by_name.setdefault(workload.name, set()).add(workload)
    return {name: frozenset(of_name) for name, of_name in by_name.items()}


def _kinds_by_name(workloads: Iterable[Workload]) -> Mapping[tuple[str, str], frozenset[str]]:
    """The kinds of the workloads of each namespace and name."""
    kinds: dict[tuple[str, str], frozenset[str]] = {}
    for workload in workloads:
        name = (workload.namespace, workload.name)
        kinds[name] = kinds.get(name, frozenset()) | {workload.kind}
    return kinds
