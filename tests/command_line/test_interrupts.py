"""Ctrl-C ends each entry point with exit code 130, and with nothing on standard error."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.interrupts import exit_on_interrupt, interrupts_raised
from tests.command_line.process import REPOSITORY
from tests.kubernetes.fake_api_server import FakeApiServer

# As the scripts of an installed package, and as `kubectl job-profiler`.
SCRIPT = "import sys; sys.argv[0] = {!r}; from app.__main__ import main; sys.exit(main())"
ENTRY_POINTS = {
    "python -m app": ["-m", "app"],
    "job-profiler": ["-c", SCRIPT.format("/usr/bin/job-profiler")],
    "kubectl job-profiler": ["-c", SCRIPT.format("/usr/bin/kubectl-job_profiler")],
}
# Sends SIGINT to its own process where the import of a module begins.
INTERRUPTING = """
import os, sys

class Interrupting:
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            os.kill(os.getpid(), 2)

sys.meta_path.insert(0, Interrupting)
"""
RECORD = "app/demo/emojivoto.npz"


def interrupted(tmp_path: Path, module: str, entry_point: list[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code and both outputs of a program that gets SIGINT when it begins to import *module*."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    variables = {"INTERRUPTED_AT": module, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}", "HOME": "/nonexistent"}
    run = subprocess.run(
        [sys.executable, *entry_point, *arguments],
        cwd=REPOSITORY,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr


@pytest.mark.parametrize("entry_point", ENTRY_POINTS.values(), ids=ENTRY_POINTS.keys())
@pytest.mark.parametrize("module", ["app.interrupts", "signal", "app.command_line.root", "pydantic"])
def test_during_the_imports_of_the_program(tmp_path: Path, entry_point: list[str], module: str) -> None:
    """From the first import of an entry point on."""
    assert interrupted(tmp_path, module, entry_point, "status") == (130, "", "")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("app.command_line.profile", ["profile", "--history", RECORD]),
        ("numpy", ["profile", "--history", RECORD]),
        ("numpy._core._multiarray_umath", ["explain", "emojivoto/web", "--history", RECORD]),
        ("rich.table", ["explain", "emojivoto/web", "--history", RECORD]),
        ("uvloop", ["serve"]),
        ("jsonpatch", ["demo"]),
        ("jinja2", ["dashboard", "--history", RECORD]),
    ],
)
def test_during_the_imports_of_a_command(tmp_path: Path, module: str, arguments: list[str]) -> None:
    """Also within a library that turns what its imports raise into an ImportError, as NumPy does."""
    code, _, errors = interrupted(tmp_path, module, ["-m", "app"], *arguments)

    assert (code, errors) == (130, "")


async def test_while_a_server_is_waited_for(api_server: FakeApiServer, tmp_path: Path) -> None:
    """The request is cancelled, and the connection closed: no warning of an open one either."""
    api_server.on("GET", "/apis/apps/v1/deployments", api_server.hangs())
    kubeconfig = api_server.kubeconfig(tmp_path)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "always::ResourceWarning", "-m", "app"),
        *("plan", "-A", "--kubeconfig", kubeconfig),
        cwd=REPOSITORY,
        env=os.environ | {"HOME": "/nonexistent"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await api_server.wait_for("GET", 1, within_seconds=60)

    running.send_signal(signal.SIGINT)

    assert await running.communicate() == (b"", b"")
    assert running.returncode == 130


def test_an_ignored_interrupt_stays_ignored() -> None:
    """A shell starts jobs in the background so; the handler of anything else stays too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        exit_on_interrupt()
        with interrupts_raised():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
