"""`job-profiler record`: a file that stands in Prometheus' place."""

from pathlib import Path

import numpy as np
import pytest

from tests.command_line.conftest import Program
from tests.command_line.test_profile import serves
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.profiler.emojivoto_prometheus import WEB_POD, EmojivotoPrometheus


@pytest.fixture
def prometheus(api_server: FakeApiServer) -> str:
    """Its URL; five containers that never vary."""
    api_server.on("POST", "/api/v1/query_range", serves(EmojivotoPrometheus()))
    return api_server.url


async def test_what_is_recorded_can_be_profiled(program: Program, prometheus: str, tmp_path: Path) -> None:
    """One whole day and what there is of today: at least 288 steps of each of the five containers."""
    file = tmp_path / "usage.npz"

    outcome = await program.run_beside(
        "record", "--prometheus-url", prometheus, "--days", 1, "--output", file
    )
    profiles = await program.run_beside("profile", "--history", file, "-o", "json")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{file}: 5 containers, ")
    with np.load(file) as told:
        assert f"emojivoto/{WEB_POD}/web-svc" in told["names"]
        assert (np.diff(told["offsets"]) >= 288).all()
    assert profiles.code == 0
    assert '"job-profiler.liqo.io/workload-name": "voting"' in profiles.out


async def test_anonymous_files_hold_no_name(program: Program, prometheus: str, tmp_path: Path) -> None:
    """Not one of the names that Prometheus tells is in the file's bytes; two runs differ in all of them."""
    files = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for file in files:
        await program.run_beside(
            "record", "--prometheus-url", prometheus, "--days", 1, "-o", file, "--anonymous"
        )

    told = [np.load(file) for file in files]
    for each in told:
        text = " ".join([*each["names"], *each["workloads"]])
        assert not any(name in text for name in ("emojivoto", "web", "voting", "linkerd"))
        assert all(workload.startswith("Deployment/") for workload in each["workloads"])
        assert len(set(each["workloads"])) == 4
    assert not set(told[0]["names"]) & set(told[1]["names"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--output", "/nowhere/usage.npz"],
            "--output is '/nowhere/usage.npz': there is no folder '/nowhere'",
        ),
        (["--output", "usage.npz", "--days", "0"], "--days is 0: give 1 or more"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_asked(
    program: Program, arguments: list[str], message: str
) -> None:
    """Exit code 2."""
    outcome = program.run("record", *arguments)

    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"job-profiler: {message}\n")


async def test_nothing_is_written_where_nothing_is_known(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """Exit code 1, and no file."""
    api_server.on("POST", "/api/v1/query_range", serves(EmojivotoPrometheus(containers={})))
    file = tmp_path / "usage.npz"

    outcome = await program.run_beside("record", "--prometheus-url", api_server.url, "--days", 1, "-o", file)

    assert (outcome.code, file.exists()) == (1, False)
    assert "knows no usage of any container in scope" in outcome.err
