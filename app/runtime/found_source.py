"""A source of usage whose servers are searched for in the cluster, and again when they no longer answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import structlog

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import ProfileKind, Resource
from app.errors import (
    ClusterError,
    NoNamespacesError,
    RefusedQueryError,
    SeveralClustersError,
    SourceError,
    ThrottledError,
)
from app.history.samples import (
    ConnectionSamples,
    ContainerSamples,
    PastOwners,
    PressureSamples,
    StepRange,
)
from app.runtime.prometheus_search import FoundServers
from app.sources.prometheus import PrometheusSource

# Faults of a query, of the scope or of the load: the server itself is there.
_OF_A_SERVER_THAT_ANSWERS = (NoNamespacesError, RefusedQueryError, SeveralClustersError, ThrottledError)
# A search that failed is not repeated by each question of a cycle.
_PAUSE_SECONDS = 60.0
# A mesh may be installed later than its cluster's Prometheus.
_MESH_PERIOD_SECONDS = 3600.0

log = structlog.get_logger(__name__)


class FoundSource:
    """The current source; use it as an asynchronous context manager.

    *find* gets the servers found before. *clock* is in seconds.
    """

    def __init__(
        self,
        find: Callable[[FoundServers | None], Awaitable[FoundServers]],
        open_source: Callable[[FoundServers], PrometheusSource],
        clock: Callable[[], float],
    ) -> None:
        self._find, self._open, self._clock = find, open_source, clock
        self._servers: FoundServers | None = None
        self._source: PrometheusSource | None = None
        self._questions = Counter[PrometheusSource]()  # those that are not answered yet
        self._is_suspect = True
        self._searched_at = float("-inf")
        self._failure: SourceError | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for source in {*self._questions, *([self._source] if self._source else ())}:
            await source.__aexit__(kind, error, trace)

    @property
    def found_servers(self) -> Mapping[str, str]:
        """The URLs of the servers in use, by what they serve."""
        if self._servers is None:
            return {}
        mesh = self._servers.connections
        return {"containers": self._servers.containers.url} | ({"connections": mesh.url} if mesh else {})

    @property
    def container_jobs(self) -> Collection[str]:
        """Those of the current source."""
        return self._source.container_jobs if self._source else ()

    @property
    def own_clusters(self) -> Collection[str]:
        """Those of the current source."""
        return self._source.own_clusters if self._source else ()

    def late_namespaces(self, kind: ProfileKind) -> Collection[str]:
        """Those of the current source."""
        return self._source.late_namespaces(kind) if self._source else ()

    async def retention_seconds(self) -> float | None:
        """The retention of the current source; None without one."""
        try:
            async with self._asked() as source:
                return await source.retention_seconds()
        except SourceError:
            return None

    async def container_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[ContainerSamples]]:
        """The samples of the current source."""
        async with self._asked() as source:
            async for part in source.container_samples(resource, steps, namespaces):
                yield part

    async def pressure_samples(
        self, resource: Resource, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[list[PressureSamples]]:
        """The samples of the current source."""
        async with self._asked() as source:
            async for part in source.pressure_samples(resource, steps, namespaces):
                yield part

    async def connection_samples(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> AsyncIterator[ConnectionSamples]:
        """The samples of the current source."""
        async with self._asked() as source:
            async for part in source.connection_samples(steps, namespaces):
                yield part

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The owners that the current source knows."""
        async with self._asked() as source:
            return await source.pod_owners(steps)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[PrometheusSource]:
        """The source to ask, which stays open for this question also if another one replaces it.

        After a failure of the server, the next question searches first.
        """
        source = await self._current()
        self._questions[source] += 1
        try:
            yield source
        except _OF_A_SERVER_THAT_ANSWERS:
            raise
        except SourceError:
            self._is_suspect |= source is self._source
            raise
        finally:
            self._questions[source] -= 1
            if source is not self._source:
                await self._close_if_unasked(source)

    async def _current(self) -> PrometheusSource:
        """The source to ask; after a failure, of the servers that a search finds now."""
        async with self._lock:
            if self._is_due:
                await self._search()
            if self._source is None:
                assert self._failure
                raise self._failure
            return self._source

    @property
    def _is_due(self) -> bool:
        age_seconds = self._clock() - self._searched_at
        lacks_connections = self._servers is not None and self._servers.lacks_connections
        if lacks_connections and age_seconds >= _MESH_PERIOD_SECONDS:
            return True
        return self._is_suspect and age_seconds >= _PAUSE_SECONDS

    async def _search(self) -> None:
        """Looks for the servers; while none is found, those before are asked on."""
        try:
            servers = await self._find(self._servers)
        except ClusterError as error:
            self._failure = SourceError("NoPrometheus", f"Services can't be listed: {error}")
        except SourceError as error:
            self._failure = error
        else:
            self._is_suspect = False
            await self._use(servers)
        finally:
            self._searched_at = self._clock()

    async def _use(self, servers: FoundServers) -> None:
        before, self._servers = self._servers, servers
        if servers == before:
            return
        replaced, self._source = self._source, self._open(servers)
        log.info("prometheus_found", **self.found_servers)
        if replaced:
            await self._close_if_unasked(replaced)

    async def _close_if_unasked(self, replaced: PrometheusSource) -> None:
        """Closes a source that was replaced after its last question."""
        if not self._questions[replaced]:
            del self._questions[replaced]
            await replaced.__aexit__(None, None, None)
