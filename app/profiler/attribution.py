"""Maps a Pod to the workload that its usage counts for: by its owner if that is known, else by its name."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from app.domain.pod_names import PodNames
from app.domain.workloads import CRON_JOB, JOB, NODE, Workload, run_group
from app.history.samples import STEP_SECONDS, PodContainer, StepRange
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.ports import UsageSource

# The snapshot still contains every Pod that terminated within this time.
_SNAPSHOT_REACH_SECONDS = 3600


class Attribution:
    """Maps (namespace, Pod) to the workload that its usage counts for."""

    def __init__(
        self, snapshot: ClusterSnapshot, past_owners: Mapping[tuple[str, str], Workload] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._past_owners = past_owners or {}
        self._by_name: dict[tuple[str, str], Workload | None] = {}

    def __call__(self, namespace: str, pod: str) -> Workload | None:
        """The workload; None if it is unknown or a Node."""
        owner = self._owner(namespace, pod)
        return None if owner is None or owner.kind == NODE else self._profiled_workload(owner)

    def resolve_label(self, workload: Workload) -> Workload:
        """The workload that a label names; without a kind, the only one of that name, else a Deployment."""
        if not workload.kind:
            kinds = self._kinds.get((workload.namespace, workload.name), frozenset())
            kind = next(iter(kinds)) if len(kinds) == 1 else "Deployment"
            workload = Workload(workload.namespace, workload.name, kind)
        return self._profiled_workload(workload)

    def _profiled_workload(self, owner: Workload) -> Workload:
        return run_group(self._snapshot.cron_jobs.get(owner, owner) if owner.kind == JOB else owner)

    @cached_property
    def _workloads(self) -> frozenset[Workload]:
        """All workloads that exist or own a Pod."""
        owners = (self._profiled_workload(owner) for owner in {*self._snapshot.pods.values()})
        cron_jobs = (workload for workload in self._snapshot.uids if workload.kind == CRON_JOB)
        return frozenset({*self._snapshot.workloads, *self._snapshot.cron_jobs.values(), *cron_jobs, *owners})

    @cached_property
    def _names(self) -> PodNames:
        return PodNames(self._workloads)

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The kinds of the workloads of each namespace and name."""
        kinds: dict[tuple[str, str], frozenset[str]] = {}
        for workload in self._workloads:
            name = (workload.namespace, workload.name)
            kinds[name] = kinds.get(name, frozenset()) | {workload.kind}
        return kinds

    def _owner(self, namespace: str, pod: str) -> Workload | None:
        key = (namespace, pod)
        owner = self._snapshot.pods.get(key) or self._past_owners.get(key)
        if owner is None and key not in self._by_name:
            self._by_name[key] = self._names.workload(namespace, pod)
        return owner or self._by_name[key]


class Attributions:
    """The attributions of one cycle's query results; past owners are queried at most once per range of steps.

    The query is sent if a result has a Pod that the snapshot lacks, or reaches back so far that another Pod
    may have had the same name. `owner_source` names what supplied the owners; empty if no query was sent.
    """

    def __init__(self, source: UsageSource, snapshot: ClusterSnapshot) -> None:
        self.owner_source = ""
        self.current = Attribution(snapshot)
        self._source, self._snapshot = source, snapshot
        self._queries: list[tuple[StepRange, asyncio.Task[Attribution]]] = []

    async def for_result(self, containers: Collection[PodContainer], steps: StepRange) -> Attribution:
        """The attribution for a query result with *containers* on *steps*; raises SourceError."""
        reaches_back = len(steps) * STEP_SECONDS > _SNAPSHOT_REACH_SECONDS
        if not containers or not (reaches_back or self._has_unknown_pod(containers)):
            return self.current
        for queried, attribution in self._queries:
            if queried.first <= steps.first and steps.last <= queried.last:
                return await attribution
        self._queries.append((steps, asyncio.create_task(self._query_owners(steps))))
        return await self._queries[-1][1]

    def _has_unknown_pod(self, containers: Iterable[PodContainer]) -> bool:
        return any(
            (container.namespace, container.pod) not in self._snapshot.pods for container in containers
        )

    async def _query_owners(self, steps: StepRange) -> Attribution:
        owners = await self._source.pod_owners(steps)
        self.owner_source = owners.known_by
        return Attribution(self._snapshot, owners.workloads)
