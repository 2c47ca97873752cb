"""VerticalPodAutoscalers served by the whole product: rights of the chart, leader, status.

The emojivoto history is constant and covers three whole days (see `test_scheduling`): the container `web-api`
needs 404m and 330Mi at normal risk. The object is created after the product runs, and so is its CRD.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.vpa_crd import ensure_vpa_crd, remove_vpa_crd
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import Release, job_profiler
from tests.e2e.workloads import deployment

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, NAME = "profiling-vpa", "web-api"


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with rights in emojivoto only, and the recommender."""
    remove_vpa_crd(kubectl)
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    extra = {"vpa": {"recommender": {"enabled": True}}, "profiling": {"namespaces": [emojivoto]}}
    manifest = deployment(NAME, emojivoto, 0)
    manifest["spec"]["template"]["spec"]["containers"][0]["name"] = NAME
    kubectl.apply(manifest)
    try:
        with running(installed, installed.values(emojivoto_prometheus.url, extra)):
            yield installed
    finally:
        remove_vpa_crd(kubectl)


def vpa(namespace: str, name: str, *recommenders: str) -> dict[str, Any]:
    """An object for the Deployment."""
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "recommenders": [{"name": one} for one in recommenders],
        },
    }


def test_the_leader_writes_the_status(release: Release, emojivoto: str) -> None:
    """Target and conditions are there soon after the object; `status` names one with two recommenders."""
    ensure_vpa_crd(release.kubectl)
    release.kubectl.apply(
        vpa(emojivoto, "served", "job-profiler"), vpa(emojivoto, "disputed", "job-profiler", "other")
    )

    def recommended() -> dict[str, Any] | None:
        found = release.kubectl.json("get", "vpa", "served", f"--namespace={emojivoto}").get("status", {})
        items = found.get("recommendation", {}).get("containerRecommendations", [])
        return {item["containerName"]: item["target"] for item in items} or None

    targets = wait_until(recommended, 60, "a recommendation")
    assert targets
    assert targets[NAME] == {"cpu": "404m", "memory": "330Mi"}
    wait_until(
        lambda: "VerticalPodAutoscaler emojivoto/disputed" in job_profiler(release, "status").stdout,
        60,
        "the fault in the status",
    )
    assert "status" not in release.kubectl.json("get", "vpa", "disputed", f"--namespace={emojivoto}")
