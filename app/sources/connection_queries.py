"""Samples of connections from the providers of one server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.errors import RefusedQueryError, SourceError, TooLargeError
from app.history.samples import ConnectionSamples, StepRange
from app.sources.budgeted_queries import BudgetedQueries
from app.sources.chunked_query import failure_texts, run_all
from app.sources.connections.conversation import ConnectionProvider, Conversation, QueryBatch
from app.sources.connections.edges import concatenate_samples
from app.sources.load_meter import LoadMeter
from app.sources.planning import SampleLoad
from app.sources.provider_detection import ProviderDetection
from app.sources.queries import Scope, Shard
from app.sources.query_result import QueryResult, SeriesMatrix

CONNECTIONS = "connections"
# Errors of queries, which those of another provider may not have.
_OF_QUERIES = (RefusedQueryError, TooLargeError)
_MAX_PODS = 200_000  # of one answer; more than Kubernetes supports in a cluster


@dataclass(slots=True)
class ConnectionQueries:
    """The edges of *providers*; with a *detection*, of those that have series.

    *scope* is called for each request of samples; an answer on each rate keeps the rows of *max_edges* edges.
    """

    queries: BudgetedQueries
    providers: tuple[ConnectionProvider, ...]
    detection: ProviderDetection | None
    scope: Callable[[], Scope]
    load_meter: LoadMeter
    max_edges: int
    _with_sources: tuple[ConnectionProvider, ...] = field(init=False, default=())

    @property
    def provider_in_use(self) -> str:
        """The providers with connections; `none` until a result has a source of one that is detected."""
        return " and ".join(provider.name for provider in self._providers_in_use) or "none"

    @property
    def _providers_in_use(self) -> tuple[ConnectionProvider, ...]:
        return self._with_sources if self.detection else self.providers

    async def _providers_to_ask(self, steps: StepRange) -> tuple[ConnectionProvider, ...]:
        present = await self.detection.present(steps) if self.detection else self.providers
        return (self._with_sources or self.providers) if present is None else present

    async def samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """One sample per directed edge and step; yields nothing without a provider to query.

        Where the server does not show which providers have series, all are asked until a result has sources
        of some, and only these afterwards. If they do not answer together, the first one that answers alone
        counts.
        """
        if self.providers:
            self.scope()  # raises an error if no namespace is profiled
        providers = await self._providers_to_ask(steps)
        if self.providers and not providers:
            yield ConnectionSamples.none(steps, namespaces)
        fault: SourceError | None = None
        try:
            async for samples, present in self._samples_of(providers, steps, namespaces):
                self._with_sources = tuple(
                    each for each in self.providers if each in present or each in self._with_sources
                )
                providers = providers[:1]  # from the first result on, an error is that of all
                yield samples
        except _OF_QUERIES as error:
            if len(providers) == 1:
                raise
            fault = error
        if fault is None:
            return
        async for samples in self._samples_of_one(providers, steps, namespaces, fault):
            yield samples

    async def _samples_of_one(
        self,
        providers: tuple[ConnectionProvider, ...],
        steps: StepRange,
        namespaces: NamespaceSelection,
        fault: SourceError,
    ) -> AsyncIterator[ConnectionSamples]:
        """The samples of the first of *providers* that answers alone; together they have a *fault*."""
        for provider in providers:
            has_answered = False
            try:
                async for samples, present in self._samples_of((provider,), steps, namespaces):
                    if not (present or has_answered):
                        break
                    has_answered = True
                    yield replace(samples, unanswered_provider=str(fault))
            except _OF_QUERIES:
                if has_answered:
                    raise
            if has_answered:
                return
        raise fault

    async def _samples_of(
        self, providers: tuple[ConnectionProvider, ...], steps: StepRange, namespaces: NamespaceSelection
    ) -> AsyncIterator[tuple[ConnectionSamples, tuple[ConnectionProvider, ...]]]:
        """The samples of *providers*, and those of them that have sources."""
        if not providers:
            return
        scope, api = self.scope(), self.queries.api
        loads = [await self.load_meter.of_provider(api, provider, scope, steps) for provider in providers]
        load = SampleLoad.sum(loads).within(namespaces)
        scopes = [
            (provider, self.load_meter.provider_of_cluster(scope, provider, api)) for provider in providers
        ]

        async def run(shard: Shard, chunk: StepRange) -> list[tuple[ConnectionProvider, ConnectionSamples]]:
            sources = shard.intersection(namespaces)
            return [
                (provider, await self._query_provider(provider, own, sources, chunk))
                for provider, own in scopes
            ]

        def longest_text(shard: Shard) -> int:
            sources = shard.intersection(namespaces)
            return max(provider.longest_query(own, sources) for provider, own in scopes)

        chunked = self.queries.chunked(CONNECTIONS, run, load, longest_text)
        async for chunk in chunked.results(steps, max_samples=self.queries.samples_per_cycle):
            provider_samples = list(chain.from_iterable(chunk.results))
            names = {provider.name for provider, samples in provider_samples if samples.sources}
            samples = concatenate_samples([samples for _, samples in provider_samples])
            answered, failed = namespaces.without(chunk.failed), failure_texts(chunk.failed)
            samples = replace(samples, answered=answered, failed=failed)
            yield samples, tuple(provider for provider in providers if provider.name in names)

    async def _query_provider(
        self, provider: ConnectionProvider, scope: Scope, shard: Shard, steps: StepRange
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
                    limit=batch.row_limit(_MAX_PODS if batch.is_of_pods else self.max_edges),
                )
            except RefusedQueryError:
                if not batch.may_be_refused:
                    raise
                return batch.nothing()
            results.append(result)
            return await asyncio.to_thread(batch.split, result)

        conversation = provider.conversation(scope, steps, shard)
        reply: tuple[QueryBatch, ...] | ConnectionSamples = next(conversation)
        while not isinstance(reply, ConnectionSamples):
            matrices = list(chain.from_iterable(await run_all(map(run, reply))))
            reply = await asyncio.to_thread(_send, conversation, matrices)
        return _of_provider(provider, reply)


def _of_provider(provider: ConnectionProvider, samples: ConnectionSamples) -> ConnectionSamples:
    """The *samples* with the *provider* that counts them."""
    return replace(
        samples,
        providers=np.full(len(samples.edges), provider.identity, dtype=np.uint8),
        source_providers=np.full(len(samples.sources), provider.identity, dtype=np.uint8),
    )


def _send(
    conversation: Conversation, matrices: list[SeriesMatrix]
) -> tuple[QueryBatch, ...] | ConnectionSamples:
    """The next batches, or the samples at the end of the conversation."""
    try:
        return conversation.send(matrices)
    except StopIteration as end:  # a thread can't raise it
        samples: ConnectionSamples = end.value
        return samples
