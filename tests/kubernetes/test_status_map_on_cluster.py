"""The ConfigMap of the status report on a real API server."""

import pytest

from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.status_map import StatusMap
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster


async def test_the_status_map_keeps_other_keys(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The report is written and read beside another key; a missing ConfigMap is not created."""
    status_map = StatusMap(cluster, namespace)
    with pytest.raises(NotFoundError):
        await status_map.write({"sources": {}})
    kubectl.run(
        "create", "configmap", "job-profiler-status", "--from-literal=mine=1", f"--namespace={namespace}"
    )
    assert await status_map.read() is None

    await status_map.write({"sources": {"cpu": "ok"}})

    assert await status_map.read() == {"sources": {"cpu": "ok"}}
    stored = await cluster.get(paths.config_map(namespace, "job-profiler-status"))
    assert stored["data"]["mine"] == "1"
