"""Generated VerticalPodAutoscalers with the status that a recommender would have written."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.vpa_crd import ensure_vpa_crd
from tests.e2e.generated_demands import DemandedPod

Object = dict[str, Any]
MODES = ("Auto", "Initial", "InPlaceOrRecreate", "Off")
TARGETS = {"cpu": "250m", "memory": "300Mi"}
CONTROLLED = (["cpu"], ["memory"], ["cpu", "memory"])


def generated(pods: Sequence[DemandedPod], seed: int) -> list[Object]:
    """One for about a third of *pods*; the same seed gives the same ones."""
    chance = Random(seed)
    return [_autoscaler(pod, chance) for pod in pods if chance.random() < 0.35]


def _autoscaler(pod: DemandedPod, chance: Random) -> Object:
    """It recommends for some containers, and its policies leave some of these to others."""
    names = [container["name"] for container in pod.manifest["spec"]["containers"]]
    recommended = [
        {"containerName": name, "target": dict(TARGETS)} for name in names if chance.random() < 0.7
    ]
    policies: list[Object] = []
    if chance.random() < 0.3:
        policies.append({"containerName": names[0], "mode": "Off"})
    if chance.random() < 0.3:
        policies.append({"containerName": "*", "controlledResources": chance.choice(CONTROLLED)})
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": pod.job, "namespace": pod.namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": pod.job},
            "updatePolicy": {"updateMode": chance.choice(MODES)},
            **({"resourcePolicy": {"containerPolicies": policies}} if policies else {}),
        },
        "status": {"recommendation": {"containerRecommendations": recommended}},
    }


def create(kubectl: Kubectl, kubeconfig: Path, autoscalers: Sequence[Object]) -> None:
    """Create the CRD and *autoscalers*, whose status is a subresource."""
    ensure_vpa_crd(kubectl)
    kubectl.apply(*({**one, "status": {}} for one in autoscalers))
    asyncio.run(_write_statuses(kubeconfig, autoscalers))


async def _write_statuses(kubeconfig: Path, autoscalers: Sequence[Object]) -> None:
    async with open_cluster(str(kubeconfig)) as client:
        for one in autoscalers:
            metadata = one["metadata"]
            path = paths.vertical_pod_autoscaler(metadata["namespace"], metadata["name"])
            await client.patch(paths.status(path), {"status": one["status"]})
