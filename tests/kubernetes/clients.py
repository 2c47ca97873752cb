"""Clients of the fake API server, with short time-outs, as fixtures."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.connection import Timeouts
from tests.kubernetes.fake_api_server import FakeApiServer

SHORT = Timeouts(connect_seconds=1, request_seconds=2, inactivity_seconds=0.3)


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """A fake API server without paths; each test scripts the paths that it needs."""
    async with FakeApiServer() as running:
        yield running


@pytest.fixture
async def patient_client(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[ClusterClient]:
    """A client with the product's time-outs, which end no request within a test."""
    async with open_cluster(server.kubeconfig(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def client(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[ClusterClient]:
    """A client of the fake API server."""
    async with open_cluster(server.kubeconfig(tmp_path), SHORT) as opened:
        yield opened
