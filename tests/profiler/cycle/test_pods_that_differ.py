"""Pods of one owner that differ, and containers that few of them have, in a real Prometheus.

A container of 0.100 cores needs 0.125, and 10,000,000 bytes need 17,062,500: see the history's module.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.container_roles import template_containers
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import InMemoryProfiles
from tests.cluster.prometheus import Prometheus
from tests.histories.pods_of_owners import HistoricPod
from tests.profiler.historic_cluster import HistoricCluster
from tests.profiler.memory_checkpoints import MemoryCheckpoints

pytestmark = pytest.mark.prometheus

Start = Callable[[Path | None], Prometheus]
RAY = ("RayCluster", "ray")
HOUR = timedelta(hours=1)
HEAD = HistoricPod("ray-head-7w4ct", {"ray-head": 0.4, "autoscaler": 0.1}, RAY)
WORKERS = [HistoricPod(f"ray-worker-{tail}", {"ray-worker": 1.0}, RAY) for tail in ("2x8qz", "fcg7c")]
WEB = Workload("shop", "web")
WEB_PODS = [f"web-5f5b555dff-{tail}" for tail in ("2x8qz", "7w4ct", "fcg7c")]
WEB_OWNER = ("ReplicaSet", "web-5f5b555dff")
TEMPLATE = ClusterSnapshot(workloads=(WEB,), templates={WEB: template_containers((), ("web-svc",))})


async def test_the_largest_pod_of_a_ray_cluster_counts(prometheus_factory: Start, tmp_path: Path) -> None:
    """The head needs (0.4 + 0.1) * 1.0625 = 0.532 cores and a worker 1.063: no Pod needs their sum.

    Memory: 50e6 and 100e6 * e^.24 = 63,562,460 and 127,124,920 bytes (to 24 bits), not their sum.
    All three containers keep their own values, of which each Pod gets those of its containers.
    """
    cluster = HistoricCluster(prometheus_factory, tmp_path, [HEAD, *WORKERS])
    await cluster.cycle()

    assert cluster.values == {"cpu RayCluster/shop/ray": "1.063", "memory RayCluster/shop/ray": "127124920"}
    status = cluster.status("CPUProfile")
    assert status["roles"] == [
        {"containers": ["ray-worker"], "value": "1.063"},
        {"containers": ["autoscaler", "ray-head"], "value": "0.532"},
    ]
    assert {need["name"]: need["value"] for need in status["containers"]} == {
        "autoscaler": "0.107",
        "ray-head": "0.425",
        "ray-worker": "1.063",
    }
    assert "2 different sets of containers, of which the largest counts: ray-worker" in status["explanation"]
    assert {slot["value"] for slot in status["slots"]} == {"1.063"}


async def test_what_a_new_leader_restores_it_does_not_add_up(
    prometheus_factory: Start, tmp_path: Path
) -> None:
    """The Pods ended 75 minutes ago; a leader that restores check-points an hour later sees only web's.

    It counts the 12 steps that have settled since: two that were open before, and the hour without its last
    two. The sets of containers are in the check-points: the value stays 1.063.
    """
    until = HOUR + timedelta(minutes=15)
    ended = [HistoricPod(pod.name, pod.cores, pod.owner, until=until) for pod in (HEAD, *WORKERS)]
    web = HistoricPod(WEB_PODS[0], {"web-svc": 0.1}, WEB_OWNER)
    cluster, checkpoints = HistoricCluster(prometheus_factory, tmp_path, [*ended, web]), MemoryCheckpoints()
    await cluster.cycle(before_end=HOUR, checkpoints=checkpoints)
    cluster.profiles = InMemoryProfiles("profiling")
    report = await cluster.cycle(checkpoints=checkpoints)

    assert report.samples == 2 * 12  # of web, CPU and memory
    assert cluster.values["cpu RayCluster/shop/ray"] == "1.063"


async def test_a_sidecar_of_both_roles_counts_in_each(prometheus_factory: Start, tmp_path: Path) -> None:
    """Spark: executors belong to the driver's Pod. Driver 0.2, executors 0.8, a mesh proxy of 0.1 in each.

    An executor needs (0.8 + 0.1) * 1.0625 = 0.957, the driver (0.2 + 0.1) * 1.0625 = 0.319. The
    executors ran for the first 20 minutes of the last hour only, and count all the same.
    """
    driver, proxy = "spark-pi-driver", "istio-proxy"
    pods = [HistoricPod(driver, {"spark-kubernetes-driver": 0.2, proxy: 0.1})]
    pods += [
        HistoricPod(
            f"spark-pi-exec-{number}",
            {"spark-kubernetes-executor": 0.8, proxy: 0.1},
            ("Pod", driver),
            until=timedelta(minutes=40),
        )
        for number in (1, 2)
    ]
    cluster = HistoricCluster(prometheus_factory, tmp_path, pods)
    bare = Workload("shop", driver, "Pod")
    await cluster.cycle(ClusterSnapshot({("shop", driver): bare}))

    assert cluster.values["cpu Pod/shop/spark-pi-driver"] == "0.957"
    assert cluster.status("CPUProfile")["roles"] == [
        {"containers": ["istio-proxy", "spark-kubernetes-executor"], "value": "0.957"},
        {"containers": ["istio-proxy", "spark-kubernetes-driver"], "value": "0.319"},
    ]


async def test_pods_with_equal_names_of_containers_are_one_role(
    prometheus_factory: Start, tmp_path: Path
) -> None:
    """Steps of a Workflow, all named `main` beside `wait`: their samples are one series, as before.

    Two Pods at the same usage: (0.3 + 0.1) * 1.0625 = 0.425.
    """
    pods = [
        HistoricPod(f"etl-{step}-123456789", {"main": 0.3, "wait": 0.1}, ("Workflow", "etl"))
        for step in ("load", "train")
    ]
    cluster = HistoricCluster(prometheus_factory, tmp_path, pods)
    await cluster.cycle()

    assert cluster.values["cpu Workflow/shop/etl"] == "0.425"
    assert "roles" not in cluster.status("CPUProfile")


def debugged(count: int) -> list[HistoricPod]:
    """Pods of web with 0.1 cores; *count* of them with a container to debug, of 2.2 cores, for two hours."""
    debugger = "debugger-x7k2p"
    session = {debugger: (3 * HOUR, HOUR)}
    return [
        HistoricPod(
            pod,
            {"web-svc": 0.1} | ({debugger: 2.2} if number < count else {}),
            WEB_OWNER,
            partly=session if number < count else None,
        )
        for number, pod in enumerate(WEB_PODS)
    ]


async def test_a_debug_container_does_not_count(prometheus_factory: Start, tmp_path: Path) -> None:
    """Two hours of `kubectl debug` in one of three Pods, seen while it runs: 0.1 * 1.0625 = 0.107 cores.

    Before, the value was above 2. Memory: 10e6 * e^.24 = 12,712,492. The status names the container and its
    samples: a rate needs two scrapes, so the first of the 12 steps of an hour may lack one.
    """
    cluster = HistoricCluster(prometheus_factory, tmp_path, debugged(1))
    await cluster.cycle(TEMPLATE, before_end=2 * HOUR)

    assert cluster.values == {"cpu shop/web": "0.107", "memory shop/web": "12712492"}
    status = cluster.status("CPUProfile")
    assert status["leftOutContainersTotal"] == 1
    assert [container["name"] for container in status["leftOutContainers"]] == ["debugger-x7k2p"]
    assert status["leftOutContainers"][0]["samples"] in {11, 12}
    assert [need["name"] for need in status["containers"]] == ["web-svc"]
    assert "in under half of the Pods: debugger-x7k2p." in status["explanation"]


async def test_without_a_known_template_every_container_counts(
    prometheus_factory: Start, tmp_path: Path
) -> None:
    """The same Pods while the Deployment can't be listed: a container beside the others counts as before."""
    cluster = HistoricCluster(prometheus_factory, tmp_path, debugged(1))
    await cluster.cycle(before_end=2 * HOUR)

    assert float(cluster.values["cpu shop/web"]) > 2
    assert "leftOutContainers" not in cluster.status("CPUProfile")


async def test_an_ephemeral_container_of_the_only_pod_does_not_count(
    prometheus_factory: Start, tmp_path: Path
) -> None:
    """The metadata of the Pod names it, so neither the template nor other Pods are needed: 0.107 cores."""
    cluster = HistoricCluster(prometheus_factory, tmp_path, debugged(1)[:1])
    ephemeral = {WEB: frozenset({"debugger-x7k2p"})}
    await cluster.cycle(ClusterSnapshot(workloads=(WEB,), ephemeral=ephemeral), before_end=2 * HOUR)

    assert cluster.values == {"cpu shop/web": "0.107", "memory shop/web": "12712492"}
    assert cluster.status("CPUProfile")["leftOutContainersTotal"] == 1


async def test_an_injected_container_counts(prometheus_factory: Start, tmp_path: Path) -> None:
    """`vault-agent` of 0.06 cores is in no template and in every Pod: (0.1 + 0.06) * 1.0625 = 0.170."""
    pods = [HistoricPod(pod, {"web-svc": 0.1, "vault-agent": 0.06}, WEB_OWNER) for pod in WEB_PODS]
    cluster = HistoricCluster(prometheus_factory, tmp_path, pods)
    await cluster.cycle(TEMPLATE)

    assert cluster.values["cpu shop/web"] == "0.170"
    assert "leftOutContainers" not in cluster.status("CPUProfile")
