"""What the Pods of a namespace need together, and the objects that say so."""

import json
from decimal import Decimal

import msgspec
import pytest

from app.decisions.figures import read_workloads
from app.decisions.pod_counts import PodCounts, maxima_of, pod_counts
from app.decisions.quotas import (
    NamespaceDemand,
    PodDemand,
    pod_demand,
    pod_level_amounts,
    resource_quota,
    resource_slice,
)
from app.decisions.templates import workload_object
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.amounts import read_amounts
from app.webhook.pod_resources import read_resources
from tests.decisions.manifests import Object, container, deployment, need

MIB = 1024**2
WEB = Workload("shop", "web")


def demand(manifest: Object, *profiles: Object, at_most: int = 0) -> PodDemand:
    """That of a Deployment."""
    found = workload_object("Deployment", manifest)
    spec = read_resources(msgspec.Raw(json.dumps(found.template["spec"]).encode()))
    pod = {resource: read_amounts(spec, resource) for resource in Resource}
    counts = pod_counts(found, {found.workload: at_most})
    figures = next(iter(read_workloads(profiles)), None)
    return pod_demand(found.workload, counts, figures, pod, pod_level_amounts(found.template))


def needs(*containers: tuple[str, str, int]) -> tuple[Object, Object]:
    """The CPU and memory profile of `web` with these containers: name, cores and bytes."""
    cpu = [{"name": name, "value": cores, "samples": 1} for name, cores, _ in containers]
    memory = [{"name": name, "value": str(size), "samples": 1} for name, _, size in containers]
    cores = sum((Decimal(one) for _, one, _ in containers), Decimal(0))
    size = sum(one for _, _, one in containers)
    return (
        need("cpu", "web", str(cores), containers=tuple(cpu)),
        need("memory", "web", str(size), containers=tuple(memory)),
    )


def test_a_total_is_need_times_replicas() -> None:
    """3 Pods of 26m and 347Mi are 78m and 1041Mi, 10 are 260m and 3470Mi; a quarter of 3 is 1 more."""
    profiles = needs(("app", "0.026", 347 * MIB))
    found = NamespaceDemand(
        "shop", [demand(deployment("web", container(), replicas=3), *profiles, at_most=10)]
    )

    assert found.total(Resource.CPU) == Decimal("0.078")
    assert resource_quota(found)["spec"] == {"hard": {"requests.cpu": "78m", "requests.memory": "1041Mi"}}
    assert found.at_most(Resource.CPU) == Decimal("0.260")
    assert found.at_most(Resource.MEMORY) == 3470 * MIB
    assert found.surge(Resource.MEMORY) == 347 * MIB


def test_each_container_is_rounded_as_its_request_is() -> None:
    """100.5 MiB in each of two containers are requests of 101Mi: 202Mi, where the sum alone would be 201."""
    half = MIB // 2
    profiles = needs(("app", "0.100", 100 * MIB + half), ("proxy", "0.010", 100 * MIB + half))

    assert demand(deployment("web", container()), *profiles).amounts == {
        Resource.CPU: Decimal("0.110"),
        Resource.MEMORY: 202 * MIB,
    }


def test_pods_that_differ_count_with_the_largest() -> None:
    """The containers add up to 300m, and the largest Pod needs 200m."""
    containers = ({"name": "head", "value": "0.200"}, {"name": "worker", "value": "0.100"})
    profile = need("cpu", "web", "0.200", containers=containers)

    assert demand(deployment("web", container()), profile).amounts[Resource.CPU] == Decimal("0.200")


def test_an_init_container_that_requests_more_counts() -> None:
    """1 core beside a sidecar that needs 50m, which starts before it: 1050m, and the Pod needs 76m later."""
    init = [
        container("log", requests={"cpu": "300m"}, restartPolicy="Always"),
        container("migrate", requests={"cpu": "1"}),
    ]
    profiles = needs(("app", "0.026", MIB), ("log", "0.050", MIB))

    found = demand(deployment("web", container(), initContainers=init), *profiles)

    assert found.amounts == {Resource.CPU: Decimal("1.050"), Resource.MEMORY: 2 * MIB}


def test_without_a_profile_the_requests_count() -> None:
    """Never zero: CPU is that of the template, of memory neither need nor request is known."""
    found = demand(deployment("web", container(requests={"cpu": "200m"})))

    assert found.amounts == {Resource.CPU: Decimal("0.2")}
    assert (found.unprofiled, found.unknown) == ((Resource.CPU,), (Resource.MEMORY,))
    assert found.without_request == ("app",)


def test_requests_of_the_pod_count_before_those_of_containers() -> None:
    """2 cores of the Pod, not 1 of its container; 1Gi is the limit of the Pod, of which none requests any.

    With a need of 26m the quota would refuse the next Pod, so the sentence on it needs the 2 cores. A limit
    of the Pod leaves the container's own request of 1 core as it is.
    """
    own = {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi", "cpu": "bad"}}
    app = container(requests={"cpu": "1"})
    found = demand(deployment("web", app, resources=own))

    assert found.requests == {Resource.CPU: Decimal(2), Resource.MEMORY: 1024 * MIB}
    assert (found.unknown, found.without_request) == ((), ())
    profiled = demand(deployment("web", app, resources=own), *needs(("app", "0.026", MIB)))
    assert profiled.amounts[Resource.CPU] == Decimal("0.026")
    assert profiled.requests[Resource.CPU] == Decimal(2)
    limited = demand(deployment("web", app, resources={"limits": {"cpu": "4"}}))
    assert limited.requests == {Resource.CPU: Decimal(1)}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("Deployment", {"replicas": 5}, PodCounts(5, 5, 2)),
        ("Deployment", {"replicas": 5, "strategy": {"type": "Recreate"}}, PodCounts(5, 5, 0)),
        ("Deployment", {"replicas": 5, "strategy": {"rollingUpdate": {"maxSurge": 3}}}, PodCounts(5, 5, 3)),
        ("Deployment", {"replicas": 0}, PodCounts(0, 0, 0)),
        ("Job", {"parallelism": 4, "completions": 2}, PodCounts(2, 2)),
        ("Job", {}, PodCounts(1, 1)),
        ("CronJob", {"jobTemplate": {"spec": {"parallelism": 3}}}, PodCounts(3, 3)),
        ("CronJob", {"suspend": True, "jobTemplate": {"spec": {}}}, PodCounts(0, 0)),
    ],
)
def test_the_pods_at_once(kind: str, spec: Object, expected: PodCounts) -> None:
    """A quarter of 5, rounded up, is 2; a run has at most as many Pods as completions are left."""
    manifest = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}

    assert pod_counts(workload_object(kind, manifest), {}) == expected


def test_maxima_of_autoscalers() -> None:
    """One that can't be read is left out; of two for one workload, the larger maximum counts."""
    target = {"kind": "Deployment", "name": "web"}
    scaler = {"metadata": {"namespace": "shop"}, "spec": {"scaleTargetRef": target, "maxReplicas": 10}}
    smaller = scaler | {"spec": {"scaleTargetRef": target, "maxReplicas": 3}}

    assert maxima_of([scaler, {"metadata": None}, smaller]) == {WEB: 10}


def test_a_slice_is_one_of_liqoctl() -> None:
    """As `liqoctl create resourceslice shop --remote-cluster-id milan --cpu 52m --memory 694Mi --pods 2`."""
    found = NamespaceDemand(
        "shop", [demand(deployment("web", container()), *needs(("app", "0.026", 347 * MIB)))]
    )

    document = resource_slice(found, "milan")

    assert document["metadata"]["namespace"] == "liqo-tenant-milan"
    assert document["metadata"]["labels"]["liqo.io/remote-cluster-id"] == "milan"
    assert document["spec"] == {
        "class": "default",
        "resources": {"cpu": "52m", "memory": "694Mi", "pods": "2"},
        "providerClusterID": "milan",
    }
    assert resource_slice(found, "")["metadata"] == {"name": "shop"}
