"""Events on a real API server."""

from datetime import UTC, datetime

import pytest

from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder, InvolvedObject
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster


async def test_an_event_is_shown(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """`kubectl get events` shows a recorded Event with its reason and object."""
    about = InvolvedObject("v1", "ConfigMap", namespace, "job-profiler-status")

    await EventRecorder(cluster, "profiler-0").record(
        about, "SourceFailed", "no samples", now=datetime.now(UTC), kind="Warning"
    )

    [shown] = kubectl.json("get", "events", f"--namespace={namespace}")["items"]
    assert (shown["type"], shown["reason"], shown["message"]) == ("Warning", "SourceFailed", "no samples")
    assert shown["involvedObject"]["name"] == "job-profiler-status"
