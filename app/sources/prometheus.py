"""Usage from a Prometheus-compatible server: cAdvisor's metrics for containers, Linkerd's for connections."""

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
from app.sources.connections import join_connections
from app.sources.owners import PodOwners, join_owners
from app.sources.prometheus_api import Pace, PrometheusApi
from app.sources.queries import Scope

NetworkProvider = Literal["auto", "linkerd", "none"]


class PrometheusSource:
    """Answers in whole or raises SourceError; use it as an asynchronous context manager."""

    def __init__(  # noqa: PLR0913 - transport and pace are the seams to the world
        self,
        base_url: str,
        *,
        scope: Scope,
        network_provider: NetworkProvider = "auto",
        timeout_seconds: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.api = PrometheusApi(base_url, timeout_seconds=timeout_seconds, transport=transport, pace=pace)
        self._scope = scope
        self._asks_mesh = network_provider != "none"
        self._mesh_seen = network_provider == "linkerd"

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.api.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where the server is, without credentials."""
        return self.api.url

    @property
    def network_provider_in_use(self) -> Literal["linkerd", "none"]:
        """Where connections come from; with `auto`, `none` until an answer holds something of a mesh."""
        return "linkerd" if self._mesh_seen else "none"

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
        """One sample per directed edge and step; None where no mesh is to be asked."""
        if not self._asks_mesh:
            return None
        requests, responses = [
            await self.api.query_range(queries.outbound_rate(metric, self._scope), queries.EDGE_LABELS, steps)
            for metric in (queries.REQUESTS, queries.RESPONSES)
        ]
        scrapes = await self.api.query_range(queries.proxy_scrapes(self._scope), queries.PROXY_LABELS, steps)
        samples = join_connections(requests, responses, scrapes, steps=steps, scope=self._scope)
        self._mesh_seen = self._mesh_seen or bool(samples.sources)
        return samples
