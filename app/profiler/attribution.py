"""Whose usage a Pod's is: by its owner where somebody knows the Pod, by its exact name where nobody does."""

from collections.abc import Mapping
from functools import cached_property

from app.domain.pod_names import PodNames
from app.domain.workloads import JOB, NODE, Workload, bare_pod, grouped
from app.profiler.ports import Directory


class Attribution:
    """Maps (namespace, Pod) to the workload that its usage is learned under."""

    def __init__(
        self, directory: Directory, past_owners: Mapping[tuple[str, str], Workload] | None = None
    ) -> None:
        self._directory = directory
        self._past_owners = past_owners or {}
        self._names = PodNames(directory.workloads)

    def __call__(self, namespace: str, pod: str) -> Workload | None:
        """The workload, or None where nobody we know made the Pod."""
        owner = self._owner(namespace, pod)
        return None if owner is None or owner.kind == NODE else self._learned_under(owner)

    def labelled(self, workload: Workload) -> Workload:
        """The workload that a label names; without a kind, the only one of that name, else a Deployment."""
        if not workload.kind:
            kinds = self._kinds.get((workload.namespace, workload.name), frozenset())
            kind = next(iter(kinds)) if len(kinds) == 1 else "Deployment"
            workload = Workload(workload.namespace, workload.name, kind)
        return self._learned_under(workload)

    def _learned_under(self, owner: Workload) -> Workload:
        return grouped(self._directory.cron_jobs.get(owner, owner) if owner.kind == JOB else owner)

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The kinds of all known workloads of each name: of those that exist, and of those that own a Pod."""
        owners = {self._learned_under(owner) for owner in {*self._directory.pods.values()} if owner}
        kinds: dict[tuple[str, str], frozenset[str]] = {}
        for known in {*self._directory.workloads, *self._directory.cron_jobs.values(), *owners}:
            name = (known.namespace, known.name)
            kinds[name] = kinds.get(name, frozenset()) | {known.kind}
        return kinds

    def _owner(self, namespace: str, pod: str) -> Workload | None:
        key = (namespace, pod)
        if key in self._directory.pods:
            return self._directory.pods[key] or bare_pod(namespace, pod)
        return self._past_owners.get(key) or self._names.workload(namespace, pod)
