"""Usage from Prometheus-compatible servers: cAdvisor's metrics for containers, a mesh's for connections."""

import asyncio
from types import TracebackType
from typing import Literal, Self

import httpx

from app.domain.profiles import Resource
from app.estimation.samples import (
    STEP_SECONDS,
    ConnectionSamples,
    ContainerSamples,
    PodContainer,
    StepRange,
)
from app.sources import queries
from app.sources.connections import combined
from app.sources.mesh import MESHES, Mesh
from app.sources.owners import PodOwners, join_owners
from app.sources.prometheus_api import Pace, PrometheusApi
from app.sources.queries import Scope

NetworkProvider = Literal["auto", "linkerd", "istio", "none"]


class PrometheusSource:
    """Answers in whole or raises SourceError; use it as an asynchronous context manager."""

    def __init__(  # noqa: PLR0913 - transport and pace are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope,
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
        self._scope = scope
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
    def network_provider_in_use(self) -> str:
        """Where connections come from; with `auto`, `none` until an answer holds something of a mesh."""
        return " and ".join(mesh.name for mesh in self._found) or "none"

    async def container_samples(self, resource: Resource, steps: StepRange) -> ContainerSamples:
        """One sample per container and step."""
        query = queries.container_usage(resource, self._scope)
        matrix = await self.api.query_range(query, queries.CONTAINER_LABELS, steps)
        containers = tuple(PodContainer(*key) for key in matrix.keys)
        return ContainerSamples(resource, steps, containers, matrix.values, matrix.unusable)

    async def pod_owners(self, steps: StepRange) -> PodOwners:
        """Who owned the Pods of *steps*; empty where Prometheus does not scrape kube-state-metrics."""
        seconds = len(steps) * STEP_SECONDS
        end = StepRange(steps.last, steps.last)
        ownership = []
        for metric, labels in queries.OWNER_LABELS.items():
            query = queries.owners(metric, self._scope, seconds=seconds)
            ownership.append((await self.api.query_range(query, labels, end)).keys)
            if not ownership[0]:
                return {}
        return await asyncio.to_thread(join_owners, *ownership)

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
        answers = [
            await self.mesh_api.query_range(asked.query, asked.labels, asked.steps, asked.optional)
            for asked in mesh.questions(self._scope, steps)
        ]
        return await asyncio.to_thread(mesh.join, answers, self._scope, steps)
