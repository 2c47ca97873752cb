"""`job-profiler doctor`: its exit codes and its output; tests/diagnosis has what it finds."""

import asyncio
import json
import re
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from aiohttp import web

from app.diagnosis.examination import MAX_QUERIES
from app.kubernetes import paths
from tests.command_line.conftest import Outcome, Program
from tests.command_line.decided_cluster import serve_namespaces
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed
from tests.kubernetes.self_probe.probe_answers import NO_FAULT_MESSAGES, patches_config_map
from tests.kubernetes.webhook_configurations import configuration

QUERY, RETENTION = "/api/v1/query_range", "/api/v1/status/runtimeinfo"


async def _nothing(_request: web.Request) -> web.Response:
    """The answer of a Prometheus without any series."""
    data: dict[str, Any] = {"resultType": "matrix", "result": []}
    return web.json_response({"status": "success", "data": data})


async def _late(_request: web.Request) -> web.Response:
    """An answer that comes too late."""
    await asyncio.sleep(5)
    return web.Response()


async def _no_post(_request: web.Request) -> web.Response:
    """The answer of a proxy that allows only GET."""
    return web.Response(status=405)


async def _everything(request: web.Request, *, seconds: float) -> web.Response:
    """The answer, after a while, of a server with one series for each part of every query."""
    await asyncio.sleep(seconds)
    form = {**await request.post(), **request.query}
    query, start = str(form.get("query", "")), int(str(form.get("start", 0)))
    labels = dict.fromkeys(re.findall(r"\w+", " ".join(re.findall(r"by \(([\w,]*)\)", query))), "x")
    parts = ["", *re.findall(r'"part","(\d+)"', query)]
    result = [{"metric": {**labels, "part": part}, "values": [[start, str(start)]]} for part in parts]
    data: dict[str, Any] = {"resultType": "matrix", "result": result}
    return web.json_response({"status": "success", "data": data})


def test_an_unreachable_server_is_exit_code_1(program: Program) -> None:
    """The message names the address, what that costs, and the settings to look at."""
    outcome = program.run("doctor", "--prometheus-url", "http://127.0.0.1:1")

    assert (outcome.code, outcome.err) == (1, "")
    assert "http://127.0.0.1:1 can't be reached" in outcome.out
    assert "See docs/pages/prometheus.md#addresses" in outcome.out


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


async def test_a_server_that_is_slow_to_tell_its_retention(
    program: Program, api_server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit on the time is also one on that question; everything else was answered, and is shown."""
    api_server.on("POST", QUERY, _nothing)
    api_server.on("GET", RETENTION, _late)
    monkeypatch.setattr("app.command_line.doctor.MAX_SECONDS", 1)
    started = time.monotonic()

    outcome = await program.run_beside("doctor", "--prometheus-url", api_server.url)

    assert time.monotonic() - started < 4
    assert "Keeps samples for: unknown" in outcome.out
    assert "s are over" not in outcome.out


def test_a_name_that_no_dns_server_answers_for(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver waits for a minute; the program ends after its time for a query, which is 10 s at most."""
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(60))
    monkeypatch.setattr("app.command_line.doctor._QUERY_SECONDS", 0.5)
    started = time.monotonic()

    outcome = program.run("doctor", "--prometheus-url", "http://prometheus.monitoring:9090")
    answer.set()

    assert time.monotonic() - started < 10
    assert outcome.code == 1
    assert "no DNS server has answered for prometheus.monitoring within 0.5 s" in outcome.out


@pytest.mark.parametrize(
    ("method", "mesh", "seconds"),
    [("POST", "", 0.3), ("GET", "", 0.3), ("POST", "", 0), ("GET", "/mesh", 0)],
)
async def test_the_number_of_requests(
    method: str,
    mesh: str,
    seconds: float,
    program: Program,
    api_server: FakeApiServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every metric of every exporter is there, and each answer may take its time: 40 requests at most.

    A tenth of the real times: 30 s, and 3 s for an answer. A proxy may refuse POST, and the mesh may have a
    server of its own, which is asked by POST first, too.
    """
    answer = partial(_everything, seconds=seconds)
    monkeypatch.setattr("app.command_line.doctor.MAX_SECONDS", 3)
    for server in dict.fromkeys(("", mesh)):
        api_server.on("POST", f"{server}{QUERY}", answer if method == "POST" else _no_post)
        api_server.on("GET", f"{server}{QUERY}", answer)
    api_server.on("GET", RETENTION, answer)
    options = ("--connections-prometheus-url", f"{api_server.url}{mesh}") if mesh else ()
    started = time.monotonic()

    outcome = await program.run_beside("doctor", "--prometheus-url", api_server.url, *options)

    print(f"{len(api_server.requests)} requests, {time.monotonic() - started:.1f} s")
    assert len(api_server.requests) <= MAX_QUERIES
    assert time.monotonic() - started < 6
    assert "METRIC " in outcome.out


def serve_release(server: FakeApiServer) -> None:
    """A release in the namespace `here`, whose webhook works."""
    variables = {"ROLE": "profiler", "WEBHOOK_CONFIGURATION": "hooks"}
    env = [{"name": name, "value": value} for name, value in variables.items()]
    template = {"spec": {"containers": [{"name": "profiler", "env": env}]}}
    profiler = {"metadata": {"name": "profiler", "namespace": "here"}, "spec": {"template": template}}
    server.on("GET", paths.deployments(None), listed(profiler))
    server.on("GET", paths.mutating_webhook_configuration("hooks"), answers(configuration()))
    server.on("POST", paths.config_maps("here"), patches_config_map())
    server.on("POST", QUERY, _nothing)


async def doctor_of_cluster(
    program: Program, server: FakeApiServer, directory: Path, *more: object
) -> Outcome:
    kubeconfig = server.kubeconfig(directory)
    return await program.run_beside(
        "doctor", "--prometheus-url", server.url, "--kubeconfig", kubeconfig, *more
    )


async def test_the_webhook_is_checked_with_a_kubeconfig(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """As `probe` does, with the names of the release that is found in the cluster."""
    serve_release(api_server)

    table = await doctor_of_cluster(program, api_server, tmp_path)
    document = json.loads((await doctor_of_cluster(program, api_server, tmp_path, "-o", "json")).out)

    assert "Webhook: works (answered in 0." in table.out
    assert f"ok: {NO_FAULT_MESSAGES[-1]}" in table.one_line
    assert document["webhook"]["works"] is True


async def test_all_namespaces_are_examined_unless_one_is_named(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """The profiler reads all namespaces, so the namespace of the context doesn't narrow what is looked at."""
    serve_release(api_server)
    serve_namespaces(api_server, "shop")
    kubeconfig = api_server.kubeconfig(tmp_path, namespace="lonely")
    arguments = ("doctor", "--prometheus-url", api_server.url, "--kubeconfig", kubeconfig)

    await program.run_beside(*arguments)
    of_all = unquote_plus(str(api_server.requests))
    await program.run_beside(*arguments, "-n", "shop")
    of_shop = unquote_plus(str(api_server.requests))

    assert "lonely" not in of_all
    assert "container_memory_working_set_bytes" in of_all
    assert 'namespace="shop"' in of_shop


async def test_a_webhook_that_is_not_reached(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """The ConfigMap comes back as it was sent."""
    serve_release(api_server)
    api_server.on("POST", paths.config_maps("here"), patches_config_map("another/annotation"))

    outcome = await doctor_of_cluster(program, api_server, tmp_path)

    assert outcome.code == 1
    assert "Webhook: checks failed" in outcome.out
    assert "the webhook did not mutate the dry-run ConfigMap" in outcome.one_line


async def test_without_a_release_the_webhook_is_not_checked(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """Before the installation, a line says so; without a kubeconfig there is none."""
    serve_release(api_server)
    api_server.on("GET", paths.deployments(None), listed())

    outcome = await doctor_of_cluster(program, api_server, tmp_path)
    alone = await program.run_beside("doctor", "--prometheus-url", api_server.url)

    assert "Webhook: not checked: no release of the job profiler was found in this cluster" in outcome.out
    assert "Webhook" not in alone.out
