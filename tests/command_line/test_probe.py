"""`job-profiler probe`: findings as text, and an exit code for `helm test`."""

import json
from pathlib import Path

import pytest

from app.kubernetes import paths
from tests.command_line.conftest import Outcome, Program
from tests.command_line.decided_cluster import serve_namespaces
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.kubernetes.self_probe.probe_answers import NO_FAULT_MESSAGES, patches_config_map
from tests.kubernetes.webhook_configurations import EXPECTED, PODS, PROBE, client_config, configuration

CONFIGURATION = paths.mutating_webhook_configuration("hooks")
CONFIG_MAPS = paths.config_maps("here")


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """A cluster in which the webhook works."""
    serve_namespaces(api_server, "here")
    api_server.on("GET", CONFIGURATION, answers(configuration()))
    api_server.on("POST", CONFIG_MAPS, patches_config_map())
    return api_server


async def probe(program: Program, server: FakeApiServer, directory: Path, *more: str) -> Outcome:
    return await program.run_beside(
        "probe",
        *("--kubeconfig", server.kubeconfig(directory)),
        *("--own-namespace", "here", "--webhook-configuration", "hooks"),
        *more,
    )


async def test_all_is_well(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Exit code 0, a line for each check, and the response time."""
    outcome = await probe(program, cluster, tmp_path, "--expected-webhook", json.dumps(EXPECTED))

    assert (outcome.code, outcome.err) == (0, "")
    *checked, took = outcome.out.splitlines()
    assert checked == [f"ok: {message}" for message in NO_FAULT_MESSAGES]
    assert took.startswith("The webhook answered in 0.")
    assert [request.query for request in cluster.received("POST")] == [{"dryRun": "All"}]


async def test_failed_and_passed_checks_are_listed(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The exit code is 1."""
    entry = {"rules": [], "clientConfig": client_config(b"foreign")}
    cluster.on("GET", CONFIGURATION, answers(configuration(pods=entry)))

    outcome = await probe(program, cluster, tmp_path, "--expected-webhook", json.dumps(EXPECTED))

    assert outcome.code == 1
    assert (
        f"EntryChanged: {PODS} differs from what the release rendered: rules is nothing" in outcome.one_line
    )
    assert f"EntryChanged: {PODS} differs from {PROBE} in caBundle" in outcome.one_line
    assert f"ok: {NO_FAULT_MESSAGES[2]}" in outcome.one_line
    assert outcome.err.startswith("job-profiler: 2 of 3 checks failed: see above")


async def test_without_an_expected_configuration_it_is_not_compared(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Exit code 0, and a note that the configuration was not compared."""
    cluster.on("GET", CONFIGURATION, answers(configuration(pods={"rules": []})))

    outcome = await probe(program, cluster, tmp_path)

    assert outcome.code == 0
    assert "were not compared: EXPECTED_WEBHOOK is not set" in outcome.one_line


async def test_the_release_says_what_is_expected(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """With a kubeconfig alone the names and the rules are those of the only release, as for `doctor`."""
    variables = {
        "ROLE": "profiler",
        "WEBHOOK_CONFIGURATION": "hooks",
        "EXPECTED_WEBHOOK": json.dumps(EXPECTED),
    }
    env = [{"name": name, "value": value} for name, value in variables.items()]
    template = {"spec": {"containers": [{"name": "profiler", "env": env}]}}
    profiler = {"metadata": {"name": "profiler", "namespace": "here"}, "spec": {"template": template}}
    cluster.on("GET", paths.deployments(None), listed(profiler))

    outcome = await program.run_beside("probe", "--kubeconfig", cluster.kubeconfig(tmp_path))

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[:-1] == [f"ok: {message}" for message in NO_FAULT_MESSAGES]


async def test_an_unreachable_api_server(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Exit code 1 and a message of one line."""
    cluster.on("GET", CONFIGURATION, refuses(503, "etcd leader changed"))

    outcome = await probe(program, cluster, tmp_path)

    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 1)
    assert "etcd leader changed" in outcome.err


def test_the_expected_configuration_must_be_an_object(program: Program) -> None:
    """Exit code 2 before any request."""
    outcome = program.run("probe", "--expected-webhook", "[]")

    assert outcome.code == 2
    assert "EXPECTED_WEBHOOK (--expected-webhook) is '[]': must be a JSON object" in outcome.err
