"""VerticalPodAutoscalers on a real API server: their statuses, and a CRD that comes and goes.

The profiles are those of `tests.vpa.objects`: `main` needs 404m and 300Mi, `proxy` 10m (below the floor of
20m) and 40Mi, after three days. `tests.vpa.test_conclusions` derives the bounds.
"""

from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from app.domain.annotations import VPA_LABEL, vpa_labels
from app.domain.template_amounts import template_amounts
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.errors import ConflictError
from app.kubernetes.client import ClusterClient
from app.kubernetes.vertical_autoscalers import AutoscalerStatusClient
from app.profiler.registries.namespace_metadata import NamespaceMetadata, NamespaceMetadataRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.job import AutoscalerRecommender
from app.runtime.watches.faults import watch_faults
from app.runtime.watches.vertical_autoscalers import AutoscalerWatches
from app.vpa.autoscaler import read_autoscaler
from tests.cluster.kubectl import Kubectl
from tests.cluster.vpa_crd import CRD, ensure_vpa_crd, remove_vpa_crd
from tests.kubernetes.polling import until
from tests.runtime.watches.vertical_autoscalers import keeper_of, recommender_of, watching
from tests.vpa.objects import RECOMMENDER, vpa, web_profiles

pytestmark = pytest.mark.cluster

KINDS = {
    "web": "Deployment",
    "db": "StatefulSet",
    "agent": "DaemonSet",
    "nightly": "CronJob",
    "canary": "Rollout",
}
MAIN = {"cpu": "404m", "memory": "300Mi"}
PROXY = {"cpu": "20m", "memory": "40Mi"}
BOUNDS = {
    "main": ({"cpu": "300m", "memory": "250Mi"}, {"cpu": "667m", "memory": "440Mi"}),
    "proxy": ({"cpu": "20m", "memory": "36Mi"}, {"cpu": "20m", "memory": "64Mi"}),
}


@pytest.fixture
def crd(kubectl: Kubectl) -> Iterator[None]:
    """The CRD; without objects afterwards."""
    ensure_vpa_crd(kubectl)
    yield
    remove_vpa_crd(kubectl)


def target(name: str, kind: str) -> dict[str, str]:
    """A reference to a workload."""
    return {"apiVersion": "apps/v1", "kind": kind, "name": name}


def created_uid(kubectl: Kubectl, namespace: str, name: str, kind: str) -> str:
    """The UID of a created workload without Pods: objects of an absent owner would be collected as garbage.

    The API server has no Rollouts.
    """
    if kind == "Rollout":
        return "uid-of-a-rollout"
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}]},
    }
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}, "template": template}
    version = "apps/v1"
    if kind == "CronJob":
        version = "batch/v1beta1" if "batch/v1beta1" in kubectl.run("api-versions").split() else "batch/v1"
        template["spec"] |= {"restartPolicy": "Never"}
        spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    elif kind != "DaemonSet":
        spec["replicas"] = 0
    if kind == "StatefulSet":
        spec["serviceName"] = name
    create(
        kubectl, namespace, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    )
    uid: str = kubectl.json("get", kind, name, f"--namespace={namespace}")["metadata"]["uid"]
    return uid


def create(kubectl: Kubectl, namespace: str, *manifests: dict[str, Any]) -> None:
    """Creates objects in *namespace*."""
    for manifest in manifests:
        metadata = {"name": manifest["metadata"]["name"], "namespace": namespace}
        kubectl.apply(manifest | {"metadata": metadata})


def status_of(kubectl: Kubectl, namespace: str, name: str) -> dict[str, Any]:
    """The stored status."""
    found: dict[str, Any] = kubectl.json("get", "vpa", name, f"--namespace={namespace}").get("status", {})
    return found


def targets_of(status: dict[str, Any]) -> dict[str, Any]:
    """The target of each container."""
    listed = status.get("recommendation", {}).get("containerRecommendations", [])
    return {one["containerName"]: one["target"] for one in listed}


def conditions_of(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """State and reason of each condition."""
    return {one["type"]: (one["status"], one.get("reason", "")) for one in status["conditions"]}


def recommender(client: ClusterClient, watches: AutoscalerWatches, namespace: str) -> AutoscalerRecommender:
    """A recommender for workloads of every kind, which all have the same needs."""
    workloads = WorkloadRegistry(monotonic)
    limits = template_amounts([("main", {}, {"memory": "256Mi"})])
    identities = [Workload(namespace, name, kind) for name, kind in KINDS.items()]
    for workload in identities:
        workloads.put(WorkloadRecord(workload, amounts=limits))
    young = Workload(namespace, "young")
    workloads.put(WorkloadRecord(young))
    profiles = [one for workload in identities for one in web_profiles(workload=workload)]
    profiles += web_profiles(workload=young, confidence="0.30")
    return recommender_of(client, watches, workloads, profiles)


async def test_statuses_of_every_kind_and_policy(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crd: None
) -> None:
    """Each status is what was worked out by hand, and a second pass and another leader write none."""
    only = {"containerName": "*", "controlledValues": "RequestsOnly"}
    policies: dict[str, list[dict[str, Any]]] = {
        "capped": [
            {"containerName": "main", "minAllowed": {"cpu": "500m"}, "maxAllowed": {"memory": "256Mi"}}
        ],
        "others": [{"containerName": "*", "minAllowed": {"cpu": 1}}, {"containerName": "main"}],
        "one-off": [{"containerName": "proxy", "mode": "Off"}],
        "memory-only": [{"containerName": "*", "controlledResources": ["memory"]}],
        "requests-only": [only],
        "contradictory": [{"containerName": "main", "minAllowed": {"cpu": "2"}, "maxAllowed": {"cpu": "1"}}],
    }
    objects = [vpa(name, target=target(name, kind)) for name, kind in KINDS.items()]
    objects += [vpa(name, resourcePolicy={"containerPolicies": listed}) for name, listed in policies.items()]
    objects += [
        vpa("off", updatePolicy={"updateMode": "Off"}),
        vpa("young", target=target("young", "Deployment")),
        vpa("gone", target=target("gone", "Deployment")),
        vpa("of-vpa", recommenders=[]),
        vpa("disputed", recommenders=[{"name": RECOMMENDER}, {"name": "other"}]),
    ]
    create(kubectl, namespace, *objects)
    served = len(objects) - 2

    async with watching(cluster, namespace) as watches:
        job = recommender(cluster, watches, namespace)
        assert await job.run_once() == served
        await until(lambda: sum(bool(one.status.conditions) for one in watches.registry) == served)
        assert await job.run_once() == 0
        assert await recommender(cluster, watches, namespace).run_once() == 0
        assert len(job.faults()) == 1

    statuses = {
        manifest["metadata"]["name"]: manifest.get("status", {})
        for manifest in kubectl.json("get", "vpa", f"--namespace={namespace}")["items"]
    }
    both = {"main": MAIN, "proxy": PROXY}
    assert {name: targets_of(status) for name, status in statuses.items()} == {
        **dict.fromkeys([*KINDS, "off"], both),
        "capped": {"main": {"cpu": "500m", "memory": "256Mi"}, "proxy": PROXY},
        "others": {"main": MAIN, "proxy": {"cpu": "1000m", "memory": "40Mi"}},
        "one-off": {"main": MAIN},
        "memory-only": {"main": {"memory": "300Mi"}, "proxy": {"memory": "40Mi"}},
        "requests-only": {"main": {"cpu": "404m", "memory": "256Mi"}, "proxy": PROXY},
        "contradictory": {"main": {"cpu": "1000m", "memory": "300Mi"}, "proxy": PROXY},
        **{name: {} for name in ("young", "gone", "of-vpa", "disputed")},
    }
    provided = {"RecommendationProvided": ("True", "")}
    web = statuses["web"]
    assert {
        one["containerName"]: (one["lowerBound"], one["upperBound"])
        for one in web["recommendation"]["containerRecommendations"]
    } == BOUNDS
    assert (web["observedGeneration"], conditions_of(web)) == (1, provided)
    assert conditions_of(statuses["requests-only"]) == {
        **provided,
        "ConfigUnsupported": ("True", "LimitBelowNeed"),
    }
    assert conditions_of(statuses["contradictory"]) == {
        **provided,
        "ConfigUnsupported": ("True", "MinAboveMax"),
    }
    assert conditions_of(statuses["young"]) == {
        "LowConfidence": ("True", "BelowMinimum"),
        "RecommendationProvided": ("False", "LowConfidence"),
    }
    assert conditions_of(statuses["gone"]) == {
        "NoPodsMatched": ("True", "TargetNotFound"),
        "RecommendationProvided": ("False", "NoProfile"),
    }
    assert statuses["of-vpa"] == statuses["disputed"] == {}


async def test_a_status_of_another_recommender_is_replaced(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crd: None
) -> None:
    """Whoever renames the recommender of an object has the new one's status, and none where there is none."""
    old = {
        "conditions": [{"type": "RecommendationProvided", "status": "True"}],
        "recommendation": {"containerRecommendations": [{"containerName": "old", "target": {"cpu": "1"}}]},
    }
    create(kubectl, namespace, vpa("web"), vpa("gone", target=target("gone", "Deployment")))
    for name in ("web", "gone"):
        path = f"/apis/autoscaling.k8s.io/v1/namespaces/{namespace}/verticalpodautoscalers/{name}/status"
        await cluster.patch(path, {"status": old})

    async with watching(cluster, namespace) as watches:
        job = recommender(cluster, watches, namespace)
        assert await job.run_once() == 2

    assert set(targets_of(status_of(kubectl, namespace, "web"))) == {"main", "proxy"}
    gone = status_of(kubectl, namespace, "gone")
    assert targets_of(gone) == {}
    assert conditions_of(gone)["RecommendationProvided"] == ("False", "NoProfile")


async def test_an_object_that_changed_is_not_written(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crd: None
) -> None:
    """The version that was read is a precondition: so no status is of a spec or of an object that is gone."""
    create(kubectl, namespace, vpa("web"))
    stored = kubectl.json("get", "vpa", "web", f"--namespace={namespace}")
    kubectl.run("annotate", "vpa", "web", f"--namespace={namespace}", "example.org/note=x")

    with pytest.raises(ConflictError):
        await AutoscalerStatusClient(cluster).write_status(read_autoscaler(stored), {"conditions": []})

    assert status_of(kubectl, namespace, "web") == {}


async def test_own_objects_follow_the_labels(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crd: None
) -> None:
    """One per workload, recognised by the managed fields that the API server keeps, also with our status.

    Only they are deleted: what `kubectl` made for the same target, and a copy of ours, stay.
    """
    workloads, namespaces = WorkloadRegistry(monotonic), NamespaceMetadataRegistry()
    for name, kind in KINDS.items():
        workloads.put(
            WorkloadRecord(Workload(namespace, name, kind), created_uid(kubectl, namespace, name, kind))
        )
    receiver = namespaces.new_receiver()
    receiver.replace([NamespaceMetadata(namespace, vpa_labels=vpa_labels({VPA_LABEL: "Off"}))])
    web, db = "job-profiler-deployment-web", "job-profiler-statefulset-db"
    four = {web, db, "job-profiler-daemonset-agent", "job-profiler-cronjob-nightly"}

    async with watching(cluster, namespace) as watches:

        def names() -> set[str]:
            return {one.name for one in watches.registry}

        async def until_digests_are(count: int) -> None:
            await until(lambda: sum(bool(one.digest) for one in watches.registry) == count)

        keeper = keeper_of(cluster, watches, workloads, namespaces)
        assert await keeper.run_once() == 4
        await until_digests_are(4)
        assert names() == four
        assert await keeper.run_once() == 0
        # Another leader, after the recommender wrote the statuses.
        assert await recommender(cluster, watches, namespace).run_once() == 4
        await until(lambda: all(one.status.conditions for one in watches.registry))
        keeper = keeper_of(cluster, watches, workloads, namespaces)
        assert await keeper.run_once() == 0

        copy = kubectl.json("get", "vpa", db, f"--namespace={namespace}")
        create(kubectl, namespace, vpa("mine"), copy | {"metadata": {"name": "copy"}})
        await until(lambda: {"mine", "copy"} < names())
        assert await keeper.run_once() == 2
        await until(lambda: names() == four - {web, db} | {"mine", "copy"})
        receiver.replace([NamespaceMetadata(namespace)])
        assert await keeper.run_once() == 2
        await until(lambda: names() == {"mine", "copy"})
        assert await keeper.run_once() == 0
        assert keeper.faults() == {}


async def test_a_crd_without_status_is_named(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crd: None
) -> None:
    """VPA's CRD has the subresource from 1.0 on (kubernetes/autoscaler 1f342ff); 0.14 keeps one object.

    The API server's 404 is that of an object that is gone, so the sentence says what else it may be.
    """
    removal = '[{"op": "remove", "path": "/spec/versions/0/subresources"}]'
    kubectl.run("patch", CRD, "--type=json", f"--patch={removal}")
    create(kubectl, namespace, vpa("web"))

    async with watching(cluster, namespace) as watches:
        job = recommender(cluster, watches, namespace)
        assert await job.run_once() == 0
        [(subject, reason)] = job.faults().items()

    assert subject == f"VerticalPodAutoscaler {namespace}/web"
    assert "404" in reason
    assert reason.endswith(
        ": verticalpodautoscalers.autoscaling.k8s.io has the subresource status from VPA 1.0 on"
    )


async def test_the_crd_comes_and_goes(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """Without it there are no objects, which is no fault; with it they are found, and are gone with it."""
    remove_vpa_crd(kubectl)
    try:
        async with watching(cluster, namespace) as watches:
            assert list(watches.registry) == []
            assert watch_faults(watches.reflectors) == {}
            ensure_vpa_crd(kubectl)
            create(kubectl, namespace, vpa("web"))
            await until(lambda: [one.name for one in watches.registry] == ["web"], within_seconds=40)
            remove_vpa_crd(kubectl)
            await until(lambda: not list(watches.registry), within_seconds=40)
            assert watch_faults(watches.reflectors) == {}
    finally:
        remove_vpa_crd(kubectl)
