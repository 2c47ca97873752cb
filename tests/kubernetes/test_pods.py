"""The watch of running Pods, and the patches of their annotations."""

import pytest

from app.domain.pod_record import PodRecord
from app.domain.workloads import Workload
from app.errors import ConflictError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import PodAnnotationWriter, running_pods
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses

POD = PodRecord("shop", "web-0", "uid-1", 1_772_366_400, Workload("shop", "web", "StatefulSet"), {})
PATH = "/api/v1/namespaces/shop/pods/web-0"


async def test_annotations_are_merged_into_the_pod_with_that_uid(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """One merge patch with the Pod's uid and the annotations; null removes a key."""
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


async def test_refusals_of_a_patch(server: FakeApiServer, client: ClusterClient) -> None:
    """A Pod recreated under the same name is a conflict; a 429 has the seconds to wait."""
    server.on("PATCH", PATH, refuses(409), refuses(429, headers={"Retry-After": "7"}))
    annotations = PodAnnotationWriter(client)

    with pytest.raises(ConflictError):
        await annotations.annotate(POD, {"a": "b"})
    with pytest.raises(UnavailableError) as busy:
        await annotations.annotate(POD, {"a": "b"})

    assert busy.value.retry_after_seconds == 7


def test_only_metadata_of_running_pods_is_requested() -> None:
    """In one namespace, or in all; Pods that succeeded or failed are excluded."""
    shop, everywhere = running_pods("shop"), running_pods(None)

    assert (shop.path, everywhere.path) == ("/api/v1/namespaces/shop/pods", "/api/v1/pods")
    assert shop.query == {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
    assert shop.metadata_only
