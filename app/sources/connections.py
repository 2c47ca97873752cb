"""Samples of connections from the meshes of one server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import chain

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.errors import RefusedQueryError, SourceError
from app.history.samples import ConnectionSamples, StepRange
from app.sources.budgeted_queries import BudgetedQueries
from app.sources.chunked_query import failure_texts, run_all
from app.sources.load_meter import LoadMeter
from app.sources.mesh.conversation import PART, Conversation, Mesh, QueryBatch
from app.sources.mesh.edges import concatenate_samples
from app.sources.planning import SampleLoad
from app.sources.queries import Scope, Shard
from app.sources.query_result import QueryResult, SeriesMatrix
from app.sources.row_limit import RowLimit

CONNECTIONS = "connections"
_MAX_PODS = 200_000  # of one answer; more than Kubernetes supports in a cluster


@dataclass(slots=True)
class ConnectionQueries:
    """The edges of *meshes*; with *is_detected*, of those that turn out to have sources.

    *scope* is called for each request of samples; an answer on each rate of edges keeps *max_edges* rows.
    """

    queries: BudgetedQueries
    meshes: tuple[Mesh, ...]
    is_detected: bool
    scope: Callable[[], Scope]
    load_meter: LoadMeter
    max_edges: int
    _detected: tuple[Mesh, ...] = field(init=False, default=())

    @property
    def provider_in_use(self) -> str:
        """The meshes with connections; `none` until a result has a source of one that is detected."""
        return " and ".join(mesh.name for mesh in self._meshes_in_use) or "none"

    @property
    def _meshes_in_use(self) -> tuple[Mesh, ...]:
        return self._detected if self.is_detected else self.meshes

    async def samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """One sample per directed edge and step; yields nothing without a mesh to query.

        All meshes are queried until a result has sources of some, and only these afterwards. If they do not
        answer together, the first one that answers alone counts.
        """
        meshes = self._meshes_in_use or self.meshes
        fault: RefusedQueryError | None = None
        try:
            async for samples, present in self._samples_of(meshes, steps, namespaces):
                self._detected = self._detected or present
                meshes = meshes[:1]  # from the first result on, an error is that of all
                yield samples
        except RefusedQueryError as error:
            if len(meshes) == 1:
                raise
            fault = error
        if fault is None:
            return
        async for samples in self._samples_of_one(meshes, steps, namespaces, fault):
            yield samples

    async def _samples_of_one(
        self, meshes: tuple[Mesh, ...], steps: StepRange, namespaces: NamespaceSelection, fault: SourceError
    ) -> AsyncIterator[ConnectionSamples]:
        """The samples of the first of *meshes* that answers alone; together they have a *fault*."""
        for mesh in meshes:
            has_answered = False
            try:
                async for samples, present in self._samples_of((mesh,), steps, namespaces):
                    if not (present or has_answered):
                        break
                    has_answered = True
                    yield replace(samples, unanswered_mesh=str(fault))
            except RefusedQueryError:
                if has_answered:
                    raise
            if has_answered:
                return
        raise fault

    async def _samples_of(
        self, meshes: tuple[Mesh, ...], steps: StepRange, namespaces: NamespaceSelection
    ) -> AsyncIterator[tuple[ConnectionSamples, tuple[Mesh, ...]]]:
        """The samples of *meshes*, and those of them that have sources."""
        if not meshes:
            return
        scope, api = self.scope(), self.queries.api
        loads = [await self.load_meter.of_mesh(api, mesh, scope, steps) for mesh in meshes]
        load = SampleLoad.sum(loads).within(namespaces)
        scopes = [(mesh, self.load_meter.mesh_of_cluster(scope, mesh, api)) for mesh in meshes]

        async def run(shard: Shard, chunk: StepRange) -> list[tuple[Mesh, ConnectionSamples]]:
            sources = shard.intersection(namespaces)
            return [(mesh, await self._query_mesh(mesh, own, sources, chunk)) for mesh, own in scopes]

        def longest_text(shard: Shard) -> int:
            sources = shard.intersection(namespaces)
            return max(mesh.longest_query(own, sources) for mesh, own in scopes)

        chunked = self.queries.chunked(CONNECTIONS, run, load, longest_text)
        async for chunk in chunked.results(steps, max_samples=self.queries.samples_per_cycle):
            mesh_samples = list(chain.from_iterable(chunk.results))
            names = {mesh.name for mesh, samples in mesh_samples if samples.sources}
            samples = concatenate_samples([samples for _, samples in mesh_samples])
            answered, failed = namespaces.without(chunk.failed), failure_texts(chunk.failed)
            samples = replace(samples, answered=answered, failed=failed)
            yield samples, tuple(mesh for mesh in meshes if mesh.name in names)

    async def _query_mesh(
        self, mesh: Mesh, scope: Scope, shard: Shard, steps: StepRange
    ) -> ConnectionSamples:
        results: list[QueryResult] = []  # kept for their reservations, which cover the matrices too

        async def run(batch: QueryBatch) -> list[SeriesMatrix]:
            try:
                result = await self.queries.api.query_range(
                    batch.query,
                    batch.labels,
                    batch.steps,
                    batch.optional,
                    signal=CONNECTIONS,
                    limit=RowLimit(_MAX_PODS if batch.is_of_pods else self.max_edges, query_label=PART),
                )
            except RefusedQueryError:
                if not batch.may_be_refused:
                    raise
                return batch.nothing()
            results.append(result)
            return await asyncio.to_thread(batch.split, result)

        conversation = mesh.conversation(scope, steps, shard)
        reply: tuple[QueryBatch, ...] | ConnectionSamples = next(conversation)
        while not isinstance(reply, ConnectionSamples):
            matrices = list(chain.from_iterable(await run_all(map(run, reply))))
            reply = await asyncio.to_thread(_send, conversation, matrices)
        return reply


def _send(
    conversation: Conversation, matrices: list[SeriesMatrix]
) -> tuple[QueryBatch, ...] | ConnectionSamples:
    """The next batches, or the samples at the end of the conversation."""
    try:
        return conversation.send(matrices)
    except StopIteration as end:  # a thread can't raise it
        samples: ConnectionSamples = end.value
        return samples
