"""Prometheus behind forward proxies, and behind reverse proxies that change methods and answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.errors import SettingsError, SourceError
from app.profiler.registries.namespaces import NamespaceScope
from app.runtime.prometheus import check_access, open_prometheus
from app.runtime.scope import namespace_scope
from app.settings.environment import Settings, read_settings
from app.sources.prometheus_api import PrometheusApi
from app.sources.query_metrics import QueryMetrics
from app.sources.retry_policy import RetryPolicy
from tests.sources.forward_proxy import ForwardProxy
from tests.sources.wire import FIRST, STEPS, Pauses, ScriptedPrometheus, answer, encoded, matrix, row

SERIES = row({"pod": "web-1"}, [(FIRST, "0.5")])
ONCE = RetryPolicy(tries=1)
QUERY_RANGE = "/api/v1/query_range"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *map(str.lower, VARIABLES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def prometheus() -> AsyncIterator[tuple[str, int]]:
    """The address of an HTTP server that answers each query with one series."""

    async def respond(_: web.Request) -> web.Response:
        return web.json_response(matrix(SERIES))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][:2]
    await runner.cleanup()


async def ask(settings: Settings) -> int:
    """The number of series in the answer to a query, through the source that the program opens."""
    namespaces: NamespaceScope = namespace_scope(settings)
    async with open_prometheus(settings, namespaces) as source:
        return len((await source.api.query_range("up", ("pod",), STEPS)).keys)


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "PROXY"},
        {"http_proxy": "PROXY"},
        {"ALL_PROXY": "PROXY"},
        {"HTTP_PROXY": "PROXY", "ALL_PROXY": "socks5://127.0.0.1:1"},
        {"HTTP_PROXY": "PROXY", "NO_PROXY": "10.0.0.0/8,[::1],fd00::/8,.svc,svc.test,other.test:80"},
    ],
    ids=str,
)
async def test_prometheus_through_the_proxy(
    environment: Mapping[str, str], prometheus: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges and brackets in NO_PROXY are read, and a SOCKS proxy that another variable replaces is not."""
    async with ForwardProxy(prometheus_test=prometheus) as proxy:
        for name, value in environment.items():
            monkeypatch.setenv(name, value.replace("PROXY", proxy.url))

        series = await ask(read_settings({"prometheus_url": "prometheus.test"}))

    assert (series, proxy.targets) == (1, ["POST prometheus.test:9090"])


@pytest.mark.parametrize("no_proxy", ["*", "192.0.2.0/24", "127.0.0.0/8", "127.0.0.1"])
async def test_prometheus_without_the_proxy(
    no_proxy: str, prometheus: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback address never has a proxy, whatever NO_PROXY says; a SOCKS proxy has no effect then."""
    async with ForwardProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", no_proxy)

        series = await ask(read_settings({"prometheus_url": f"127.0.0.1:{prometheus[1]}"}))

    assert (series, proxy.targets) == (1, [])


async def test_credentials_of_a_proxy(prometheus: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy gets `user:word` in base64; a message about the proxy has no credentials."""
    async with ForwardProxy(prometheus_test=prometheus) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://user:word@"))
        assert await ask(read_settings({"prometheus_url": "prometheus.test"})) == 1
        address = urlsplit(proxy.url).netloc
    monkeypatch.setattr(asyncio, "sleep", Pauses().sleep)
    with pytest.raises(SourceError) as caught:
        await ask(read_settings({"prometheus_url": "prometheus.test"}))

    assert proxy.authorizations == ["Proxy-Authorization: Basic dXNlcjp3b3Jk"]
    assert str(caught.value).startswith(
        f"http://prometheus.test:9090 can't be reached through HTTP_PROXY http://{address}: "
    )


def test_a_socks_proxy_is_a_fault_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting, its value without the password, the URL and two remedies are named."""
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:1080")
    settings = read_settings({"prometheus_url": "prometheus.test"})

    with pytest.raises(SettingsError) as refusal:
        check_access(settings)

    [fault] = refusal.value.faults
    assert fault == (
        "ALL_PROXY is 'socks5://127.0.0.1:1080', for requests to http://prometheus.test:9090:"
        " SOCKS proxies are not supported: set it to an HTTP proxy, or name the host in NO_PROXY"
    )
    monkeypatch.setenv("NO_PROXY", "prometheus.test")
    check_access(settings)


class MethodFilter:
    """Refuses one method with a status, and answers the other one."""

    def __init__(self, refused: str, status: int, longest_url: int = 10_000) -> None:
        self.refused, self._status, self._longest_url = refused, status, longest_url

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The response of a proxy before Prometheus."""
        if request.method == self.refused:
            return httpx.Response(self._status, html="<html>not allowed</html>")
        if len(str(request.url)) > self._longest_url:
            return httpx.Response(414, text="<html>too large</html>")
        return answer(SERIES)


def api_on(wire: ScriptedPrometheus) -> PrometheusApi:
    """A client without retries."""
    return PrometheusApi("http://p", timeout_seconds=5, transport=wire, retry_policy=ONCE)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 501])
async def test_get_where_post_is_refused(status: int) -> None:
    """The first query is sent twice, each later one once, with the same parameters in its URL."""
    wire = ScriptedPrometheus(MethodFilter("POST", status))
    async with api_on(wire) as api:
        results = [await api.query_range(query, ("pod",), STEPS) for query in ("up", "up{a='b&c'}")]

    assert [result.keys for result in results] == [(("web-1",),)] * 2
    assert [request.method for request in wire.requests] == ["POST", "GET", "GET"]
    posted = wire.form(0)
    assert dict(wire.requests[1].url.params) == posted
    assert wire.requests[2].url.params["query"] == "up{a='b&c'}"


async def test_long_queries_are_not_posted_where_post_is_refused() -> None:
    """A proxy that refuses POST accepts URLs of 10,000 characters here: each later query is one request."""
    wire = ScriptedPrometheus(MethodFilter("POST", 405))
    async with api_on(wire) as api:
        for size in (10, 8_000, 8_000):
            await api.query_range("up" + "x" * size, ("pod",), STEPS)

    assert [request.method for request in wire.requests] == ["POST", "GET", "GET", "GET"]


async def test_post_again_where_get_is_refused_later() -> None:
    """A proxy whose rules change is followed."""
    rules = MethodFilter("POST", 405)
    wire = ScriptedPrometheus(rules)
    async with api_on(wire) as api:
        await api.query_range("up", ("pod",), STEPS)
        rules.refused = "GET"
        await api.query_range("up", ("pod",), STEPS)
        await api.query_range("up", ("pod",), STEPS)

    assert [request.method for request in wire.requests] == ["POST", "GET", "GET", "POST", "POST"]


async def test_a_refusal_of_both_methods_is_that_of_post() -> None:
    """Missing permissions are no question of the method: POST stays the first one."""
    wire = ScriptedPrometheus(lambda request: httpx.Response(403, text=f"no {request.method}"))
    async with api_on(wire) as api:
        for _ in range(2):
            with pytest.raises(SourceError, match=r"^Prometheus answered 403 Forbidden: no POST$"):
                await api.query_range("up", ("pod",), STEPS)

    assert [request.method for request in wire.requests] == ["POST", "GET"] * 2


async def test_a_query_that_is_too_long_for_get() -> None:
    """A URL of more than 1,000 characters: the message has both refusals and the remedy; GET stays in use."""
    wire = ScriptedPrometheus(MethodFilter("POST", 405, longest_url=1000))
    async with api_on(wire) as api:
        await api.query_range("up", ("pod",), STEPS)
        with pytest.raises(SourceError) as caught:
            await api.query_range("up" + " " * 1000, ("pod",), STEPS)
        await api.query_range("up", ("pod",), STEPS)

    assert type(caught.value) is SourceError
    assert str(caught.value) == (
        "a query is too long for GET (Prometheus answered 414 Request-URI Too Long: <html>too large</html>),"
        " and POST is refused (Prometheus answered 405 Method Not Allowed: <html>not allowed</html>):"
        " allow POST to /api/v1/query_range in the proxy before Prometheus, or longer URLs"
    )
    assert [request.method for request in wire.requests] == ["POST", "GET", "GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://p/api/v1/query_range", "https://p/api/v1/query_range"),
        ("/login?state=secret#top", "http://p/login"),
        ("https://me:secret@sso.example/auth?secret", "https://sso.example/auth"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_names_its_target(status: int, location: str, target: str) -> None:
    """It is not followed: one request; no credentials or states of the target are shown."""
    wire = ScriptedPrometheus(httpx.Response(status, headers={"Location": location}))
    async with api_on(wire) as api:
        with pytest.raises(SourceError) as caught:
            await api.query_range("up", ("pod",), STEPS)

    assert len(wire.requests) == 1
    assert str(caught.value).startswith(
        f"http://p redirects to {target} ({status}), which is not followed: set the URL of Prometheus"
    )
    assert "secret" not in str(caught.value)


async def test_a_page_for_people_is_named() -> None:
    """A login page with status 200 in response to both methods, which is no question of other namespaces."""
    wire = ScriptedPrometheus(lambda _: httpx.Response(200, html="<html>Log in</html>"))
    async with api_on(wire) as api:
        with pytest.raises(
            SourceError, match=r"^http://p answered with a page for people: set the"
        ) as caught:
            await api.query_range("up", ("pod",), STEPS)

    assert type(caught.value) is SourceError
    assert [request.method for request in wire.requests] == ["POST", "GET"]


async def test_the_target_of_a_redirect_is_shortened() -> None:
    """The text is part of the status, of log lines and of Events."""
    wire = ScriptedPrometheus(httpx.Response(302, headers={"Location": "x" * 60_000}))
    async with api_on(wire) as api:
        with pytest.raises(SourceError, match=r"^http://p redirects to http://p/api/v1/xx") as caught:
            await api.query_range("up", ("pod",), STEPS)

    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("loaded", [-5, 10**400, 1e300, "many", None])
async def test_a_wrong_number_of_loaded_samples_costs_nothing(loaded: Any) -> None:
    """The answer counts; the metric has the number of its samples, and the plan of queries no absurd one."""
    document = matrix(SERIES)
    document["data"]["stats"] = {"samples": {"totalQueryableSamples": loaded}}
    registry = CollectorRegistry()
    wire = ScriptedPrometheus(httpx.Response(200, content=json.dumps(document)))
    async with PrometheusApi(
        "http://p", timeout_seconds=5, transport=wire, observer=QueryMetrics(registry)
    ) as api:
        result = await api.query_range("up", ("pod",), STEPS, signal="cpu")

    assert (result.keys, result.loaded_samples) == ((("web-1",),), 0)
    counted = registry.get_sample_value("job_profiler_prometheus_query_samples_sum", {"signal": "cpu"})
    assert counted == len(result.samples)


async def test_answers_with_a_byte_order_mark() -> None:
    """A result, an error and a result in two chunks are read as without the mark."""

    def respond(request: httpx.Request) -> httpx.Response:
        body: Any = {"status": "error", "errorType": "bad_data", "error": "no"}
        is_error = b"wrong" in request.content
        content = b"\xef\xbb\xbf" + encoded(body if is_error else matrix(SERIES))
        return httpx.Response(400 if is_error else 200, content=content)

    async with api_on(ScriptedPrometheus(respond)) as api:
        assert (await api.query_range("up", ("pod",), STEPS)).keys == (("web-1",),)
        with pytest.raises(SourceError, match=r"^Prometheus answered 400 Bad Request: bad_data: no$"):
            await api.query_range("wrong", ("pod",), STEPS)
