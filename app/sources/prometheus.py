"""Usage from Prometheus-compatible servers: cAdvisor's metrics for containers, a mesh's for connections."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

import httpx

from app.domain.annotations import IGNORE_LABEL
from app.domain.profiles import NeedReason, Resource
from app.errors import NoNamespacesError
from app.estimation.samples import (
    STEP_SECONDS,
    ConnectionSamples,
    ContainerSamples,
    NeedSamples,
    PastOwners,
    PodContainer,
    StepRange,
)
from app.sources import owners, queries
from app.sources.connections import combined
from app.sources.mesh import MESHES, Mesh
from app.sources.need_answers import need_samples
from app.sources.need_queries import need_signs
from app.sources.prometheus_api import Pace, PrometheusApi
from app.sources.queries import Scope

_NOTHING_IN_SCOPE = (
    "no namespace is profiled: none fits PROFILING_NAMESPACE_SELECTOR and PROFILING_NAMESPACE without being"
    f" excluded by EXCLUDED_NAMESPACES or by its label {IGNORE_LABEL}"
)
NetworkProvider = Literal["auto", "linkerd", "istio", "none"]


class PrometheusSource:
    """Answers in whole or raises SourceError; use it as an asynchronous context manager.

    A scope that changes is given as a callable, which is asked anew for each answer.
    """

    def __init__(  # noqa: PLR0913 - transport and pace are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope | Callable[[], Scope],
        network_provider: NetworkProvider = "auto",
        connections_url: str = "",
        timeout_seconds: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.api = PrometheusApi(base_url, timeout_seconds=timeout_seconds, transport=transport, pace=pace)
        self.mesh_api = self.api
        if connections_url:
            self.mesh_api = PrometheusApi(
                connections_url, timeout_seconds=timeout_seconds, transport=transport, pace=pace
            )
        self._scope_of_now: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope
        self._meshes = tuple(mesh for mesh in MESHES if network_provider in {"auto", mesh.name})
        self._found = () if network_provider == "auto" else self._meshes

    async def __aenter__(self) -> Self:
        for api in {self.api, self.mesh_api}:
            await api.__aenter__()
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

    async def container_samples(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        """One sample per container and step."""
        query = queries.container_usage(resource, self._scope)
        matrix = await self.api.query_range(query, queries.CONTAINER_LABELS, steps)
        containers = tuple(PodContainer(*key) for key in matrix.keys)
        return ContainerSamples(resource, steps, containers, matrix.values, matrix.unusable)

    async def need_signals(self, reason: NeedReason, steps: StepRange) -> NeedSamples:
        """Where a sign of need was seen; nowhere where its metric is not scraped."""
        query = need_signs(reason, self._scope)
        told = await self.api.query_range(query, queries.CONTAINER_LABELS, steps)
        return need_samples(reason, steps, told)

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """Who owned the Pods of *steps*; nobody where nothing that tells it is scraped."""
        scope, seconds = self._scope, len(steps) * STEP_SECONDS
        end = StepRange(steps.last, steps.last)
        query = owners.owners(scope, seconds=seconds)
        told = await self.api.query_range(query, owners.OWNER_LABELS, end, owners.OPTIONAL_LABELS)
        if owners.tells_pods(told):
            return await asyncio.to_thread(owners.join_owners, told)
        query = owners.workloads_of_pods(scope, seconds=seconds)
        rule = await self.api.query_range(query, owners.WORKLOAD_LABELS, end)
        return await asyncio.to_thread(owners.join_workloads, rule, told) if rule.keys else PastOwners()

    async def connection_samples(self, steps: StepRange) -> ConnectionSamples | None:
        """One sample per directed edge and step; None where no mesh is to be asked.

        Every mesh that may be there is asked until one is found, and from then on those that were found.
        """
        asked = self._found or self._meshes
        answers = [await self._ask(mesh, steps) for mesh in asked]
        self._found = self._found or tuple(
            mesh for mesh, samples in zip(asked, answers, strict=True) if samples.sources
        )
        return combined(answers) if answers else None

    async def _ask(self, mesh: Mesh, steps: StepRange) -> ConnectionSamples:
        scope = self._scope
        answers = [
            await self.mesh_api.query_range(asked.query, asked.labels, asked.steps, asked.optional)
            for asked in mesh.questions(scope, steps)
        ]
        return await asyncio.to_thread(mesh.join, answers, scope, steps)
