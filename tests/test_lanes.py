"""Tests of the second lane run only where they are asked for, and CI asks for each kind."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.lanes import MARKERS, PROGRAMS, UNIT, is_asked_for

ROOT = Path(__file__).parents[1]
# A stand-in for make: it prints its targets; the exit codes of `test` and `lint` are filled in.
MAKE = """\
#!/bin/sh
for word in "$@"; do
    case $word in *=* | --*) ;; *) echo "made: $word" ;; esac
done
case " $* " in *" test "*) exit {tests} ;; *" lint "*) exit {lint} ;; esac
"""


class Item:
    """A test with these markers."""

    def __init__(self, *markers: str) -> None:
        self._markers = markers

    def get_closest_marker(self, name: str) -> object:
        """The marker's name in place of the marker."""
        return name if name in self._markers else None


@pytest.mark.parametrize(
    ("markers", "expression", "runs"),
    [
        ((), "", True),
        (("cluster",), "", True),
        (("flood",), "", False),
        (("image", "cluster"), "", False),
        (("flood",), UNIT, False),
        (("flood",), "flood", True),
        (("image", "cluster"), "image or flood", True),
    ],
)
def test_the_second_lane_is_asked_for_by_its_marker(
    markers: tuple[str, ...],
    expression: str,
    runs: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Without `-m`, and with an expression about other markers, only tests of the first lane run."""
    assert is_asked_for(Item(*markers), expression) is runs


@pytest.mark.parametrize(
    ("tests", "lint", "exit_code"),
    [(0, 0, 0), (2, 0, 1), (0, 2, 1), (2, 2, 1)],
    ids=["clean", "failed tests", "failed lint", "both"],
)
def test_what_runs_beside_the_tests_counts(tmp_path: Path, tests: int, lint: int, exit_code: int) -> None:
    """A failure of either ends .ci/run before its second lane, after the output of both."""
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    make = tmp_path / "make"
    make.write_text(MAKE.format(tests=tests, lint=lint))
    make.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == exit_code
    assert {"made: test", "made: lint"} <= set(done.stdout.splitlines())
    assert ("made: test-flood" in done.stdout) is (exit_code == 0)


def test_ci_runs_both_lanes() -> None:
    """.ci/run runs the first lane, then a target for each marker of the second one, within 15 minutes."""
    script = (ROOT / ".ci" / "run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    [(minutes, commands)] = re.findall(r"^timeout --foreground (\d+)m (.+)$", script, re.MULTILINE)
    targets = re.findall(r"test-\w+", commands)

    assert "&& make test ||" in script
    assert int(minutes) <= 15
    for marker in MARKERS:
        assert f"test-{marker}" in targets
        assert f"$(PYTEST) -m {marker}" in makefile


def test_unit_tests_leave_out_every_other_marker() -> None:
    """Each registered marker is of the second lane or names a program; the Makefile has the same filter."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    registered = {marker.partition(":")[0] for marker in options["markers"]}

    assert registered == MARKERS | set(PROGRAMS)
    assert f'UNIT := -m "{UNIT}"\n' in (ROOT / "Makefile").read_text()
