"""Prometheus behind the API server's proxy: what is sent, and what its refusals become."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.errors import SourceError
from app.history.samples import StepRange
from app.kubernetes.client import open_cluster
from app.kubernetes.overrides import Overrides
from app.kubernetes.prometheus_services import PrometheusService
from app.kubernetes.service_proxy import ServiceProxyTransport
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus_api import PrometheusApi
from app.sources.retry_policy import RetryPolicy
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import Answer, FakeApiServer, answers, refuses, sends
from tests.kubernetes.kubeconfigs import kubeconfig

SERVICE = PrometheusService("monitoring", "prometheus", 9090, "http", "/base")
PROXY = "/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy"
QUERY = f"{PROXY}/base/api/v1/query_range"
STEPS = StepRange(5_000_000, 5_000_001)
END = STEPS.end_seconds
ANSWER = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[END, "2"]]}]},
}
FORBIDDEN = 'services "http:prometheus:9090" is forbidden: User "alice" cannot get resource "services/proxy"'
REMEDY = "kubectl port-forward -n monitoring svc/prometheus 9090:9090, and --prometheus-url http://localhost:9090/base"


@asynccontextmanager
async def proxied(server: FakeApiServer, directory: Path) -> AsyncIterator[PrometheusApi]:
    """A client of the Service, as alice, with a token file for Prometheus, which must not be sent."""
    path = kubeconfig(directory, {"token": "mine"}, server.url)
    (directory / "token").write_text("for-prometheus")
    credentials = PrometheusCredentials(bearer_token_file=str(directory / "token"), tenant="shop")
    async with open_cluster(path, SHORT, Overrides(as_="alice")) as client:
        transport = ServiceProxyTransport(client.connection, SERVICE)
        async with PrometheusApi(
            SERVICE.url,
            timeout_seconds=5,
            credentials=credentials,
            route=transport,
            retry_policy=RetryPolicy(1),
        ) as api:
            yield api


async def ask(api: PrometheusApi, query: str = "up") -> float:
    result = await api.query_range(query, (), STEPS)
    return float(result.samples[0])


async def test_a_query(server: FakeApiServer, tmp_path: Path) -> None:
    """It is a GET with the port in the path, the user's credentials and identity, and the tenant.

    The token for Prometheus would replace the user's own, and is not sent.
    """
    server.on("GET", QUERY, answers(ANSWER))
    async with proxied(server, tmp_path) as api:
        assert await ask(api, 'sum(up{job="a b"})') == 2

    [request] = server.requests
    assert (request.verb, request.query["query"]) == ("GET", 'sum(up{job="a b"})')
    names = ("Authorization", "Impersonate-User", "X-Scope-OrgID")
    assert [request.headers[name] for name in names] == ["Bearer mine", "alice", "shop"]


async def test_only_long_queries_are_posted(server: FakeApiServer, tmp_path: Path) -> None:
    """A proxy in front of the API server accepts 8 KiB in a line; short queries stay GET afterwards."""
    server.on("GET", QUERY, answers(ANSWER))
    server.on("POST", QUERY, answers(ANSWER))
    async with proxied(server, tmp_path) as api:
        for size in (10, 6_000, 8_000, 10):
            await ask(api, f'up{{job="{"x" * size}"}}')

    assert [request.verb for request in server.requests] == ["GET", "GET", "POST", "GET"]


async def test_a_long_query_without_the_right_to_post(server: FakeApiServer, tmp_path: Path) -> None:
    """`create services/proxy` is missing: GET is tried, once for all, and short queries are not affected.

    The fake server accepts lines of 8,190 characters.
    """
    server.on("GET", QUERY, answers(ANSWER))
    server.on("POST", QUERY, refuses(403, FORBIDDEN.replace("get", "create")))
    async with proxied(server, tmp_path) as api:
        for size in (7_000, 10, 7_000):
            assert await ask(api, f'up{{job="{"x" * size}"}}') == 2

    assert [request.verb for request in server.requests] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        pytest.param(
            refuses(403, FORBIDDEN),
            [FORBIDDEN, "The missing right is `get` on `services/proxy` in namespace monitoring", REMEDY],
            id="forbidden",
        ),
        pytest.param(
            refuses(503, 'no endpoints available for service "http:prometheus:9090"'),
            ["does not reach Prometheus (monitoring/prometheus): no endpoints available", REMEDY],
            id="no-endpoints",
        ),
        pytest.param(
            refuses(404, 'endpoints "prometheus" not found'),
            ['(monitoring/prometheus): endpoints "prometheus" not found', REMEDY],
            id="no-object",
        ),
        pytest.param(
            answers({"status": "error", "errorType": "unavailable", "error": "starting"}, 503),
            ["503 Service Unavailable: unavailable: starting"],
            id="of-prometheus",
        ),
        pytest.param(sends(b"<html>denied</html>", 403), ["403"], id="of-a-mesh"),
    ],
)
async def test_refusals(answer: Answer, texts: list[str], server: FakeApiServer, tmp_path: Path) -> None:
    """The API server's name the right and the way without it; Prometheus' own stay as they are."""
    server.on("GET", QUERY, answer)
    server.on("POST", QUERY, answer)
    async with proxied(server, tmp_path) as api:
        with pytest.raises(SourceError) as refusal:
            await ask(api)

    message = str(refusal.value)
    assert all(text in message for text in texts), message
    assert (REMEDY in message) == (REMEDY in texts)
    assert ("missing right" in message) == (FORBIDDEN in texts)


async def test_a_compressed_answer(server: FakeApiServer, tmp_path: Path) -> None:
    """The body is decompressed once, by the reader of answers."""

    async def compressed(_: web.Request) -> web.Response:
        response = web.json_response(ANSWER)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server.on("GET", QUERY, compressed)
    async with proxied(server, tmp_path) as api:
        assert await ask(api) == 2


async def test_a_broken_connection(server: FakeApiServer, tmp_path: Path) -> None:
    """The API server goes away: a SourceError that names the server and the way."""
    async with proxied(server, tmp_path) as api:
        await server.stop()
        with pytest.raises(
            SourceError, match=r"http://prometheus.monitoring.svc:9090/base through the API server"
        ):
            await ask(api)


def test_addresses() -> None:
    """The forwarded port is that of the printed command."""
    other: dict[str, Any] = {"scheme": "https", "path": ""}
    service = PrometheusService("o11y", "thanos", 10902, **other)

    assert service.port_forward == "kubectl port-forward -n o11y svc/thanos 9090:10902"
    assert service.forwarded_url == "https://localhost:9090"
