"""Samples of containers (cAdvisor, kube-state-metrics) and connections from Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Self, TypeVar

import httpx
import structlog

from app.domain.annotations import IGNORE_LABEL
from app.domain.connection_providers import AUTO
from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import ProfileKind, Resource
from app.errors import NoNamespacesError
from app.history.samples import (
    STEP_SECONDS,
    STEPS_PER_DAY,
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.proxies import Proxy
from app.sources import owners, pressure, queries
from app.sources.budgeted_queries import BudgetedQueries
from app.sources.chunked_query import Chunk, failure_texts, run_all
from app.sources.clusters import KnowsPod
from app.sources.connection_queries import ConnectionQueries
from app.sources.connections.istio import DEFAULT_PROXY_NAMESPACES
from app.sources.connections.providers import supported_providers
from app.sources.core_usage import usage_of_containers
from app.sources.credentials import PrometheusCredentials
from app.sources.load_meter import LoadMeter
from app.sources.memory_budget import MemoryBudget
from app.sources.planning import DEFAULT_SAMPLE_BUDGET, SampleLoad
from app.sources.prometheus_api import CONCURRENT_QUERIES, PrometheusApi
from app.sources.provider_detection import ProviderDetection
from app.sources.queries import (
    CORE_LABEL,
    YOUNG_LABEL,
    ClusterName,
    Scope,
    Shard,
    usage_labels,
)
from app.sources.query_observer import QueryObserver
from app.sources.query_result import (
    Key,
    QueryResult,
    concatenate_matrices,
    concatenate_results,
)
from app.sources.retry_policy import RetryPolicy
from app.sources.state_reporter import StateReporter
from app.sources.young_series import PodsOfSteps, pods_of, with_rates, with_slopes, young_pods

T = TypeVar("T")
log = structlog.get_logger(__name__)
_EMPTY_SCOPE = (
    "no namespace is profiled: none matches PROFILING_NAMESPACE_SELECTOR and PROFILING_NAMESPACE without"
    f" being excluded by EXCLUDED_NAMESPACES or by its label {IGNORE_LABEL}"
)
ForwardedBy = Callable[[str], httpx.AsyncBaseTransport | None]


# Queries of the full sample budget per signal in one cycle; older steps wait for the next cycles.
QUERIES_PER_CYCLE = 20
DEFAULT_MAX_EDGES = 30_000

OWNERS = "owners"
_PRESSURE_SIGNALS = {Resource.CPU: "throttling", Resource.MEMORY: "kills"}
# The windows of its series that a query reads, if instants are half a window: two scrapes are the fewest.
_USAGE_WINDOWS = {Resource.CPU: 2.5, Resource.MEMORY: 1.0}  # of CPU a rate, and the last sample of six steps
# Throttling has two rates, stalls have three. Kills twice read an hour before each step: as hours of
# the steps of a chunk overlap, that is four windows for each of twelve steps; and there are seven instants.
_PRESSURE_WINDOWS = {Resource.CPU: 4.5, Resource.MEMORY: 8.0}
# From here on, the labels of a container's series are less than its samples; so all series are asked for.
_STEPS_OF_WHOLE_SERIES = STEPS_PER_DAY


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
    counts the samples that a query loads, at most once an hour. *knows_pod* shows whether a Pod, by namespace
    and name, runs or ran lately in this cluster; without it, series of several clusters in one server are
    separated less often. *forwarded_by* is the transport to a URL that is reached through another server.
    """

    def __init__(  # noqa: PLR0913 - transport and retry policy are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope | Callable[[], Scope],
        network_providers: Collection[str] = (AUTO,),
        mesh_proxy_namespaces: Collection[str] = DEFAULT_PROXY_NAMESPACES,
        service_graph_sampling: float | None = None,
        connections_url: str = "",
        connections_cluster: ClusterName | None = None,
        limits: Limits | None = None,
        credentials: PrometheusCredentials | None = None,
        observer: QueryObserver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        forwarded_by: ForwardedBy = lambda _: None,
        retry_policy: RetryPolicy | None = None,
        proxy_for: Callable[[str], Proxy | None] = lambda _: None,
        knows_pod: KnowsPod | None = None,
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
                route=forwarded_by(url) or proxy_for(url),
                budget=budget,
            )

        def budgeted(api: PrometheusApi) -> BudgetedQueries:
            return BudgetedQueries(
                api, sample_budget=limits.sample_budget, queries_per_cycle=limits.queries_per_cycle
            )

        self.api = api(base_url)
        self.connections_api = api(connections_url) if connections_url else self.api
        self._current_scope: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope
        self._connections_cluster = connections_cluster if connections_url else None
        self._queries = budgeted(self.api)
        self._load_meter, self._state_reporter = LoadMeter(self.api, knows_pod), StateReporter(self.api)
        providers = tuple(
            provider
            for provider in supported_providers(
                mesh_proxy_namespaces, service_graph_sampling=service_graph_sampling
            )
            if not {AUTO, provider.name}.isdisjoint(network_providers)
        )
        self._connections = ConnectionQueries(
            budgeted(self.connections_api),
            providers,
            ProviderDetection(self.connections_api, providers) if AUTO in network_providers else None,
            scope=lambda: self._connections_scope,
            load_meter=self._load_meter,
            max_edges=limits.max_edges,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for api in {self.api, self.connections_api}:
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
        """The providers with connections; with `auto`, `none` until a result has a source of one."""
        return self._connections.provider_in_use

    @property
    def found_servers(self) -> Mapping[str, str]:
        """None: the address was given."""
        return {}

    @property
    def own_clusters(self) -> Collection[str]:
        """This cluster's label in servers with the series of several, as last found."""
        return self._load_meter.own_clusters

    @property
    def container_jobs(self) -> Collection[str]:
        """The scrape jobs of the containers' series, as last counted."""
        return self._load_meter.container_jobs

    def late_namespaces(self, kind: ProfileKind) -> Collection[str]:
        """The namespaces with samples that came more than an hour late, as last counted."""
        of_connections = kind is ProfileKind.CONNECTION
        return self._load_meter.late_providers if of_connections else self._load_meter.late_containers

    async def retention_seconds(self) -> float | None:
        """The retention time of the server with container metrics; None if unknown."""
        return await self.api.retention_seconds()

    async def container_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[ContainerSamples]]:
        """One sample per container and step."""
        measured = await self._load_meter.of_containers(self._scope, steps, resource)
        scope = self._load_meter.containers_of_cluster(self._scope).restricted_to(namespaces)

        def text(shard: Shard) -> str:
            return queries.container_usage(resource, scope.within(shard))

        async def run(shard: Shard, chunk: StepRange) -> list[QueryResult]:
            labels, optional = usage_labels(resource), frozenset({CORE_LABEL, YOUNG_LABEL})
            ask = partial(self.api.query_range, labels=labels, optional=optional, signal=resource.value)
            if len(chunk) < _STEPS_OF_WHOLE_SERIES:
                result = await ask(text(shard), steps=chunk)
            else:
                series, *marks = queries.container_series(resource, scope.within(shard))
                whole = ask(series, steps=chunk, is_aggregated=False)
                of_young = partial(ask, steps=chunk, optional={CORE_LABEL})
                result = concatenate_results(await run_all([whole, *map(of_young, marks)]))
            if resource is Resource.MEMORY:
                return [result]
            result = await asyncio.to_thread(with_rates, result)
            return [result, *await _slopes(ask, queries.cpu_slopes, scope, result)]

        load = measured.within(namespaces).scaled(_USAGE_WINDOWS[resource])
        chunked = self._queries.chunked(resource.value, run, load, lambda shard: len(text(shard)))
        async for chunk in chunked.results(steps, max_samples=self._queries.samples_per_cycle):
            days = await asyncio.to_thread(_split_by_day, resource, chunk, namespaces)
            del chunk  # its results keep the memory that the next ones may need
            yield days

    async def pressure_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[PressureSamples]]:
        """The steps with pressure on *resource*; none if no metric of it is scraped."""
        signal = _PRESSURE_SIGNALS[resource]
        load = (await self._container_load(steps, namespaces)).scaled(_PRESSURE_WINDOWS[resource])
        scope = self._load_meter.containers_of_cluster(self._scope)
        if resource is Resource.MEMORY:  # kube-state-metrics has the kills
            scope = await self._state_reporter.within(scope, steps.last)
        scope = scope.restricted_to(namespaces)

        def text(shard: Shard) -> str:
            return pressure.pressure_query(resource, scope.within(shard))

        async def run(shard: Shard, chunk: StepRange) -> _PressureAnswer:
            labels, optional = pressure.LABELS, pressure.OPTIONAL_LABELS
            ask = partial(self.api.query_range, labels=labels, optional=optional, signal=signal)
            result = await ask(text(shard), steps=chunk)
            slopes = await _slopes(ask, partial(pressure.slopes_query, resource), scope, result)
            killed = pods_of(pressure.killed(result)) if resource is Resource.MEMORY else []
            limits = await _of_pods(ask, pressure.limits_query, scope, killed)
            return _PressureAnswer(with_slopes(result, slopes), limits)

        chunked = self._queries.chunked(signal, run, load, lambda shard: len(text(shard)))
        async for chunk in chunked.results(steps, max_samples=self._queries.samples_per_cycle):
            kinds = _pressure_of_chunk(resource, chunk, namespaces)
            del chunk  # its results keep the memory that the next ones may need
            yield kinds

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The workloads of the Pods of *steps*; none if no metric with owners is scraped."""
        load = await self._container_load(steps, EVERY_NAMESPACE)
        own = self._load_meter.containers_of_cluster(self._scope)
        scope = await self._state_reporter.within(own, steps.last)
        failed: dict[str, str] = {}

        async def keys_of(
            query: Callable[..., str], labels: Sequence[str], optional: Collection[str]
        ) -> list[Key]:
            def text(shard: Shard, chunk: StepRange = steps) -> str:
                return query(scope.within(shard), seconds=len(chunk) * STEP_SECONDS)

            async def run(shard: Shard, chunk: StepRange) -> tuple[Key, ...]:
                end = StepRange(chunk.last, chunk.last)
                answer = self.api.query_range(text(shard, chunk), labels, end, optional, signal=OWNERS)
                return (await answer).keys

            chunked = self._queries.chunked(OWNERS, run, load, lambda shard: len(text(shard)))
            chunks = [chunk async for chunk in chunked.results(steps)]
            for chunk in chunks:
                failed.update(failure_texts(chunk.failed))
            # The newest keys last: they override older ones.
            keys = chain.from_iterable(chain.from_iterable(chunk.results for chunk in reversed(chunks)))
            return list(dict.fromkeys(keys))

        keys = await keys_of(owners.owners_query, owners.OWNER_LABELS, owners.OPTIONAL_LABELS)
        rule_keys: list[Key] = []
        if not owners.has_pod_owners(keys, load.samples):
            rule_keys = await keys_of(owners.workloads_query, owners.WORKLOAD_LABELS, ())
        past_owners = await asyncio.to_thread(owners.join, keys, rule_keys)
        return replace(past_owners, failed=failed)

    async def connection_samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """One sample per directed edge and step; yields nothing without a provider to query."""
        async for samples in self._connections.samples(steps, namespaces):
            yield samples

    async def _container_load(self, steps: StepRange, namespaces: NamespaceSelection) -> SampleLoad:
        return (await self._load_meter.of_containers(self._scope, steps)).within(namespaces)


@dataclass(frozen=True, slots=True)
class _PressureAnswer:
    """A result on pressure, and those on the memory limits of the containers that were killed."""

    result: QueryResult
    limits: Sequence[QueryResult]


def _pressure_of_chunk(
    resource: Resource, chunk: Chunk[_PressureAnswer], namespaces: NamespaceSelection
) -> list[PressureSamples]:
    result = concatenate_results([answer.result for answer in chunk.results])
    limits = [limit for answer in chunk.results for limit in answer.limits]
    answered, failed = namespaces.without(chunk.failed), failure_texts(chunk.failed)
    return [
        replace(samples, answered=answered, failed=failed)
        for samples in pressure.pressure_samples(resource, chunk.steps, result, limits)
    ]


async def _slopes(
    ask: Callable[..., Awaitable[QueryResult]], query: Callable[..., str], scope: Scope, result: QueryResult
) -> list[QueryResult]:
    """The slopes of the young series that *result* marks, by the *query* on Pods."""
    return await _of_pods(ask, query, scope, await asyncio.to_thread(young_pods, result))


async def _of_pods(
    ask: Callable[..., Awaitable[QueryResult]],
    query: Callable[..., str],
    scope: Scope,
    several: Sequence[PodsOfSteps],
) -> list[QueryResult]:
    """The results of the *query* on the Pods of each of *several*."""
    return [
        await ask(
            query(pods=each.pods, scope=replace(scope, included=each.namespaces, excluded=())),
            steps=each.steps,
        )
        for each in several
    ]


def _split_by_day(
    resource: Resource, chunk: Chunk[list[QueryResult]], namespaces: NamespaceSelection
) -> list[ContainerSamples]:
    """The samples of each day, the newest day first."""
    days = []
    answered, failed = namespaces.without(chunk.failed), failure_texts(chunk.failed)
    results = [
        usage_of_containers(result, slopes) if resource is Resource.CPU else result
        for result, *slopes in chunk.results
    ]
    for day in sorted(chunk.steps.by_day(), reverse=True):
        matrix = concatenate_matrices([result.within(day) for result in results])
        containers = tuple(PodContainer(*key) for key in matrix.keys)
        days.append(
            ContainerSamples(resource, day, containers, matrix.values, matrix.unusable, answered, failed)
        )
    return days
