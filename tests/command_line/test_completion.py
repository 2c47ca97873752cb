"""Completion in shells, and the program as a plug-in of kubectl."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line.conftest import Program
from tests.command_line.process import REPOSITORY

PROGRAM = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from app.__main__ import main
main()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the program under the names that `pip install` gives it."""
    for name in ("job-profiler", "kubectl-job_profiler"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sta"], ["status"]),
        (["com"], ["completion"]),
        (["status", "--as-g"], ["--as-group"]),
        (["profile", "--prometheus-u"], ["--prometheus-url"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["export", ""], ["patch", "network-policy", "quota", "vpa"]),
    ],
    ids=str,
)
def test_bash(words: list[str], expected: list[str], path: str) -> None:
    """The script, in a real bash, completes commands, options and choices."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source <(job-profiler completion bash); COMP_WORDS=(job-profiler {quoted});"
        f" COMP_CWORD={len(words)}; _job_profiler job-profiler; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == expected


@pytest.mark.parametrize(("shell", "complete"), [("zsh", "compdef"), ("fish", "complete --command")])
def test_other_shells(shell: str, complete: str, program: Program) -> None:
    """The script asks the program by Typer's protocol; the shell, if it is installed, can parse it."""
    outcome = program.run("completion", shell)

    assert outcome.code == 0
    assert complete in outcome.out
    assert f"complete_{shell}" in outcome.out
    if executable := shutil.which(shell):
        subprocess.run([executable, "-n"], input=outcome.out, text=True, check=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_answers_for_other_shells(shell: str, path: str) -> None:
    """What the scripts of these shells ask is answered."""
    protocol = {
        "_JOB_PROFILER_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "job-profiler sta",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        ["job-profiler"],
        env=os.environ | protocol | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "status" in done.stdout


def test_a_plugin_of_kubectl(path: str) -> None:
    """As `kubectl-job_profiler` it speaks of `kubectl job-profiler`."""
    done = subprocess.run(
        ["kubectl-job_profiler", "--help"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("Usage: kubectl job-profiler [OPTIONS] COMMAND")
