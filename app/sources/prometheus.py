"""Usage from Prometheus-compatible servers: cAdvisor's metrics for containers, a mesh's for connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx

from app.domain.annotations import IGNORE_LABEL
from app.domain.profiles import Pressure, Resource
from app.errors import NoNamespacesError
from app.history.samples import (
    STEP_SECONDS,
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.sources import owners, queries
from app.sources.chunked_query import Ask, ChunkedQuery, all_of
from app.sources.credentials import PrometheusCredentials
from app.sources.mesh.conversation import Conversation, Mesh, MeshQuery, QueryBatch
from app.sources.mesh.edges import combined
from app.sources.mesh.providers import MESHES
from app.sources.planning import DEFAULT_SAMPLE_BUDGET, STEPS_PER_HOUR, QueryPlanner, SampleLoad
from app.sources.pressure import pressure_query, sparse_samples
from app.sources.prometheus_api import CONCURRENT_QUERIES, PrometheusApi, RetryPolicy
from app.sources.queries import Scope, Shard
from app.sources.query_observer import QueryObserver
from app.sources.query_result import Key, QueryResult, SeriesMatrix, joined_matrices, joined_series

T = TypeVar("T")
_NOTHING_IN_SCOPE = (
    "no namespace is profiled: none fits PROFILING_NAMESPACE_SELECTOR and PROFILING_NAMESPACE without being"
    f" excluded by EXCLUDED_NAMESPACES or by its label {IGNORE_LABEL}"
)
NetworkProvider = Literal["auto", "linkerd", "istio", "none"]


# How much of the past a signal asks for in one cycle; what is older waits for the next ones.
QUESTIONS_PER_CYCLE = 20

PLANNING, OWNERS, CONNECTIONS = "planning", "owners", "connections"
_SIGNS = {Pressure.CPU_THROTTLING: "throttling", Pressure.OOM_KILLED: "kills"}
# Against usage: two metrics, and about three with longer windows.
_LOAD_OF_SIGNS = {Pressure.CPU_THROTTLING: 2, Pressure.OOM_KILLED: 3}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server is asked for at most: raw samples in one query, and questions on a signal in a cycle."""

    sample_budget: int = DEFAULT_SAMPLE_BUDGET
    questions_per_cycle: float = QUESTIONS_PER_CYCLE
    concurrency: int = CONCURRENT_QUERIES
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class _KnownLoad:
    scope: Scope
    step: int
    load: SampleLoad

    def holds(self, scope: Scope, step: int) -> bool:
        """For an hour; silence only until there is another step."""
        age = abs(step - self.step)
        return scope == self.scope and age < (STEPS_PER_HOUR if self.load.samples else 1)


class PrometheusSource:
    """Answers in whole or raises SourceError; use it as an asynchronous context manager.

    A scope that changes is given as a callable, which is asked anew for each answer. How many samples a
    question loads is asked of the server itself, at most once an hour.
    """

    def __init__(  # noqa: PLR0913 - transport and pace are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope | Callable[[], Scope],
        network_provider: NetworkProvider = "auto",
        connections_url: str = "",
        limits: Limits | None = None,
        access: PrometheusCredentials | None = None,
        observer: QueryObserver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: RetryPolicy | None = None,
    ) -> None:
        limits = limits or Limits()

        def api(url: str) -> PrometheusApi:
            return PrometheusApi(
                url,
                timeout_seconds=limits.timeout_seconds,
                access=access,
                concurrency=limits.concurrency,
                observer=observer,
                transport=transport,
                pace=pace,
            )

        self.api = api(base_url)
        self.mesh_api = api(connections_url) if connections_url else self.api
        self._scope_of_now: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope
        self._meshes = tuple(mesh for mesh in MESHES if network_provider in {"auto", mesh.name})
        self._found = () if network_provider == "auto" else self._meshes
        # What a server takes of one kind of series tells little of the other.
        self._planner, self._mesh_planner = (
            QueryPlanner(limits.sample_budget),
            QueryPlanner(limits.sample_budget),
        )
        self._samples_per_cycle = limits.sample_budget * limits.questions_per_cycle
        self._loads: dict[str, _KnownLoad] = {}
        self._planning = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for api in {self.api, self.mesh_api}:
            await api.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where the server is, without credentials."""
        return self.api.url

    @property
    def _scope(self) -> Scope:
        """The scope of this moment, in which there is something to ask."""
        scope = self._scope_of_now()
        if scope.is_empty:
            raise NoNamespacesError("NoNamespaces", _NOTHING_IN_SCOPE)
        return scope

    @property
    def network_provider_in_use(self) -> str:
        """Where connections come from; with `auto`, `none` until an answer holds something of a mesh."""
        return " and ".join(mesh.name for mesh in self._found) or "none"

    async def retention_seconds(self) -> float | None:
        """That of the server that tells of containers."""
        return await self.api.retention_seconds()

    async def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """One sample per container and step."""
        scope = self._scope

        async def ask(shard: Shard, part: StepRange) -> QueryResult:
            query = queries.container_usage(resource, scope.narrowed(shard))
            return await self.api.query_range(query, queries.CONTAINER_LABELS, part, signal=resource.value)

        load = await self._container_load(scope, steps)
        inquiry = self._inquiry(resource.value, ask, load)
        async for _, answers in inquiry.answers(steps, most_samples=self._samples_per_cycle):
            yield await asyncio.to_thread(_by_day, resource, answers)

    async def pressure_samples(self, reason: Pressure, steps: StepRange) -> AsyncIterator[PressureSamples]:
        """Where a sign of need was seen; nowhere where its metric is not scraped."""
        scope, signal = self._scope, _SIGNS[reason]

        async def ask(shard: Shard, part: StepRange) -> QueryResult:
            query = pressure_query(reason, scope.narrowed(shard))
            return await self.api.query_range(query, queries.CONTAINER_LABELS, part, signal=signal)

        load = (await self._container_load(scope, steps)).times(_LOAD_OF_SIGNS[reason])
        inquiry = self._inquiry(signal, ask, load)
        async for part, answers in inquiry.answers(steps, most_samples=self._samples_per_cycle):
            yield sparse_samples(reason, part, joined_series(answers))

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """Who owned the Pods of *steps*; nobody where nothing that tells it is scraped."""
        scope = self._scope
        load = await self._container_load(scope, steps)

        async def told(
            query: Callable[..., str], labels: Sequence[str], optional: Collection[str]
        ) -> list[Key]:
            async def ask(shard: Shard, part: StepRange) -> tuple[Key, ...]:
                text = query(scope.narrowed(shard), seconds=len(part) * STEP_SECONDS)
                end = StepRange(part.last, part.last)
                return (await self.api.query_range(text, labels, end, optional, signal=OWNERS)).keys

            answers = [keys async for _, keys in self._inquiry(OWNERS, ask, load).answers(steps)]
            # The newest come last, and so count.
            return list(dict.fromkeys(chain.from_iterable(chain.from_iterable(reversed(answers)))))

        known = await told(owners.owners, owners.OWNER_LABELS, owners.OPTIONAL_LABELS)
        if owners.tells_pods(known):
            return await asyncio.to_thread(owners.join_owners, known)
        rule = await told(owners.workloads_of_pods, owners.WORKLOAD_LABELS, ())
        return await asyncio.to_thread(owners.join_workloads, rule, known) if rule else PastOwners()

    async def connection_samples(self, steps: StepRange) -> AsyncIterator[ConnectionSamples]:
        """One sample per directed edge and step; nothing at all where no mesh is to be asked.

        Every mesh that may be there is asked until one is found, and from then on those that were found.
        """
        asked = self._found or self._meshes
        if not asked:
            return
        scope = self._scope
        loads = [await self._load(self.mesh_api, mesh.name, mesh.load(scope), scope, steps) for mesh in asked]

        async def ask(shard: Shard, part: StepRange) -> list[tuple[Mesh, ConnectionSamples]]:
            return [(mesh, await self._ask_mesh(mesh, scope, shard, part)) for mesh in asked]

        split = partial(self.mesh_api.observer.split, CONNECTIONS)
        inquiry = ChunkedQuery(self._mesh_planner, SampleLoad.sum(loads), ask, split)
        async for _, answers in inquiry.answers(steps, most_samples=self._samples_per_cycle):
            told = list(chain.from_iterable(answers))
            seen = {mesh.name for mesh, samples in told if samples.sources}
            self._found = self._found or tuple(mesh for mesh in asked if mesh.name in seen)
            yield combined([samples for _, samples in told])

    async def _ask_mesh(self, mesh: Mesh, scope: Scope, shard: Shard, steps: StepRange) -> ConnectionSamples:
        async def ask(question: QueryBatch) -> list[SeriesMatrix]:
            told = await self.mesh_api.query_range(
                question.query, question.labels, question.steps, question.optional, signal=CONNECTIONS
            )
            return await asyncio.to_thread(question.read, told)

        conversation = mesh.conversation(scope, steps, shard)
        said: tuple[QueryBatch, ...] | ConnectionSamples = next(conversation)
        while not isinstance(said, ConnectionSamples):
            answers = list(chain.from_iterable(await all_of(map(ask, said))))
            said = await asyncio.to_thread(_said, conversation, answers)
        return said

    def _inquiry(self, signal: str, ask: Ask[T], load: SampleLoad) -> ChunkedQuery[T]:
        return ChunkedQuery(self._planner, load, ask, partial(self.api.observer.split, signal))

    async def _container_load(self, scope: Scope, steps: StepRange) -> SampleLoad:
        question = MeshQuery(queries.container_load(scope), queries.LOAD_LABELS)
        return await self._load(self.api, "containers", question, scope, steps)

    async def _load(
        self, api: PrometheusApi, kind: str, question: MeshQuery, scope: Scope, steps: StepRange
    ) -> SampleLoad:
        """What a step loads, as it was at the end of *steps*."""
        async with self._planning:
            known = self._loads.get(kind)
            if known and known.holds(scope, steps.last):
                return known.load
            end = StepRange(steps.last, steps.last)
            told = await api.query_range(question.query, question.labels, end, signal=PLANNING)
            counts = zip(told.keys, told.samples.tolist(), strict=True)
            load = SampleLoad({namespace: count for (namespace,), count in counts if count > 0})
            self._loads[kind] = _KnownLoad(scope, steps.last, load)
            return load


def _said(
    conversation: Conversation, answers: list[SeriesMatrix]
) -> tuple[QueryBatch, ...] | ConnectionSamples:
    try:
        return conversation.send(answers)
    except StopIteration as end:  # no thread may raise it
        samples: ConnectionSamples = end.value
        return samples


def _by_day(resource: Resource, answers: Sequence[QueryResult]) -> list[ContainerSamples]:
    found = []
    for day in sorted(answers[0].steps.by_day(), reverse=True):
        matrix = joined_matrices([series.within(day) for series in answers])
        containers = tuple(PodContainer(*key) for key in matrix.keys)
        found.append(ContainerSamples(resource, day, containers, matrix.values, matrix.unusable))
    return found
