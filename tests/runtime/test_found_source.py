"""A source that is searched for: the first server that answers, and another one when it goes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx
import pytest

from app.domain.profiles import Resource
from app.errors import ClusterError, SourceError
from app.history.samples import ContainerSamples, StepRange
from app.kubernetes.prometheus_services import ListedServices, PrometheusService
from app.runtime.found_source import FoundSource
from app.runtime.prometheus_search import FoundServers, Search
from app.sources.prometheus import PrometheusSource
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope
from app.sources.retry_policy import RetryPolicy

NEWEST = 5_000_000
STEPS = StepRange(NEWEST - 1, NEWEST)
ONE, TWO, MESH = (PrometheusService("monitoring", name, 9090) for name in ("one", "two", "mesh"))


@dataclass
class Servers:
    """Prometheus servers behind names: what each has, and whether it answers."""

    has: dict[PrometheusService, set[str]]
    away: set[PrometheusService] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    listing: ListedServices | ClusterError | None = None
    seconds: float = 0.0
    searches: int = 0
    opened: list[PrometheusSource] = field(default_factory=list)

    @property
    def transport(self) -> httpx.MockTransport:
        """The way to all of them."""
        return httpx.MockTransport(self._answer)

    async def services(self) -> ListedServices:
        """All that are there, unless the test says otherwise."""
        self.searches += 1
        if isinstance(self.listing, ClusterError):
            raise self.listing
        return self.listing or ListedServices(tuple(self.has))

    @asynccontextmanager
    async def open_api(self, service: PrometheusService) -> AsyncIterator[PrometheusApi]:
        """A client that asks once."""
        async with PrometheusApi(
            service.url, timeout_seconds=30, transport=self.transport, retry_policy=RetryPolicy(1)
        ) as api:
            yield api

    def search(self, *, wants_connections: bool = True) -> Search:
        """The search among them."""
        return Search(self.services, self.open_api, lambda: NEWEST, wants_connections)

    def source(self, *, wants_connections: bool = True) -> FoundSource:
        """A source that nothing has asked yet."""
        search = self.search(wants_connections=wants_connections)
        return FoundSource(search.run, self._open_source, lambda: self.seconds)

    def _open_source(self, servers: FoundServers) -> PrometheusSource:
        opened = PrometheusSource(
            servers.containers.url,
            scope=Scope(),
            connections_url=servers.connections.url if servers.connections else "",
            transport=self.transport,
            retry_policy=RetryPolicy(1),
        )
        self.opened.append(opened)
        return opened

    def _answer(self, request: httpx.Request) -> httpx.Response:
        [service] = [service for service in self.has if service.url.startswith(f"http://{request.url.host}:")]
        self.asked.append(service.name)
        if service in self.away:
            raise httpx.ConnectError("refused")
        text = request.content.decode()
        wanted = "mesh" if "istio_requests_total" in text else "containers"
        is_search = text.startswith("dedup") and ("query=count%28" in text)
        rows = [{"metric": {}, "values": [[NEWEST * 300, "1"]]}]
        result = rows if is_search and wanted in self.has[service] else []
        return httpx.Response(
            200, json={"status": "success", "data": {"resultType": "matrix", "result": result}}
        )


async def read(source: FoundSource) -> None:
    """One question on CPU."""
    async for _ in source.container_samples(Resource.CPU, STEPS):
        pass


async def test_the_first_that_has_containers() -> None:
    """The first server has no container series, the second has; the third one has the mesh's."""
    servers = Servers({ONE: set(), TWO: {"containers"}, MESH: {"mesh"}})

    assert await servers.search().run() == FoundServers(TWO, MESH)
    assert await servers.search(wants_connections=False).run() == FoundServers(TWO)


async def test_one_server_for_both() -> None:
    """A server with both serves both, although another one has a mesh's series, too."""
    servers = Servers({MESH: {"mesh"}, ONE: {"containers", "mesh"}})

    assert await servers.search().run() == FoundServers(ONE)


async def test_what_was_found_stays() -> None:
    """A server that comes earlier in the order does not replace one that answers."""
    servers = Servers({ONE: {"containers"}, TWO: {"containers"}})

    assert await servers.search().run(FoundServers(TWO)) == FoundServers(TWO)


@pytest.mark.parametrize(
    ("listing", "texts"),
    [
        (
            ListedServices((ONE, TWO), {"observability": ClusterError("no")}),
            [
                "none of the servers that were found can be used",
                "http://one.monitoring.svc:9090: it has no container series of the last half hour",
                "http://two.monitoring.svc:9090: http://two.monitoring.svc:9090 can't be reached: refused",
                "Services can't be listed in observability",
                "set PROMETHEUS_URL (prometheus.url of the chart)",
            ],
        ),
        (ListedServices(), ["no Service has the labels of a known Prometheus: set PROMETHEUS_URL"]),
        (
            ClusterError("GET /api/v1/services: refused"),
            ["Services can't be listed: GET /api/v1/services: refused"],
        ),
    ],
    ids=["unusable", "none", "no-cluster"],
)
async def test_nothing_is_found(listing: ListedServices | ClusterError, texts: list[str]) -> None:
    """The source fails with each server's reason, as it does while a server that is given is away."""
    servers = Servers({ONE: set(), TWO: {"containers"}}, {TWO}, listing=listing)
    async with servers.source() as source:
        with pytest.raises(SourceError) as failure:
            await read(source)

        assert failure.value.reason == "NoPrometheus"
        assert all(text in str(failure.value) for text in texts), str(failure.value)
        assert await source.retention_seconds() is None
        assert (source.found_servers, [*source.container_jobs], [*source.own_clusters]) == ({}, [], [])


async def test_another_one_when_it_goes() -> None:
    """The server goes: the question that notices fails, the next one after a minute has another server.

    In between, nothing is searched: a cycle asks a dozen questions.
    """
    servers = Servers({ONE: {"containers"}, TWO: {"containers"}})
    async with servers.source() as source:
        await read(source)
        assert source.found_servers == {"containers": ONE.url}
        servers.away.add(ONE)
        servers.asked.clear()
        servers.seconds = 10
        for _ in range(3):
            with pytest.raises(SourceError, match="can't be reached"):
                await read(source)
        assert "two" not in servers.asked
        servers.seconds = 61

        await read(source)

        assert source.found_servers == {"containers": TWO.url}


async def stream_of_a_replaced_server(
    source: FoundSource, servers: Servers
) -> AsyncIterator[list[ContainerSamples]]:
    """The rest of a question on a hundred days to server one, after another failed and two replaced it."""
    stream = source.container_samples(Resource.CPU, StepRange(NEWEST - 28_800, NEWEST))
    await anext(stream)
    servers.away.add(ONE)
    servers.seconds = 61
    with pytest.raises(SourceError, match="can't be reached"):
        await read(source)
    await read(source)
    assert source.found_servers == {"containers": TWO.url}
    return stream


async def test_a_question_is_answered_by_the_server_it_was_put_to() -> None:
    """A server is replaced while its answer is read: the rest comes from it, and only then it is closed."""
    servers = Servers({ONE: {"containers"}, TWO: {"containers"}})
    async with servers.source() as source:
        stream = await stream_of_a_replaced_server(source, servers)
        servers.away.clear()
        servers.asked.clear()

        parts = [part async for part in stream]

        assert (len(parts) > 0, set(servers.asked)) == (True, {"one"})
        replaced, _ = servers.opened
        with pytest.raises(RuntimeError, match="closed"):
            await replaced.api.query_range("up", (), STEPS)
        await read(source)


async def test_a_late_failure_of_a_replaced_server() -> None:
    """The server before fails once more, after another one replaced it: that one stays, without a search."""
    servers = Servers({ONE: {"containers"}, TWO: {"containers"}})
    async with servers.source() as source:
        stream = await stream_of_a_replaced_server(source, servers)
        with pytest.raises(SourceError, match="can't be reached"):
            await anext(stream)
        servers.asked.clear()
        servers.seconds = 200

        await read(source)

        assert set(servers.asked) == {"two"}


async def test_the_end_of_the_term_closes_all() -> None:
    """The term ends while an answer of a replaced server is read: its client is closed, too."""
    servers = Servers({ONE: {"containers"}, TWO: {"containers"}})
    async with servers.source() as source:
        stream = await stream_of_a_replaced_server(source, servers)

    for opened in servers.opened:
        with pytest.raises(RuntimeError, match="closed"):
            await opened.api.query_range("up", (), STEPS)
    with pytest.raises(RuntimeError, match="closed"):
        await anext(stream)


async def test_all_are_away_for_a_while() -> None:
    """While no other answers, the server before is asked on; it is the same one when it is back."""
    servers = Servers({ONE: {"containers"}})
    async with servers.source() as source:
        await read(source)
        servers.away.add(ONE)
        for seconds in (70, 140):
            servers.seconds = seconds
            with pytest.raises(SourceError, match="can't be reached"):
                await read(source)
            assert source.found_servers == {"containers": ONE.url}
        servers.away.clear()
        servers.seconds = 210

        await read(source)


async def test_a_mesh_that_comes_later() -> None:
    """Without a mesh the search is repeated after an hour; the containers' server stays."""
    servers = Servers({ONE: {"containers"}, MESH: set()})
    async with servers.source() as source:
        await read(source)
        servers.has[MESH] = {"mesh"}
        servers.seconds = 3599
        await read(source)
        assert source.found_servers == {"containers": ONE.url}
        servers.seconds = 3600

        await read(source)

        assert source.found_servers == {"containers": ONE.url, "connections": MESH.url}


@pytest.mark.parametrize(
    ("has", "wants_connections"),
    [
        ({ONE: {"containers", "mesh"}, TWO: {"containers"}}, True),
        ({ONE: {"containers"}, TWO: {"containers"}}, False),
    ],
    ids=["one-for-both", "not-wanted"],
)
async def test_no_search_for_a_mesh_without_need(
    has: dict[PrometheusService, set[str]], *, wants_connections: bool
) -> None:
    """The server has the mesh's series itself, or none are wanted: the first search is the only one."""
    servers = Servers(has)
    async with servers.source(wants_connections=wants_connections) as source:
        for servers.seconds in (0, 3600, 7200):
            await read(source)

        assert servers.searches == 1
        assert source.found_servers == {"containers": ONE.url}


async def test_a_mesh_that_comes_later_to_the_same_server() -> None:
    """The search after an hour finds it in the containers' server, which stays: no third search."""
    servers = Servers({ONE: {"containers"}})
    async with servers.source() as source:
        await read(source)
        servers.has[ONE] |= {"mesh"}
        for servers.seconds in (3600, 7200):
            await read(source)

        assert (servers.searches, len(servers.opened)) == (2, 1)


async def test_names_with_a_path() -> None:
    """The path before `/api/v1` is part of the address that is asked and reported."""
    mimir = replace(ONE, path="/prometheus")
    servers = Servers({mimir: {"containers"}})
    async with servers.source() as source:
        await read(source)

        reported: Mapping[str, str] = source.found_servers
        assert reported == {"containers": "http://one.monitoring.svc:9090/prometheus"}
