"""Whose usage a Pod's is: by its owner where somebody knows the Pod, by its exact name where nobody does."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from app.domain.pod_names import PodNames
from app.domain.workloads import CRON_JOB, JOB, NODE, Workload, run_group
from app.history.samples import STEP_SECONDS, PodContainer, StepRange
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.ports import UsageSource

# Pods that left within this time are still in the directory.
_KNOWN_SECONDS = 3600


class Attribution:
    """Maps (namespace, Pod) to the workload that its usage is learned under."""

    def __init__(
        self, directory: ClusterSnapshot, past_owners: Mapping[tuple[str, str], Workload] | None = None
    ) -> None:
        self._directory = directory
        self._past_owners = past_owners or {}
        self._by_name: dict[tuple[str, str], Workload | None] = {}

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
        return run_group(self._directory.cron_jobs.get(owner, owner) if owner.kind == JOB else owner)

    @cached_property
    def _known(self) -> frozenset[Workload]:
        """All workloads that exist or own a Pod."""
        owners = (self._learned_under(owner) for owner in {*self._directory.pods.values()})
        cron_jobs = (each for each in self._directory.uids if each.kind == CRON_JOB)
        return frozenset(
            {*self._directory.workloads, *self._directory.cron_jobs.values(), *cron_jobs, *owners}
        )

    @cached_property
    def _names(self) -> PodNames:
        return PodNames(self._known)

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The kinds of all known workloads of each name."""
        kinds: dict[tuple[str, str], frozenset[str]] = {}
        for known in self._known:
            name = (known.namespace, known.name)
            kinds[name] = kinds.get(name, frozenset()) | {known.kind}
        return kinds

    def _owner(self, namespace: str, pod: str) -> Workload | None:
        key = (namespace, pod)
        known = self._directory.pods.get(key) or self._past_owners.get(key)
        if known is None and key not in self._by_name:
            self._by_name[key] = self._names.workload(namespace, pod)
        return known or self._by_name[key]


class Attributions:
    """The attribution of one cycle's answers; who owned the Pods of a time is asked once, if at all.

    It is asked where an answer names a Pod that the directory lacks, or reaches back so far that there may be
    another of the same name. `known_by` says who answered; it is empty where nobody was asked.
    """

    def __init__(self, source: UsageSource, directory: ClusterSnapshot) -> None:
        self.known_by = ""
        self.present = Attribution(directory)
        self._source, self._directory = source, directory
        self._asked: list[tuple[StepRange, asyncio.Task[Attribution]]] = []

    async def of(self, containers: Collection[PodContainer], steps: StepRange) -> Attribution:
        """What attributes the containers of an answer on *steps*; raises SourceError."""
        reaches_back = len(steps) * STEP_SECONDS > _KNOWN_SECONDS
        if not containers or not (reaches_back or self._has_unknown(containers)):
            return self.present
        for asked, attribution in self._asked:
            if asked.first <= steps.first and steps.last <= asked.last:
                return await attribution
        self._asked.append((steps, asyncio.create_task(self._ask(steps))))
        return await self._asked[-1][1]

    def _has_unknown(self, containers: Iterable[PodContainer]) -> bool:
        return any((each.namespace, each.pod) not in self._directory.pods for each in containers)

    async def _ask(self, steps: StepRange) -> Attribution:
        owners = await self._source.pod_owners(steps)
        self.known_by = owners.known_by
        return Attribution(self._directory, owners.workloads)
