"""The Dockerfile as text; tests/image builds it: Hadolint accepts it, and the files that it copies exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.command_line.dashboard_extra import _PACKAGES
from app.settings.environment import Settings
from tests.chart.rendered import REPOSITORY

pytestmark = pytest.mark.chart

DOCKERFILE = REPOSITORY / "Dockerfile"


def instructions(keyword: str) -> list[str]:
    """The arguments of each instruction with that keyword; continued lines are joined."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(f"{keyword} ")]


def test_hadolint_finds_no_fault() -> None:
    """Hadolint accepts every instruction, shell commands included."""
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint, "hadolint is missing: install the development dependencies"
    linted = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)

    assert (linted.returncode, linted.stdout) == (0, "")


def test_what_is_copied_exists_and_is_sent() -> None:
    """Each file that the image copies is in the repository and not excluded by .dockerignore."""
    let_through = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for arguments in instructions("COPY")
        if not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    }

    assert copied == let_through
    assert [source for source in sorted(copied) if not (REPOSITORY / source).exists()] == []


def test_what_is_compiled_needs_no_package_of_the_dashboard() -> None:
    """The image has none of them: each module that a build imports can be imported without."""
    [program] = [found for run in instructions("RUN") for found in re.findall(r'-B -c "(.+?)" >', run)]
    without = f"import sys; sys.modules.update(dict.fromkeys({_PACKAGES!r})); {program}"
    run = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


def test_the_process_is_not_root() -> None:
    """The image's user is a number other than 0, which `runAsNonRoot` can check."""
    assert instructions("USER") == ["65532:65532"]


def test_ports_are_the_programs() -> None:
    """The exposed ports are the defaults of webhook and health server."""
    ports = {Settings.model_fields[name].default for name in ("webhook_port", "health_port")}

    assert {int(port) for port in instructions("EXPOSE")[0].split()} == ports


def test_only_locked_dependencies_are_installed() -> None:
    """Builder and dependencies come from lock files with hashes; the project itself installs no others.

    Before them, the stage that is thrown away installs Debian's binutils.
    """
    (_, locked, project) = [command for command in instructions("RUN") if " install " in command]

    for lock_file in ("requirements-build.lock", '"$REQUIREMENTS"'):
        assert re.search(rf"--require-hashes\s+--requirement {re.escape(lock_file)}(\s|$)", locked)
    assert "wheel --no-deps --no-build-isolation" in project
    assert re.search(r"install --no-compile --no-deps /wheels/\*\.whl$", project)


def test_the_base_is_one_argument() -> None:
    """Both stages have the base of the argument, so that the virtual environment fits its interpreter.

    Its default is the supported Python; a whole reference can have a digest. The label repeats it.
    """
    assert instructions("ARG") == ["BASE=python:3.11-slim", "REQUIREMENTS=requirements.lock", "BASE"]
    assert instructions("FROM") == ["${BASE} AS build", "${BASE}"]
    assert 'org.opencontainers.image.base.name="${BASE}"' in instructions("LABEL")[0]
