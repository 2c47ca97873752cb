"""How running Pods are watched and annotated, as it goes over the wire."""

import pytest

from app.domain.pod_record import PodRecord
from app.domain.workloads import Workload
from app.errors import ConflictError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import PodAnnotationWriter, running_pods
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses

POD = PodRecord("shop", "web-0", "uid-1", "2026-03-01T12:00:00Z", Workload("shop", "web", "StatefulSet"), {})
PATH = "/api/v1/namespaces/shop/pods/web-0"


async def test_annotations_are_merged_into_just_this_pod(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """One merge patch that names the Pod's uid; null removes a key, and nothing else is in it."""
    server.on("PATCH", PATH, answers({"metadata": {}}))

    await PodAnnotationWriter(client).annotate(
        POD, {"liqo.io/cpuProfile": "a", "liqo.io/memoryProfile": None}
    )

    [patch] = server.requests
    assert patch.headers["Content-Type"] == "application/merge-patch+json"
    assert patch.json == {
        "metadata": {
            "uid": "uid-1",
            "annotations": {"liqo.io/cpuProfile": "a", "liqo.io/memoryProfile": None},
        }
    }


async def test_refusals_tell_what_to_do(server: FakeApiServer, client: ClusterClient) -> None:
    """Another Pod of the name is a conflict; a busy server says how long to wait."""
    server.on("PATCH", PATH, refuses(409), refuses(429, headers={"Retry-After": "7"}))
    annotations = PodAnnotationWriter(client)

    with pytest.raises(ConflictError):
        await annotations.annotate(POD, {"a": "b"})
    with pytest.raises(UnavailableError) as busy:
        await annotations.annotate(POD, {"a": "b"})

    assert busy.value.retry_after_seconds == 7


def test_only_the_metadata_of_pods_that_have_not_ended_is_asked_for() -> None:
    """In one namespace, or in all."""
    shop, everywhere = running_pods("shop"), running_pods(None)

    assert (shop.path, everywhere.path) == ("/api/v1/namespaces/shop/pods", "/api/v1/pods")
    assert shop.query == {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
    assert shop.metadata_only
