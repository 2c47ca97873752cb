"""Usage from a real Prometheus behind the documented behaviour of other back ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.errors import SourceError
from app.history.samples import ContainerSamples, StepRange
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from app.sources.retry_policy import RetryPolicy
from tests.cluster.prometheus import Prometheus
from tests.histories.emojivoto.metrics import write_past
from tests.sources.backend import Backend, ReceivedRequest, Reply
from tests.sources.collecting import only, usage

pytestmark = pytest.mark.prometheus

END = 1_772_323_200 + 15 * 3600  # 2026-03-01 15:00 UTC
LAST_STEP = END // 300
SIX_HOURS = StepRange(LAST_STEP - 71, LAST_STEP)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("past") / "constant.openmetrics"
    write_past(path, end=END, days=0.3, scrape_seconds=60, flavour="constant")
    return path


@pytest.fixture(scope="module")
def prometheus(prometheus_factory: Callable[[Path | None], Prometheus], past: Path) -> Prometheus:
    return prometheus_factory(past)


class Client:
    """The product's source on one URL."""

    def __init__(
        self, url: str, access: PrometheusCredentials | None = None, limits: Limits | None = None
    ) -> None:
        self.traffic, self.pauses = QueryCosts(), list[float]()
        self._source = PrometheusSource(
            url,
            scope=Scope(),
            limits=limits,
            credentials=access,
            observer=self.traffic,
            retry_policy=RetryPolicy(sleep=self._pause, chance=lambda: 0.5),
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def cpu(self) -> ContainerSamples:
        """CPU of the last six hours."""
        async with self._source as source:
            return await usage(source.container_samples(Resource.CPU, SIX_HOURS))

    async def edges(self) -> int:
        """The number of connections in the last six hours."""
        async with self._source as source:
            return len((await only(source.connection_samples(SIX_HOURS))).edges)


def same(first: ContainerSamples, second: ContainerSamples) -> bool:
    """True if both have the same samples of the same containers."""
    order = [second.containers.index(container) for container in first.containers]
    return len(order) == len(second.containers) and np.array_equal(
        first.values, second.values[order], equal_nan=True
    )


async def refused(backend: Backend, access: PrometheusCredentials | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await Client(backend.url, access).cpu()
    return caught.value


async def test_a_bearer_token_from_a_file(prometheus: Prometheus, tmp_path: Path) -> None:
    """401 without a token, 403 with a wrong one; the file is read for each query, so a new token counts."""
    token = tmp_path / "token"

    def play(request: ReceivedRequest) -> Reply | None:
        authorization = request.headers.get("authorization")
        if authorization is None:
            return Reply(401, "Unauthorized\n")
        return None if authorization == "Bearer right" else Reply(403, "Forbidden\n")

    with Backend(prometheus.url, play) as backend:
        assert str(await refused(backend)) == "Prometheus answered 401 Unauthorized: Unauthorized"
        token.write_text("wrong\n")
        access = PrometheusCredentials(bearer_token_file=str(token))
        assert str(await refused(backend, access)) == "Prometheus answered 403 Forbidden: Forbidden"
        client = Client(backend.url, access)
        token.write_text("right\n")
        assert same(await client.cpu(), await Client(prometheus.url).cpu())


async def test_a_user_and_a_password_from_a_file(prometheus: Prometheus, tmp_path: Path) -> None:
    """`reader:p@ss` in base64 is cmVhZGVyOnBAc3M=; credentials in the URL have priority."""
    password = tmp_path / "password"
    password.write_text("p@ss\n")
    access = PrometheusCredentials(username="reader", password_file=str(password))

    with Backend(prometheus.url, lambda _: None) as backend:
        await Client(backend.url, access).cpu()
        await Client(backend.url.replace("//", "//me:mine@"), access).cpu()

    assert list(dict.fromkeys(request.headers["authorization"] for request in backend.requests)) == [
        "Basic cmVhZGVyOnBAc3M=",
        "Basic bWU6bWluZQ==",
    ]


async def test_mimir_requires_a_tenant_and_a_prefix(prometheus: Prometheus) -> None:
    """Below /prometheus, 401 without the tenant's header; a limit on the range leads to shorter queries."""

    def play(request: ReceivedRequest) -> Reply | None:
        if request.path != "/prometheus/api/v1/query_range":
            return Reply(404, "404 page not found\n")
        if request.headers.get("x-scope-orgid") != "team-a":
            return Reply(401, "no org id\n")
        if int(request.form["end"]) - int(request.form["start"]) > 7200:
            error = (
                "the query time range exceeds the limit (query length: 5h55m0s, limit: 2h0m0s) "
                "(err-mimir-max-query-length)"
            )
            return Reply(422, {"status": "error", "errorType": "execution", "error": error})
        return None

    with Backend(prometheus.url, play) as backend:
        assert "404" in str(await refused(backend, PrometheusCredentials(tenant="team-a")))
        client = Client(f"{backend.url}/prometheus", PrometheusCredentials(tenant="team-a"))
        samples = await client.cpu()
        with pytest.raises(SourceError, match="401 Unauthorized: no org id"):
            await Client(f"{backend.url}/prometheus").cpu()

    assert same(samples, await Client(prometheus.url).cpu())
    # 72 and 36 steps are refused; 18 are 85 minutes, and four of them are all 72.
    assert (client.traffic.splits["cpu"], client.traffic.failures["cpu"]) == (2, 2)
    assert client.traffic.queries["cpu"] == 2 + 4


async def test_thanos_results_are_complete_or_an_error(prometheus: Prometheus) -> None:
    """By default Thanos leaves out samples of a missing store and downsamples: the parameters disable both.

    With a missing store the response is an error, or still has warnings: both fail, and neither is folded.
    """
    away: list[str] = []

    def play(request: ReceivedRequest) -> Reply | None:
        body = request.answer()
        if (
            request.form.get("partial_response") != "false"
            or request.form.get("max_source_resolution") != "0s"
        ):
            body["data"]["result"] = body["data"]["result"][::2]
        assert request.form["dedup"] == "true"
        if away == ["error"]:
            error = "No StoreAPIs matched for this query"
            return Reply(500, {"status": "error", "errorType": "internal", "error": error})
        return Reply(200, body | {"warnings": ["store-3 is unavailable"]} if away else body)

    with Backend(prometheus.url, play) as backend:
        assert same(await Client(backend.url).cpu(), await Client(prometheus.url).cpu())
        away.append("warning")
        assert (await refused(backend)).reason == "PartialAnswer"
        away[:] = ["error"]
        assert "No StoreAPIs matched" in str(await refused(backend))


async def test_partial_results_of_victoriametrics_are_refused(prometheus: Prometheus) -> None:
    """Its responses have `isPartial` and other statistics; a partial response is refused."""
    partial = [False]

    def play(request: ReceivedRequest) -> Reply | None:
        body = request.answer()
        assert request.path == "/select/0/prometheus/api/v1/query_range"
        body["data"].pop("stats", None)
        return Reply(200, {"status": "success", "isPartial": partial[0], "data": body["data"]} | STATS)

    with Backend(prometheus.url, play) as backend:
        url = f"{backend.url}/select/0/prometheus"
        assert same(await Client(url).cpu(), await Client(prometheus.url).cpu())
        assert await Client(url).edges() == 3
        partial[0] = True
        with pytest.raises(SourceError) as caught:
            await Client(url).cpu()

    assert caught.value.reason == "PartialAnswer"


STATS: dict[str, Any] = {"stats": {"seriesFetched": "5", "executionTimeMsec": 3}}


async def test_too_many_requests(prometheus: Prometheus) -> None:
    """429 with `Retry-After: 3`: the same query is sent again after three seconds."""
    refusals = iter([True, True])
    limited = Reply(429, "too many outstanding requests", {"Retry-After": "3"})

    with Backend(prometheus.url, lambda _: limited if next(refusals, False) else None) as backend:
        client = Client(backend.url)
        samples = await client.cpu()

    assert same(samples, await Client(prometheus.url).cpu())
    assert client.pauses == [3.0, 3.0]
    assert client.traffic.splits.total() == 0


@pytest.mark.parametrize(
    "page",
    [
        Reply(413, "<html>413 Request Entity Too Large</html>"),
        Reply(503, {"status": "error", "errorType": "timeout", "error": "query timed out in evaluation"}),
        Reply(504, "<html>504 Gateway Time-out</html>"),
    ],
    ids=["413", "503", "504"],
)
async def test_a_proxy_that_times_out_on_long_queries(prometheus: Prometheus, page: Reply) -> None:
    """Three hours time out at the proxy, shorter queries do not: chunks of 90 minutes give all of it."""

    def play(request: ReceivedRequest) -> Reply | None:
        return page if int(request.form["end"]) - int(request.form["start"]) > 9000 else None

    with Backend(prometheus.url, play) as backend:
        client = Client(backend.url)
        assert same(await client.cpu(), await Client(prometheus.url).cpu())

    assert client.traffic.splits["cpu"] == 2


@pytest.fixture(scope="module")
def small(past: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds at most 700 samples for one query: six hours are too much."""
    directory = tmp_path_factory.mktemp("small")
    with Prometheus(directory, past, flags=("--query.max-samples=700",)) as running:
        yield running


async def test_a_prometheus_that_holds_few_samples(small: Prometheus, prometheus: Prometheus) -> None:
    """The 422 of Prometheus leads to smaller queries with the same samples."""
    client = Client(small.url)

    assert same(await client.cpu(), await Client(prometheus.url).cpu())
    assert client.traffic.splits["cpu"] > 0


async def test_a_budget_below_the_load(prometheus: Prometheus) -> None:
    """With a budget of one hour's load, as the server counts it, six hours are six queries.

    The query that plans counts CPU and memory in two steps: a quarter of its samples are one window of CPU.
    A step of CPU loads 2.5 windows.
    """
    unlimited = Client(prometheus.url)
    expected = await unlimited.cpu()
    an_hour = 12 * 2.5 * unlimited.traffic.samples["planning"] / 4
    client = Client(prometheus.url, limits=Limits(sample_budget=round(an_hour)))

    assert same(await client.cpu(), expected)
    assert client.traffic.queries == {"planning": 1, "cpu": 6}
    assert client.traffic.splits.total() == 0


@pytest.mark.parametrize("status", [403, 405, 501])
async def test_a_proxy_that_only_allows_reading(prometheus: Prometheus, status: int) -> None:
    """The proxy refuses POST: the first query is repeated by GET, and all later ones are sent by GET."""

    def play(request: ReceivedRequest) -> Reply | None:
        return Reply(status, "<html>read only</html>") if request.method == "POST" else None

    with Backend(prometheus.url, play) as backend:
        client = Client(backend.url, limits=Limits(concurrency=1))
        assert same(await client.cpu(), await Client(prometheus.url).cpu())

    methods = [request.method for request in backend.requests if request.path == "/api/v1/query_range"]
    assert methods[:2] == ["POST", "GET"]
    assert len(methods) > 2
    assert "POST" not in methods[2:]
