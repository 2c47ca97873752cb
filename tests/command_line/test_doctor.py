"""`job-profiler doctor`: its exit codes and its output; tests/diagnosis has what it finds."""

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import web

from tests.command_line.conftest import Program
from tests.kubernetes.fake_api_server import FakeApiServer

QUERY = "/api/v1/query_range"


async def _nothing(_request: web.Request) -> web.Response:
    """The answer of a Prometheus without any series."""
    data: dict[str, Any] = {"resultType": "matrix", "result": []}
    return web.json_response({"status": "success", "data": data})


async def _late(_request: web.Request) -> web.Response:
    """An answer that comes too late."""
    await asyncio.sleep(5)
    return web.Response()


def test_an_unreachable_server_is_exit_code_1(program: Program) -> None:
    """The message names the address, what that costs, and the settings to look at."""
    outcome = program.run("doctor", "--prometheus-url", "http://127.0.0.1:1")

    assert (outcome.code, outcome.err) == (1, "")
    assert "http://127.0.0.1:1 can't be reached" in outcome.out
    assert "See docs/prometheus.md#addresses" in outcome.out


def test_wrong_settings_are_exit_code_2(program: Program) -> None:
    """A missing credential file, a wrong URL and an unknown output are named before any query."""
    token = program.run("doctor", "--prometheus-bearer-token-file", "/nowhere")
    url = program.run("doctor", "--prometheus-url", "ftp://prometheus")
    output = program.run("doctor", "--output", "yaml")

    assert [outcome.code for outcome in (token, url, output)] == [2, 2, 2]
    assert "PROMETHEUS_URL" in url.err
    assert output.err == "job-profiler: --output is 'yaml': use table or json\n"


async def test_an_empty_server_as_text_and_as_json(program: Program, api_server: FakeApiServer) -> None:
    """Exit code 1; features come before what is missing, and that before what to do."""
    api_server.on("POST", QUERY, _nothing)

    table = await program.run_beside("doctor", "--prometheus-url", api_server.url)
    document = await program.run_beside("doctor", "--prometheus-url", api_server.url, "-o", "json")

    assert (table.code, document.code) == (1, 1)
    places = [table.out.index(text) for text in ("FEATURE", "Missing", "To do:", "METRIC ")]
    assert places == sorted(places)
    assert "No profiles: no series of container_cpu_usage_seconds_total" in table.out
    report = json.loads(document.out)
    assert (report["healthy"], report["retentionSeconds"]) == (False, None)
    assert [finding["reason"] for finding in report["findings"]] == [
        "NotScraped",
        "NoKubeStateMetrics",
        "NoMesh",
    ]
    assert {feature["state"] for feature in report["features"]} == {"no"}


async def test_a_server_that_never_answers(
    program: Program, api_server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of half a second it ends after that, and says so; the limit is 30 s."""
    api_server.on("POST", QUERY, _late)
    monkeypatch.setattr("app.command_line.doctor.MAX_SECONDS", 0.5)
    started = time.monotonic()

    outcome = await program.run_beside("doctor", "--prometheus-url", api_server.url)

    assert time.monotonic() - started < 4
    assert outcome.code == 1
    assert "No profiles: 0.5 s are over" in outcome.out
