"""HTTP: the requests, retries and limits, and the translation of every exception of httpx."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.errors import SourceError, TooLargeError
from app.sources.prometheus_api import CONCURRENT_QUERIES, PrometheusApi
from app.sources.query_observer import QueryCosts
from app.sources.query_result import QueryResult
from app.sources.retry_policy import RetryPolicy
from tests.sources.wire import FIRST, FOURTH, STEPS, Pauses, ScriptedPrometheus, answer, encoded, matrix, row

URL = "http://prometheus.example:9090"
SERIES = row({"pod": "web-1"}, [(FIRST, "0.5")])
PAGE = httpx.Response(502, text="<html>bad gateway</html>")


async def ask(
    transport: httpx.AsyncBaseTransport, url: str = URL, pauses: Pauses | None = None
) -> QueryResult:
    policy = (pauses or Pauses()).retry_policy()
    async with PrometheusApi(url, timeout_seconds=60, transport=transport, retry_policy=policy) as api:
        return await api.query_range("up", ("pod",), STEPS)


async def refusal(transport: httpx.AsyncBaseTransport, url: str = URL) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await ask(transport, url)
    return caught.value


async def test_a_range_query_is_posted_as_a_form() -> None:
    """The query is in the body, where its length has no limit; start, end and step name the four steps.

    The other parameters request complete raw samples from federating back ends, and a time-out on the server.
    """
    wire = ScriptedPrometheus(answer(SERIES))

    await ask(wire)

    [request] = wire.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/api/v1/query_range")
    assert wire.form() == {
        "query": "up",
        "start": str(FIRST),
        "end": str(FOURTH),
        "step": "300",
        "timeout": "60",
        "stats": "true",
        "dedup": "true",
        "partial_response": "false",
        "max_source_resolution": "0s",
    }


@pytest.mark.parametrize(("scheme", "packed"), [("http", False), ("https", True)])
async def test_responses_are_compressed_for_remote_networks_only(scheme: str, *, packed: bool) -> None:
    """Compression costs a Prometheus in the same cluster more than the network that it saves."""
    wire = ScriptedPrometheus(answer(SERIES))

    await ask(wire, f"{scheme}://prometheus.example")

    assert ("gzip" in wire.requests[0].headers["accept-encoding"]) == packed


@pytest.mark.parametrize("base", ["http://thanos/prefix", "http://thanos/prefix/"])
async def test_a_path_before_the_api_is_kept(base: str) -> None:
    """A prefix in the URL is kept, with or without a slash at its end."""
    wire = ScriptedPrometheus(answer())

    await ask(wire, base)

    assert str(wire.requests[0].url) == "http://thanos/prefix/api/v1/query_range"


async def test_credentials_are_sent_and_never_shown() -> None:
    """User and password of the URL are in the header (`user:p@ss` in base64), and in no text."""
    wire = ScriptedPrometheus(httpx.ConnectError("refused"))
    policy = Pauses().retry_policy()
    url = "https://user:p%40ss@prometheus.example/x"
    async with PrometheusApi(url, timeout_seconds=60, transport=wire, retry_policy=policy) as api:
        with pytest.raises(SourceError) as caught:
            await api.query_range("up", (), STEPS)

    assert wire.requests[0].headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert api.url == "https://prometheus.example/x"
    assert str(caught.value) == "https://prometheus.example/x can't be reached: refused"
    assert "user" not in str(wire.requests[0].url)


@pytest.mark.parametrize(
    "fault",
    [
        PAGE,
        httpx.Response(429),
        httpx.Response(503, text="no healthy upstream"),
        httpx.ConnectError("All connection attempts failed"),
        httpx.ConnectTimeout("timed out"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
    ids=["502", "429", "503", "refused", "no connection", "disconnected"],
)
async def test_passing_faults_are_tried_again(fault: httpx.Response | Exception) -> None:
    """Two errors, then a result: three requests, with pauses of 0.5 s and twice that, and no exception."""
    wire, pauses = ScriptedPrometheus(fault, fault, answer(SERIES)), Pauses()

    result = await ask(wire, pauses=pauses)

    assert result.keys == (("web-1",),)
    assert len(wire.requests) == 3
    assert pauses.seconds == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
async def test_lasting_faults_are_not_tried_again(status: int) -> None:
    """The server would refuse the same query again: one request, no pause."""
    wire = ScriptedPrometheus(httpx.Response(status, text="no"))

    error = await refusal(wire)

    assert error.reason == "HTTPError"
    assert str(error).startswith(f"Prometheus answered {status} ")
    # A proxy may refuse POST with 404: the other method is tried.
    assert [request.method for request in wire.requests] == ["POST", "GET"][: 2 if status == 404 else 1]


SAID = "query processing would load too many samples into memory in query execution"
MIMIR = (
    "the query exceeded the maximum number of chunks (limit: 2000000 chunks) (err-mimir-max-chunks-per-query)"
)
VICTORIA = "cannot select more than -search.maxSamplesPerQuery=1000000000 samples; possible solutions: ..."
RESOLUTION = "exceeded maximum resolution of 11,000 points per timeseries"


@pytest.mark.parametrize(
    ("fault", "timed_out"),
    [
        (httpx.Response(422, json={"status": "error", "errorType": "execution", "error": SAID}), False),
        (httpx.Response(422, json={"status": "error", "errorType": "execution", "error": MIMIR}), False),
        (httpx.Response(422, json={"status": "error", "errorType": "422", "error": VICTORIA}), False),
        (httpx.Response(400, json={"status": "error", "errorType": "bad_data", "error": RESOLUTION}), False),
        (httpx.Response(413, text="<html>Request Entity Too Large"), False),
        (
            httpx.Response(503, json={"status": "error", "errorType": "timeout", "error": "query timed out"}),
            True,
        ),
        (httpx.Response(504, text="<html>Gateway Time-out"), True),
        (httpx.ReadTimeout("timed out"), True),
    ],
    ids=["samples", "Mimir", "VictoriaMetrics", "points", "413", "503", "504", "time-out"],
)
async def test_a_query_that_is_too_large_is_not_retried(
    fault: httpx.Response | Exception, *, timed_out: bool
) -> None:
    """The same query would be refused or time out again: the caller may send a smaller one."""
    wire = ScriptedPrometheus(fault)

    error = await refusal(wire)

    assert isinstance(error, TooLargeError)
    assert error.timed_out == timed_out
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "text", "tries"),
    [
        (500, "rpc error: code = Unavailable desc = dial tcp 10.0.0.1:10901: i/o timeout", 1),
        (500, "read tcp 10.0.0.1:33012->10.0.0.2:443: i/o timeout", 1),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
            3,
        ),
        (503, "net/http: TLS handshake timeout", 3),
    ],
)
async def test_a_missing_store_is_not_too_large(status: int, text: str, tries: int) -> None:
    """Half of the query would fail too: it is a usual error, and a 503 is raised after three tries."""
    wire = ScriptedPrometheus(httpx.Response(status, text=text))

    error = await refusal(wire)

    assert not isinstance(error, TooLargeError)
    assert text[:40] in str(error)
    assert len(wire.requests) == tries


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (422, "found duplicate series for the match group: many-to-many matching not allowed"),
        (400, 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis'),
        (401, "no org id"),
    ],
)
async def test_an_invalid_query_is_not_too_large(status: int, text: str) -> None:
    """Half of the query would be invalid too."""
    body = {"status": "error", "errorType": "execution", "error": text}

    assert not isinstance(await refusal(ScriptedPrometheus(httpx.Response(status, json=body))), TooLargeError)


async def test_the_third_fault_is_reported() -> None:
    """After three pages of a proxy, the message has the page's status and beginning."""
    wire = ScriptedPrometheus(PAGE)

    error = await refusal(wire)

    assert error.reason == "HTTPError"
    assert str(error) == "Prometheus answered 502 Bad Gateway: <html>bad gateway</html>"
    assert len(wire.requests) == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7.0), ("86400", 30.0), ("0", 0.5), ("Wed, 04 Mar 2026 00:00:00 GMT", 0.5), ("²", 0.5)],
    ids=["longer", "too long", "shorter", "date", "no number"],
)
async def test_retry_after(header: str, expected: float) -> None:
    """The server may request a longer pause than 0.5 s, up to 30 s."""
    limited = httpx.Response(429, headers=[(b"retry-after", header.encode())])
    pauses = Pauses()

    await ask(ScriptedPrometheus(limited, answer()), pauses=pauses)

    assert pauses.seconds == [expected]


def test_pauses_are_random() -> None:
    """The first pause is between 50 % and 150 % of 0.5 s: clients do not return at the same time."""
    assert RetryPolicy(chance=lambda: 0.0).pause_after(1, 0.0) == 0.25
    assert RetryPolicy(chance=lambda: 1.0).pause_after(1, 0.0) == 0.75


@pytest.mark.parametrize(
    ("fault", "reason", "text"),
    [
        (httpx.ConnectTimeout("x"), "TimedOut", f"{URL} sent no complete response within 60 s"),
        (
            httpx.ConnectError("Connection refused"),
            "Unreachable",
            f"{URL} can't be reached: Connection refused",
        ),
        (httpx.ReadError(""), "Unreachable", f"{URL} can't be reached: ReadError"),
        (httpx.UnsupportedProtocol("ftp"), "Unreachable", f"{URL} can't be reached: ftp"),
        (UnicodeError("label too long"), "Unreachable", f"{URL} can't be reached: label too long"),
    ],
    ids=["time-out", "refused", "broken", "protocol", "host"],
)
async def test_faults_of_the_network(fault: Exception, reason: str, text: str) -> None:
    """Every exception of HTTP becomes a SourceError with the server's address."""
    error = await refusal(ScriptedPrometheus(fault))

    assert (error.reason, str(error)) == (reason, text)


async def test_a_broken_compression() -> None:
    """A body with the header gzip that is not compressed is malformed; a retry would fail too."""
    wire = ScriptedPrometheus(
        lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Chunks(b"no gzip", 1))
    )

    error = await refusal(wire)

    assert error.reason == "MalformedAnswer"
    assert len(wire.requests) == 1


@pytest.mark.parametrize("url", ["http://[::1", "http://host:port"])
def test_an_invalid_url(url: str) -> None:
    """An invalid URL is refused before any request."""
    with pytest.raises(SourceError, match="the URL of Prometheus is not valid") as caught:
        PrometheusApi(url, timeout_seconds=60)
    assert caught.value.reason == "InvalidURL"


class Chunks(httpx.AsyncByteStream):
    """A body in chunks, each after a pause."""

    def __init__(self, chunk: bytes, times: int, pause_seconds: float = 0.0) -> None:
        self._chunk, self._times, self._pause_seconds = chunk, times, pause_seconds
        self.sent_chunks = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._times):
            await asyncio.sleep(self._pause_seconds)
            self.sent_chunks += 1
            yield self._chunk


async def test_the_limit_on_a_response() -> None:
    """Of a body of 100 MiB, no more than the limit of 2 MiB and one chunk of 1 MiB is read."""
    body = Chunks(b" " * 2**20, 100)
    wire = ScriptedPrometheus(lambda _: httpx.Response(200, stream=body))

    async with PrometheusApi(URL, timeout_seconds=60, transport=wire, max_response_bytes=2 * 2**20) as api:
        with pytest.raises(SourceError) as caught:
            await api.query_range("up", (), STEPS)

    assert caught.value.reason == "AnswerTooLarge"
    assert str(caught.value) == f"the response of {URL} is larger than 2 MiB"
    assert isinstance(caught.value, TooLargeError)
    assert body.sent_chunks == 3


async def test_a_slow_body() -> None:
    """The time-out is that of the complete response: a byte every 10 ms does not extend it beyond 50 ms."""
    wire = ScriptedPrometheus(lambda _: httpx.Response(200, stream=Chunks(b" ", 1000, 0.01)))

    async with PrometheusApi(
        URL, timeout_seconds=0.05, transport=wire, retry_policy=RetryPolicy(tries=1)
    ) as api:
        with pytest.raises(SourceError) as caught:
            await api.query_range("up", (), STEPS)

    assert str(caught.value) == f"{URL} sent no complete response within 0.05 s"


async def test_few_queries_run_at_once() -> None:
    """Of twelve concurrent queries, four are sent and the others wait."""
    running = most = 0
    all_sent = asyncio.Barrier(CONCURRENT_QUERIES)

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await all_sent.wait()
            running -= 1
            return answer()

    async with asyncio.timeout(30), PrometheusApi(URL, timeout_seconds=60, transport=Slow()) as api:
        await asyncio.gather(*(api.query_range("up", (), STEPS) for _ in range(12)))

    assert most == CONCURRENT_QUERIES == 4


async def test_traffic() -> None:
    """One query with two requests: the decompressed bytes of its response count, and its one sample.

    The server reports 20 samples for a second query; a third is refused.
    """
    body, traffic = encoded(matrix(SERIES)), QueryCosts()
    packed = httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(body))
    response: dict[str, Any] = matrix(SERIES)
    response["data"]["stats"] = {"timings": {}, "samples": {"totalQueryableSamples": 20, "peakSamples": 3}}
    wire = ScriptedPrometheus(
        PAGE, lambda _: packed, httpx.Response(200, json=response), httpx.Response(400, text="no")
    )
    policy = Pauses().retry_policy()

    async with PrometheusApi(
        URL, timeout_seconds=60, transport=wire, retry_policy=policy, observer=traffic
    ) as api:
        for _ in range(2):
            await api.query_range("up", ("pod",), STEPS, signal="cpu")
        with pytest.raises(SourceError):
            await api.query_range("up", ("pod",), STEPS, signal="memory")

    assert (traffic.queries, traffic.retries) == ({"cpu": 2, "memory": 1}, {"cpu": 1})
    assert traffic.failures == {"memory": 1}
    assert traffic.received_bytes == {"cpu": len(body) + len(encoded(response))}
    assert traffic.samples == {"cpu": 1 + 20}
    assert traffic.seconds["cpu"] > 0


@pytest.mark.parametrize("stats", [{"seriesFetched": "5"}, {"samples": "many"}, [], None])
async def test_other_statistics_are_ignored(stats: object) -> None:
    """VictoriaMetrics and others have other statistics: then the samples of the response count."""
    response: dict[str, Any] = matrix(SERIES)
    response["data"]["stats"] = stats

    assert (await ask(ScriptedPrometheus(httpx.Response(200, json=response)))).loaded_samples == 0


async def test_a_refused_connection_on_a_real_socket() -> None:
    """Port 1 of this machine is closed: the message has the operating system's error."""
    policy = Pauses().retry_policy()
    async with PrometheusApi("http://127.0.0.1:1", timeout_seconds=5, retry_policy=policy) as api:
        with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:1 can't be reached: ") as caught:
            await api.query_range("up", (), STEPS)
    assert caught.value.reason == "Unreachable"


async def test_an_invalid_host_name() -> None:
    """A label of 64 letters is refused before any look-up, by an exception that is not httpx's."""
    policy = Pauses().retry_policy()
    async with PrometheusApi(f"http://{'a' * 64}.example", timeout_seconds=5, retry_policy=policy) as api:
        with pytest.raises(SourceError) as caught:
            await api.query_range("up", (), STEPS)
    assert caught.value.reason == "Unreachable"
