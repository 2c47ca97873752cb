"""Skips tests that need a newer Kubernetes than the one that runs."""

import pytest

from tests.cluster.control_plane import ControlPlane


def require_minor(control_plane: ControlPlane, minor: int, feature: str) -> None:
    """Skips the test before Kubernetes 1.*minor*, the first version with *feature* (a plural)."""
    if int(control_plane.version.split(".")[1]) < minor:
        pytest.skip(
            f"{feature} need Kubernetes 1.{minor}, and this is {control_plane.version}:"
            " KUBEBUILDER_ASSETS selects another"
        )
