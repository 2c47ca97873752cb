"""5,000 VerticalPodAutoscalers on a real API server: the time of a pass, and what an unchanged one writes."""

import asyncio
from time import monotonic, process_time

import pytest

from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.profiler.registries.workloads import WorkloadRegistry
from tests.cluster.kubectl import Kubectl
from tests.cluster.vpa_crd import ensure_vpa_crd, remove_vpa_crd
from tests.kubernetes.polling import until
from tests.runtime.watches.vertical_autoscalers import recommender_of, watching
from tests.vpa.objects import vpa, web_profiles

pytestmark = [pytest.mark.cluster, pytest.mark.flood, pytest.mark.timeout(600)]

COUNT, _AT_ONCE = 5000, 16


async def test_five_thousand_objects(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """The first pass writes each status once; the next ones write none, and a settled one takes far less."""
    ensure_vpa_crd(kubectl)
    names = iter([f"w{number}" for number in range(COUNT)])
    path = paths.vertical_pod_autoscalers(namespace)

    async def create_waiting() -> None:
        for name in names:
            manifest = vpa(name, target={"kind": "Deployment", "name": name})
            await cluster.create(path, manifest | {"metadata": {"name": name, "namespace": namespace}})

    try:
        await asyncio.gather(*(create_waiting() for _ in range(_AT_ONCE)))
        workloads = WorkloadRegistry(monotonic)
        identities = [Workload(namespace, f"w{number}") for number in range(COUNT)]
        for workload in identities:
            workloads.put(WorkloadRecord(workload))
        profiles = [one for workload in identities for one in web_profiles(workload=workload)]
        async with watching(cluster, namespace) as watches:
            job = recommender_of(cluster, watches, workloads, profiles)
            written = []
            for step in ("first", "second", "third"):
                began, began_cpu = monotonic(), process_time()
                written.append(await job.run_once())
                seconds, cpu = monotonic() - began, process_time() - began_cpu
                print(f"{step} pass: {written[-1]} writes, {seconds:.2f} s, CPU {cpu:.2f} s")
                await until(lambda: all(one.status.conditions for one in watches.registry), within_seconds=60)
        assert written == [COUNT, 0, 0]
    finally:
        remove_vpa_crd(kubectl)
