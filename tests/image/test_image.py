"""The image: its user, its read-only root, its size, the demo from within, and its unit tests."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.image.build import BASE, bytes_of
from tests.image.container import Container
from tests.image.unit_tests import unit_tests

# The first test builds the image, and the first one on a machine its base too.
pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

PROGRAM = "/opt/job-profiler"
MEGABYTE = 1_000_000
LARGEST_PROGRAM_BYTES = 125 * MEGABYTE


def run(command: list[str], *, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)


def test_the_process_is_not_root_and_writes_only_to_tmp(container: Container) -> None:
    """The user is 65532 without capabilities; the root file system is read-only, /tmp is the Pod's volume."""
    script = (
        "id -u; id -g; id -G; touch /tmp/file && echo written; touch /opt/file; grep CapEff /proc/self/status"
    )

    done = run(container.command(["sh", "-c", script]))

    assert done.stdout.split() == ["65532", "65532", "65532", "written", "CapEff:", "0" * 16]
    assert "Read-only file system" in done.stderr


def test_the_program_is_small(
    container: Container, base_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image is the base and at most 125 MB.

    Unreduced it is 210 MB: 54 MB of bytecode, 25 MB of unused classes of the client library, 24 MB of debug
    symbols, 15 MB of tests, type stubs and languages for syntax highlighting.
    """
    base, image = bytes_of(base_root), bytes_of(container.root)
    with capsys.disabled():
        print(f"\nbase {base / MEGABYTE:.0f} MB, program {(image - base) / MEGABYTE:.0f} MB, uncompressed")

    assert image - base <= LARGEST_PROGRAM_BYTES


def test_the_base_is_an_argument_that_the_image_names(container: Container) -> None:
    """The label has what BASE was, which is a digest in a release."""
    assert container.labels["org.opencontainers.image.base.name"] == BASE


def test_the_demo_runs_in_the_image(container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    """`job-profiler demo` learns, publishes and annotates, without a cluster and within its 90 seconds."""
    done = run(container.program(["demo"]))
    with capsys.disabled():
        print(f"\n{done.stdout}")

    assert done.returncode == 0, done.stderr
    assert "liqo.io/cpuProfile" in done.stdout


def test_a_traceback_is_still_shown_with_its_code(container: Container) -> None:
    """The languages that were left out of syntax highlighting do not hide a fault of the command line."""
    script = (
        "from rich.console import Console\n"
        "try:\n    import json; json.loads('{')\n"
        "except ValueError:\n    Console(width=100).print_exception(show_locals=True)\n"
    )

    done = run(container.command(["python", "-c", script]))

    assert (done.returncode, done.stderr) == (0, "")
    assert "raise JSONDecodeError" in done.stdout


def test_a_start_compiles_nothing(container: Container) -> None:
    """Every module of /opt that the demo imports, in both roles and while it serves, is read as bytecode.

    `python -v` names the file that each module is read from: a `.py` is one that had to be compiled.
    """
    done = run(container.command(["python", "-v", f"{PROGRAM}/bin/job-profiler", "demo"]), timeout=300)

    read = re.findall(r"^# code object from '(/opt/.+)'$", done.stderr, re.MULTILINE)
    assert done.returncode == 0
    assert len(read) > 500
    assert [file for file in read if not file.endswith(".pyc")] == []


def test_the_unit_tests_pass_in_the_image(
    container: Container, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tests of what uses the packages of the image: nothing that was left out of these is missed.

    One worker more than processors: some always wait for a time-out.
    """
    done = run(unit_tests(container, tmp_path, workers=1 + (os.cpu_count() or 1)), timeout=600)
    *_, closing_line = ["", *done.stdout.strip().splitlines()]
    with capsys.disabled():
        print(f"\nunit tests in the image: {closing_line}")

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
