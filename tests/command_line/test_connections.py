"""`job-profiler connections` and `changes`: what stored profiles say of one workload."""

import csv
import io
import json
from pathlib import Path

import pytest

from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against, serve_cluster
from tests.decisions.manifests import container, deployment
from tests.kubernetes.fake_api_server import FakeApiServer, listed

RECORD = Path(__file__).parents[2] / "app" / "demo" / "emojivoto.npz"


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """The connections web → api (60 messages, bytes measured) and bot → web (20 messages)."""
    return serve_cluster(api_server)


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


async def test_peers_of_both_directions(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """60 of 80 messages are 75 %; all measured bytes are those of api."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "connections", "shop/web"))

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[:4] == [
        "Connections of shop/web",
        "DIRECTION  PEER      MESSAGES /MIN  P95  SHARE  SENT /S  RECEIVED /S  SHARE",
        "calls      shop/api          60.00    -    75%    5.1kB         900B   100%",
        "called by  shop/bot          20.00    -    25%        -            -      -",
    ]


async def test_peers_as_csv(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Exact numbers, with the name of each profile."""
    arguments = ("connections", "deploy/shop/web", "-o", "csv")
    outcome = await program.run_beside(*against(cluster, tmp_path, *arguments))

    first, _ = csv.DictReader(io.StringIO(outcome.out))
    assert (first["sentBytesPerSecond"], first["messageShare"]) == ("5120.0", "0.75")
    assert first["profile"] == "conn-web-api"


async def test_a_workload_without_connections(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """It has a CPU profile: exit code 1, and the command that has the reason."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "connections", "attic/old"))

    assert (outcome.code, outcome.out) == (1, "")
    assert "attic/old has no connection profile: job-profiler status has the reason" in outcome.err


def test_peers_in_a_recorded_file(program: Program) -> None:
    """The numbers are those of `profile` on the same file; 242.06 of 597.61 messages a minute are 40.5 %."""
    peers = program.run("connections", "deploy/web", "-n", "emojivoto", "--history", RECORD, "-o", "json")
    profiles = program.run("profile", "--history", RECORD, "-o", "json")

    found = {peer["peer"]: peer for peer in json.loads(peers.out)["peers"]}
    edges = {
        (spec["source_job"], spec["destination_job"]): float(spec["bandwidth_requirement"])
        for item in json.loads(profiles.out)["items"]
        if item["kind"] == "ConnectionProfile"
        for spec in [item["spec"]]
    }
    assert (peers.code, peers.err) == (0, "")
    assert edges == {
        ("vote-bot", "web"): found["emojivoto/vote-bot"]["messagesPerMinute"],
        ("web", "emoji"): found["emojivoto/emoji"]["messagesPerMinute"],
        ("web", "voting"): found["emojivoto/voting"]["messagesPerMinute"],
    }
    assert found["emojivoto/vote-bot"]["messagesPerMinute"] == 242.06
    assert found["emojivoto/vote-bot"]["messageShare"] == round(242.06 / 597.61, 4)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("emojivoto/wbe",), 1, "the nearest name is Deployment/emojivoto/web"),
        (("emojivoto/web", "--min-samples", 999), 1, "emojivoto/web has no connections in "),
        (("web",), 2, "WORKLOAD is 'web'"),
    ],
)
def test_a_recorded_file_without_the_peers(
    program: Program, arguments: tuple[object, ...], code: int, message: str
) -> None:
    """As of a cluster: one sentence."""
    outcome = program.run("connections", *arguments, "--history", RECORD)

    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1


async def test_changes_in_words(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Newest first: 50m to 26m is -48 %, 40m to 50m is +25 %."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "changes", "deploy/web", "-n", "shop"))

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "Changes of shop/web, newest first",
        "TIME                  RESOURCE     NEED  CHANGE  REASON",
        "2026-03-01T12:00:00Z  cpu       50m→26m    -48%  usage fell",
        "2026-02-27T12:00:00Z  cpu       40m→50m    +25%  a container was throttled: it",
        "                                                 needed more CPU than it used",
        "",
        "Deployment web needs 26m of cpu since 2026-03-01T12:00:00Z.",
        "Deployment web needs 347Mi of memory since 2026-03-01T12:00:00Z; no change is",
        "stored.",
    ]


async def test_changes_as_json(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """In cores, with the reason as the profile has it."""
    arguments = ("changes", "shop/web", "-o", "json")
    outcome = await program.run_beside(*against(cluster, tmp_path, *arguments))

    first, _ = json.loads(outcome.out)["changes"]
    assert (first["old"], first["new"], first["reason"]) == (0.05, 0.026, "UsageFell")


async def test_a_workload_without_a_profile(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """It is deployed: exit code 1, and the command that has the reason."""
    cluster.on("GET", paths.deployments("shop"), listed(deployment("new", container())))
    for path_of in (paths.stateful_sets, paths.daemon_sets, paths.jobs, paths.cron_jobs):
        cluster.on("GET", path_of("shop"), listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, "changes", "shop/new"))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: shop/new has no profile: job-profiler status has the reason\n"
