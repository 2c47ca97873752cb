"""`job-profiler record`: writing a history file from Prometheus."""

from pathlib import Path

import numpy as np
import pytest

from tests.command_line.conftest import Program
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.profiler.emojivoto_prometheus import WEB_POD, EmojivotoPrometheus


@pytest.fixture
def prometheus(api_server: FakeApiServer) -> str:
    """The URL of a Prometheus with constant usage of five containers."""
    serve(api_server, EmojivotoPrometheus())
    return api_server.url


async def test_a_recorded_file_can_be_profiled(program: Program, prometheus: str, tmp_path: Path) -> None:
    """The file has one whole day and today: at least 288 steps of each of five containers."""
    file = tmp_path / "usage.npz"

    outcome = await program.run_beside(
        "record", "--prometheus-url", prometheus, "--days", 1, "--output", file
    )
    profiles = await program.run_beside("profile", "--history", file, "-o", "json")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{file}: 5 containers, ")
    with np.load(file) as arrays:
        assert f"emojivoto/{WEB_POD}/web-svc" in arrays["names"]
        assert (np.diff(arrays["offsets"]) >= 288).all()
    assert profiles.code == 0
    assert '"job-profiler.liqo.io/workload-name": "voting"' in profiles.out


async def test_anonymous_files_hold_no_name(program: Program, prometheus: str, tmp_path: Path) -> None:
    """The file contains none of the names of Prometheus; the hashes of two runs differ."""
    files = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for file in files:
        await program.run_beside(
            "record", "--prometheus-url", prometheus, "--days", 1, "-o", file, "--anonymous"
        )

    archives = [np.load(file) for file in files]
    for arrays in archives:
        text = " ".join([*arrays["names"], *arrays["workloads"]])
        assert not any(name in text for name in ("emojivoto", "web", "voting", "linkerd"))
        assert all(workload.startswith("Deployment/") for workload in arrays["workloads"])
        assert len(set(arrays["workloads"])) == 4
    assert not set(archives[0]["names"]) & set(archives[1]["names"])


def test_a_wrong_number_of_days_is_named_before_any_query(program: Program) -> None:
    """Exit code 2 and one message."""
    outcome = program.run("record", "--output", "usage.npz", "--days", "0")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "job-profiler: --days is 0: must be 1 or more\n"


async def test_without_samples_nothing_is_written(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """Exit code 1, and no file."""
    serve(api_server, EmojivotoPrometheus(containers={}))
    file = tmp_path / "usage.npz"

    outcome = await program.run_beside("record", "--prometheus-url", api_server.url, "--days", 1, "-o", file)

    assert (outcome.code, file.exists()) == (1, False)
    assert "has no usage of any container in scope" in outcome.err
