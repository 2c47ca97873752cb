"""A client of the real API server and a namespace per test, as fixtures."""

from collections.abc import AsyncIterator

import pytest

from app.kubernetes.client import ClusterClient, open_cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.open_connections import cut_connections


@pytest.fixture
async def cluster(control_plane: ControlPlane) -> AsyncIterator[ClusterClient]:
    """The administrator's client."""
    async with open_cluster(str(control_plane.kubeconfig)) as opened:
        yield opened
    await cut_connections()


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """A namespace named after the test."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].rstrip("-")
    return kubectl.create_namespace(f"k-{name}")
