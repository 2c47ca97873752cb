"""Retention time: Prometheus reports it; that of other back ends is unknown."""

import httpx
import pytest

from app.sources.prometheus_api import PrometheusApi
from app.sources.retention import duration_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15d", 15 * 86400),
        ("1h30m", 5400),
        ("1y", 365 * 86400),
        ("2w or 10GiB", 14 * 86400),
        ("10GiB", None),
        ("0s", None),
        ("", None),
        ("for ever", None),
        ("15", None),
    ],
)
def test_a_duration_as_prometheus_writes_it(text: str, seconds: float | None) -> None:
    """Units may follow each other; a limit of size is ignored; without a duration the time is unknown."""
    assert duration_seconds(text) == seconds


async def retention_of(answer: httpx.Response | Exception) -> float | None:
    """The retention time from a server's response."""

    def respond(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("GET", "/prefix/api/v1/status/runtimeinfo")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with PrometheusApi(
        "http://prometheus.test/prefix", timeout_seconds=5, transport=httpx.MockTransport(respond)
    ) as api:
        return await api.retention_seconds()


async def test_prometheus_reports_its_retention() -> None:
    """The field of 2.x and 3.x, among others."""
    body = {"status": "success", "data": {"startTime": "x", "storageRetention": "6h", "goroutineCount": 4}}

    assert await retention_of(httpx.Response(200, json=body)) == 6 * 3600


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="page not found"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"status": "success", "data": {}}),
        httpx.Response(200, json=[]),
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
    ],
    ids=["thanos", "a-page", "no-field", "a-list", "away", "refused", "late"],
)
async def test_an_unknown_retention_is_no_error(answer: httpx.Response | Exception) -> None:
    """Another back end, a proxy, an unreachable server: the time is unknown, and no error is raised."""
    assert await retention_of(answer) is None
