"""Attributions of one cycle: from the snapshot, and from a query on past owners where it is needed."""

import asyncio
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, PodContainer, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.ports import UsageSource

# The snapshot still contains every Pod that terminated within this time.
_SNAPSHOT_REACH_SECONDS = 3600


class Attributions:
    """The attributions of one cycle's query results; past owners are queried at most once per range of steps.

    The query is sent if a result has a Pod that the snapshot lacks, or reaches back so far that another Pod
    may have had the same name. *measured* are the workloads with usage, groups of runs among them; the set
    may grow. `owner_source` names what supplied the owners; empty if no query was sent. `distrusted_owners`
    names the objects that have too many owners to be true.
    """

    def __init__(
        self, source: UsageSource, snapshot: ClusterSnapshot, measured: AbstractSet[Workload] = frozenset()
    ) -> None:
        self.owner_source = ""
        self.distrusted_owners: AbstractSet[str] = frozenset()
        self.current = Attribution(snapshot, measured=measured)
        self._source, self._snapshot, self._measured = source, snapshot, measured
        self._for_edges: Attribution | None = None
        self._queries: list[tuple[StepRange, asyncio.Task[Attribution]]] = []

    async def for_result(self, containers: Collection[PodContainer], steps: StepRange) -> Attribution:
        """The attribution for a query result with *containers* on *steps*; raises SourceError."""
        reaches_back = len(steps) * STEP_SECONDS > _SNAPSHOT_REACH_SECONDS
        if not containers or not (reaches_back or self._has_unknown_pod(containers)):
            return self.current
        for queried, query in self._queries:
            if queried.first <= steps.first and steps.last <= queried.last:
                return await query
        self._queries.append((steps, asyncio.create_task(self._query_owners(steps))))
        return await self._queries[-1][1]

    def for_edges(self, measured: AbstractSet[Workload]) -> Attribution:
        """The attribution for edges, the same in one cycle; *measured* are the workloads with usage."""
        self._for_edges = self._for_edges or Attribution(self._snapshot, measured=measured)
        return self._for_edges

    def _has_unknown_pod(self, containers: Iterable[PodContainer]) -> bool:
        return any(
            (container.namespace, container.pod) not in self._snapshot.pods for container in containers
        )

    async def _query_owners(self, steps: StepRange) -> Attribution:
        owners = await self._source.pod_owners(steps)
        self.owner_source = owners.known_by
        self.distrusted_owners |= owners.distrusted
        return Attribution(
            self._snapshot,
            owners.workloads,
            owners.failed,
            measured=self._measured,
            incomplete_owners=owners.incomplete,
        )
