"""Samples of containers (cAdvisor, kube-state-metrics) and connections (a mesh) from Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx
import structlog

from app.domain.annotations import IGNORE_LABEL
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import Resource
from app.errors import NoNamespacesError, RefusedQueryError, SourceError
from app.history.samples import (
    STEP_SECONDS,
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.proxies import Proxy
from app.sources import owners, pressure, queries
from app.sources.chunked_query import Chunk, ChunkedQuery, RunQuery, run_all
from app.sources.core_usage import add_up_cores
from app.sources.credentials import PrometheusCredentials
from app.sources.load_meter import LoadMeter
from app.sources.memory_budget import MemoryBudget
from app.sources.mesh.conversation import Conversation, Mesh, QueryBatch
from app.sources.mesh.edges import concatenate_samples
from app.sources.mesh.istio import DEFAULT_PROXY_NAMESPACES
from app.sources.mesh.providers import supported_meshes
from app.sources.planning import DEFAULT_SAMPLE_BUDGET, QueryPlanner, SampleLoad
from app.sources.prometheus_api import CONCURRENT_QUERIES, PrometheusApi, RetryPolicy
from app.sources.queries import CORE_LABEL, ClusterName, Scope, Shard, usage_labels
from app.sources.query_observer import QueryObserver
from app.sources.query_result import (
    Key,
    QueryResult,
    SeriesMatrix,
    concatenate_matrices,
    concatenate_results,
)
from app.sources.row_limit import RowLimit

T = TypeVar("T")
log = structlog.get_logger(__name__)
_EMPTY_SCOPE = (
    "no namespace is profiled: none matches PROFILING_NAMESPACE_SELECTOR and PROFILING_NAMESPACE without"
    f" being excluded by EXCLUDED_NAMESPACES or by its label {IGNORE_LABEL}"
)
NetworkProvider = Literal["auto", "linkerd", "istio", "none"]


# Queries of the full sample budget per signal in one cycle; older steps wait for the next cycles.
QUERIES_PER_CYCLE = 20
DEFAULT_MAX_EDGES = 30_000
_MAX_PODS = 200_000  # of one answer; more than Kubernetes supports in a cluster

OWNERS, CONNECTIONS = "owners", "connections"
_PRESSURE_SIGNALS = {Resource.CPU: "throttling", Resource.MEMORY: "kills"}
# Relative to a query on usage, which reads one window of each series: three rates; a rate and five instants.
_PRESSURE_LOADS = {Resource.CPU: 3, Resource.MEMORY: 2}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for a server: raw samples per query, queries per signal and cycle, concurrency and time-out.

    `max_edges` are the rows that an answer on each rate of edges keeps.
    """

    sample_budget: int = DEFAULT_SAMPLE_BUDGET
    queries_per_cycle: float = QUERIES_PER_CYCLE
    concurrency: int = CONCURRENT_QUERIES
    timeout_seconds: float = 60.0
    max_edges: int = DEFAULT_MAX_EDGES


class PrometheusSource:
    """Returns complete results or raises SourceError; use it as an asynchronous context manager.

    A *scope* that changes is a callable, which is called for each request of samples. The server itself
    counts the samples that a query loads, at most once an hour.
    """

    def __init__(  # noqa: PLR0913 - transport and retry policy are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope | Callable[[], Scope],
        network_provider: NetworkProvider = "auto",
        mesh_proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
        connections_url: str = "",
        connections_cluster: ClusterName | None = None,
        limits: Limits | None = None,
        credentials: PrometheusCredentials | None = None,
        observer: QueryObserver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        retry_policy: RetryPolicy | None = None,
        proxy_for: Callable[[str], Proxy | None] = lambda _: None,
    ) -> None:
        limits = limits or Limits()
        # One for both servers: their answers are in the same memory.
        budget = MemoryBudget(limits.concurrency * (2 if connections_url else 1))

        def api(url: str) -> PrometheusApi:
            return PrometheusApi(
                url,
                timeout_seconds=limits.timeout_seconds,
                credentials=credentials,
                concurrency=limits.concurrency,
                observer=observer,
                transport=transport,
                retry_policy=retry_policy,
                proxy=proxy_for(url),
                budget=budget,
            )

        self.api = api(base_url)
        self.mesh_api = api(connections_url) if connections_url else self.api
        self._current_scope: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope
        self._connections_cluster = connections_cluster if connections_url else None
        self._meshes = tuple(
            mesh
            for mesh in supported_meshes(mesh_proxy_namespaces)
            if network_provider in {"auto", mesh.name}
        )
        self._max_edges = limits.max_edges
        self._meshes_in_use = () if network_provider == "auto" else self._meshes
        # The limits that a server shows for container series say little about a mesh's series.
        self._planner, self._mesh_planner = (
            QueryPlanner(limits.sample_budget),
            QueryPlanner(limits.sample_budget),
        )
        self._samples_per_cycle = limits.sample_budget * limits.queries_per_cycle
        self._load_meter = LoadMeter(self.api)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for api in {self.api, self.mesh_api}:
            await api.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The URL of the server, without credentials."""
        return self.api.url

    @property
    def _scope(self) -> Scope:
        """The current scope; raises NoNamespacesError if it is empty."""
        scope = self._current_scope()
        if scope.is_empty:
            raise NoNamespacesError("NoNamespaces", _EMPTY_SCOPE)
        return scope

    @property
    def _connections_scope(self) -> Scope:
        """The same for the mesh's server, where this cluster may have another name."""
        cluster = self._connections_cluster
        return (
            replace(self._scope, cluster=cluster.name, cluster_label=cluster.label)
            if cluster
            else self._scope
        )

    @property
    def network_provider_in_use(self) -> str:
        """The meshes with connections; with `auto`, `none` until a result has a source of a mesh."""
        return " and ".join(mesh.name for mesh in self._meshes_in_use) or "none"

    @property
    def container_jobs(self) -> Collection[str]:
        """The scrape jobs of the containers' series, as last counted."""
        return self._load_meter.container_jobs

    async def retention_seconds(self) -> float | None:
        """The retention time of the server with container metrics; None if unknown."""
        return await self.api.retention_seconds()

    async def container_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[ContainerSamples]]:
        """One sample per container and step."""
        scope = self._scope.restricted_to(namespaces)

        async def run(shard: Shard, chunk: StepRange) -> QueryResult:
            query, labels = queries.container_usage(resource, scope.within(shard)), usage_labels(resource)
            optional = frozenset({CORE_LABEL})
            return await self.api.query_range(query, labels, chunk, optional, signal=resource.value)

        load = await self._container_load(steps, namespaces)
        chunked = self._chunked_query(resource.value, run, load)
        async for chunk in chunked.results(steps, max_samples=self._samples_per_cycle):
            yield await asyncio.to_thread(_split_by_day, resource, chunk, namespaces)

    async def pressure_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[PressureSamples]]:
        """The steps with pressure on *resource*; none if no metric of it is scraped."""
        scope, signal = self._scope.restricted_to(namespaces), _PRESSURE_SIGNALS[resource]

        async def run(shard: Shard, chunk: StepRange) -> QueryResult:
            query = pressure.pressure_query(resource, scope.within(shard))
            labels, optional = pressure.LABELS, pressure.OPTIONAL_LABELS
            return await self.api.query_range(query, labels, chunk, optional, signal=signal)

        load = (await self._container_load(steps, namespaces)).scaled(_PRESSURE_LOADS[resource])
        chunked = self._chunked_query(signal, run, load)
        async for chunk in chunked.results(steps, max_samples=self._samples_per_cycle):
            result = concatenate_results(chunk.results)
            answered, failed = namespaces.without(chunk.failed), _reasons(chunk.failed)
            yield [
                replace(samples, answered=answered, failed=failed)
                for samples in pressure.pressure_samples(resource, chunk.steps, result)
            ]

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The workloads of the Pods of *steps*; none if no metric with owners is scraped."""
        scope = self._scope
        load = await self._container_load(steps, EVERY_NAMESPACE)
        failed: dict[str, str] = {}

        async def keys_of(
            query: Callable[..., str], labels: Sequence[str], optional: Collection[str]
        ) -> list[Key]:
            async def run(shard: Shard, chunk: StepRange) -> tuple[Key, ...]:
                text = query(scope.within(shard), seconds=len(chunk) * STEP_SECONDS)
                end = StepRange(chunk.last, chunk.last)
                return (await self.api.query_range(text, labels, end, optional, signal=OWNERS)).keys

            chunks = [chunk async for chunk in self._chunked_query(OWNERS, run, load).results(steps)]
            for chunk in chunks:
                failed.update(_reasons(chunk.failed))
            # The newest keys last: they override older ones.
            keys = chain.from_iterable(chain.from_iterable(chunk.results for chunk in reversed(chunks)))
            return list(dict.fromkeys(keys))

        keys = await keys_of(owners.owners_query, owners.OWNER_LABELS, owners.OPTIONAL_LABELS)
        if owners.has_pod_owners(keys):
            past_owners = await asyncio.to_thread(owners.join_owners, keys)
        elif rule_keys := await keys_of(owners.workloads_query, owners.WORKLOAD_LABELS, ()):
            past_owners = await asyncio.to_thread(owners.join_workloads, rule_keys, keys)
        else:
            past_owners = PastOwners()
        return replace(past_owners, failed=failed)

    async def connection_samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """One sample per directed edge and step; yields nothing without a mesh to query.

        With `auto`, all meshes are queried until a result has sources of some, and only these afterwards. If
        they do not answer together, the first one that answers alone counts.
        """
        meshes = self._meshes_in_use or self._meshes
        fault: RefusedQueryError | None = None
        try:
            async for samples, present in self._samples_of(meshes, steps, namespaces):
                self._meshes_in_use = self._meshes_in_use or present
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
        scope = self._connections_scope
        loads = [await self._load_meter.of_mesh(self.mesh_api, mesh, scope, steps) for mesh in meshes]
        load = SampleLoad.sum(loads).within(namespaces)

        async def run(shard: Shard, chunk: StepRange) -> list[tuple[Mesh, ConnectionSamples]]:
            sources = shard.intersection(namespaces)
            return [(mesh, await self._query_mesh(mesh, scope, sources, chunk)) for mesh in meshes]

        on_split = partial(self.mesh_api.observer.record_split, CONNECTIONS)
        chunked = ChunkedQuery(self._mesh_planner, load, _narrowed(run, self.mesh_api), on_split)
        async for chunk in chunked.results(steps, max_samples=self._samples_per_cycle):
            mesh_samples = list(chain.from_iterable(chunk.results))
            names = {mesh.name for mesh, samples in mesh_samples if samples.sources}
            samples = concatenate_samples([samples for _, samples in mesh_samples])
            yield (
                replace(samples, answered=namespaces.without(chunk.failed), failed=_reasons(chunk.failed)),
                tuple(mesh for mesh in meshes if mesh.name in names),
            )

    async def _query_mesh(
        self, mesh: Mesh, scope: Scope, shard: Shard, steps: StepRange
    ) -> ConnectionSamples:
        results: list[QueryResult] = []  # kept for their reservations, which cover the matrices too

        async def run(batch: QueryBatch) -> list[SeriesMatrix]:
            try:
                result = await self.mesh_api.query_range(
                    batch.query,
                    batch.labels,
                    batch.steps,
                    batch.optional,
                    signal=CONNECTIONS,
                    limit=RowLimit(_MAX_PODS if batch.is_of_pods else self._max_edges * len(batch.parts)),
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

    def _chunked_query(self, signal: str, run: RunQuery[T], load: SampleLoad) -> ChunkedQuery[T]:
        narrowed = _narrowed(run, self.api)
        return ChunkedQuery(self._planner, load, narrowed, partial(self.api.observer.record_split, signal))

    async def _container_load(self, steps: StepRange, namespaces: NamespaceSelection) -> SampleLoad:
        return (await self._load_meter.of_containers(self._scope, steps)).within(namespaces)


def _narrowed(run: RunQuery[T], api: PrometheusApi) -> RunQuery[T]:
    """Runs the query; an error that is the query's own is a RefusedQueryError."""

    async def narrowed(shard: Shard, chunk: StepRange) -> T:
        try:
            return await run(shard, chunk)
        except SourceError as error:
            raise await api.narrowed(error, chunk) from error

    return narrowed


def _reasons(failed: Mapping[str, SourceError]) -> dict[str, str]:
    return {namespace: str(error) for namespace, error in failed.items()}


def _send(
    conversation: Conversation, matrices: list[SeriesMatrix]
) -> tuple[QueryBatch, ...] | ConnectionSamples:
    """The next batches, or the samples at the end of the conversation."""
    try:
        return conversation.send(matrices)
    except StopIteration as end:  # a thread can't raise it
        samples: ConnectionSamples = end.value
        return samples


def _split_by_day(
    resource: Resource, chunk: Chunk[QueryResult], namespaces: NamespaceSelection
) -> list[ContainerSamples]:
    """The samples of each day, the newest day first."""
    days = []
    answered, failed = namespaces.without(chunk.failed), _reasons(chunk.failed)
    results = chunk.results
    if CORE_LABEL in usage_labels(resource):
        results = [add_up_cores(result) for result in results]
    for day in sorted(chunk.steps.by_day(), reverse=True):
        matrix = concatenate_matrices([result.within(day) for result in results])
        containers = tuple(PodContainer(*key) for key in matrix.keys)
        days.append(
            ContainerSamples(resource, day, containers, matrix.values, matrix.unusable, answered, failed)
        )
    return days
