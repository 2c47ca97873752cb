"""Collection of connections: the edges of a service mesh, and the sources that were scraped."""

import asyncio
from functools import partial

from app.domain.namespaces import NamespaceSelection
from app.history.connection_history import ConnectionHistory
from app.history.open_steps import Settlement
from app.history.samples import ConnectionSamples, DroppedEdges, StepRange
from app.history.usage_history import UsageHistory
from app.profiler.cycle.arrival import Arrival
from app.profiler.cycle.edge_limit import limit_edges
from app.profiler.cycle.query_context import QueryContext
from app.profiler.cycle.question import PlannedQueries, Question
from app.profiler.cycle.resolution import resolve
from app.profiler.cycle.signals import Signal, SignalResults, SignalState, connection_state
from app.profiler.ports import UsageSource


class EdgeCollector:
    """Queries the missing steps of the last 24 hours and folds complete results, never a part of one."""

    signal = Signal.CONNECTIONS

    def __init__(
        self,
        source: UsageSource,
        history: UsageHistory,
        connections: ConnectionHistory,
        max_edges: int,
        arrival: Arrival,
    ) -> None:
        self.question, self.arrival = Question(), arrival
        self._source, self._history, self._max_edges = source, history, max_edges
        self._connections = connections
        self._mesh_seen = False
        self.dropped_edges: DroppedEdges = {}  # in the result for the newest steps

    def missing(self, wanted: StepRange, namespaces: NamespaceSelection) -> list[StepRange]:
        """The steps of the last 24 hours to read for *namespaces*, newest first."""
        return self._connections.missing(wanted.last, namespaces)

    async def collect(self, planned: PlannedQueries, context: QueryContext) -> SignalState | None:
        """Carry out the *planned* queries; the new state of the signal, None if there was no query."""
        results = await self.question.ask(partial(self._query, context), *planned, context.newest_step)
        self.arrival.finish(context.newest_step)
        return connection_state(results, mesh_seen=self._mesh_seen) if planned[0].parts else None

    async def _query(
        self, context: QueryContext, part: StepRange, namespaces: NamespaceSelection, results: SignalResults
    ) -> None:
        async for samples in self._source.connection_samples(part, namespaces):
            await context.usage_collected.wait()  # it shows the workloads that no longer exist
            results.note(samples.steps, part, samples.failed)
            results.unanswered_provider = samples.unanswered_provider
            results.unseen = results.unseen or samples.unseen
            results.unusable += samples.unusable
            results.series_counts.append(len(samples.sources))
            await self._fold(samples, context, results)
            results.is_stalled = self.arrival.is_stalled(context.newest_step)

    async def _fold(self, samples: ConnectionSamples, context: QueryContext, results: SignalResults) -> None:
        self._mesh_seen = self._mesh_seen or bool(samples.sources or self._connections.sources)
        of_rows = [source.namespace for source in samples.sources]
        self.arrival.note(context.newest_step, samples.steps, of_rows, samples.scraped, samples.answered)
        settlement = self.arrival.settlement(context.newest_step)
        if settlement is None:
            return
        attribution = context.attributions.for_edges(self._history.workloads)
        resolved = await asyncio.to_thread(resolve, samples, attribution)
        limited = await asyncio.to_thread(self._fold_limited, resolved, settlement)
        if len(results.series_counts) == 1 and samples.answered.included is None:
            self.dropped_edges = limited.dropped
        results.folded = True

    def _fold_limited(self, samples: ConnectionSamples, settlement: Settlement) -> ConnectionSamples:
        """Fold the edges that are within the limit; returns their samples."""
        limited = limit_edges(samples, self._connections, self._max_edges)
        if limited is None:
            self._connections.fold(samples, settlement)
            return samples
        self._connections.keep(limited.kept_edges, limited.kept_sources)
        self._connections.fold(limited.samples, settlement)
        return limited.samples
