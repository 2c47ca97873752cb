"""The image's bill of materials: what its own package managers say is installed."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.chart.rendered import project_version
from tests.image.container import Container
from tests.supply_chain.documents import components, schema_fault
from tests.supply_chain.environment import run_program

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

PYTHON_PACKAGES = """\
from importlib.metadata import distributions
for found in distributions():
    print(found.metadata["Name"].lower().replace("_", "-"), found.version, sep="@")
"""
PROGRAM = f"kubernetes-job-profiler@{project_version()}"


def lines(container: Container, *command: str) -> set[str]:
    done = subprocess.run(container.command(command), capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines())


def of_kind(found: Iterable[str], prefix: str) -> set[str]:
    """The names and versions of the components of one kind; URLs write + as %2B."""
    return {unquote(name.removeprefix(prefix)) for name in found if name.startswith(prefix)}


def test_it_has_every_package_of_the_image(
    container: Container, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dpkg's and Python's own lists in the running image are the components; the schema accepts them."""
    done = run_program("sbom", tmp_path, "--image-root", container.root)
    assert done.returncode == 0, done.stderr
    [document] = tmp_path.glob("*.image.cdx.json")
    with capsys.disabled():
        print(f"\n{done.stdout.strip()}")
    found = components(document)

    debian = lines(container, "dpkg-query", "--show", "--showformat", "${Package}@${Version}\\n")
    assert of_kind(found, "pkg:deb/debian/") == debian
    python = lines(container, "python", "-c", PYTHON_PACKAGES)
    assert python - {PROGRAM} <= of_kind(found, "pkg:pypi/")
    [version] = lines(container, "python", "-c", "import platform; print(platform.python_version())")
    assert f"pkg:generic/python@{version}" in found
    assert "os:debian-12" in found
    assert schema_fault(document.read_text()) == ""
