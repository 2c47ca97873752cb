"""Skips tests that need a newer Kubernetes or Prometheus than the one that runs."""

import re
import subprocess

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.parts.locate import Part, require


def require_minor(control_plane: ControlPlane, minor: int, feature: str) -> None:
    """Skips the test before Kubernetes 1.*minor*, the first version with *feature* (a plural)."""
    if int(control_plane.version.split(".")[1]) < minor:
        pytest.skip(
            f"{feature} need Kubernetes 1.{minor}, and this is {control_plane.version}:"
            " KUBEBUILDER_ASSETS selects another"
        )


def require_prometheus(major: int, feature: str) -> None:
    """Skips the test before Prometheus *major*.0, the first version with *feature* (a plural)."""
    command = [str(require(Part.PROMETHEUS)), "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    version = re.search(r"version (\d+)\.(\d+)", shown.stdout + shown.stderr)
    assert version, shown
    if int(version[1]) < major:
        running = ".".join(version.groups())
        pytest.skip(f"{feature} need Prometheus {major}.0, and this is {running}: PATH selects another")
