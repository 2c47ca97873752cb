"""Leader election on a real Lease."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.election import LeaderElector, LeaseTiming
from tests.cluster.kubectl import Kubectl
from tests.kubernetes.polling import until

pytestmark = pytest.mark.cluster


async def test_an_election_on_a_real_lease(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """On a Lease without a spec one elector leads; after its cancellation the other one leads."""
    timing = LeaseTiming(duration_seconds=15, renew_deadline_seconds=2, retry_period_seconds=0.2)
    kubectl.apply(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "election", "namespace": namespace},
        }
    )

    async def lead() -> None:
        await asyncio.Event().wait()

    electors = [LeaderElector(cluster, namespace, "election", identity, timing=timing) for identity in "ab"]
    tasks = [asyncio.create_task(elector.run(lead)) for elector in electors]
    await until(lambda: any(elector.is_leader for elector in electors))
    await asyncio.sleep(1)
    assert [elector.is_leader for elector in electors].count(True) == 1
    first = 0 if electors[0].is_leader else 1

    tasks[first].cancel()
    await until(lambda: electors[1 - first].is_leader, within_seconds=5)
    spec = kubectl.json("get", "lease", "election", f"--namespace={namespace}")["spec"]
    tasks[1 - first].cancel()
    await asyncio.wait(tasks)

    assert spec["holderIdentity"] == "ab"[1 - first]
    assert spec["leaseTransitions"] == 1
    assert abs(datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds() < 60
    released = await cluster.get(paths.lease(namespace, "election"))
    assert released["spec"]["holderIdentity"] == ""


HOSTILE = ({"leaseDurationSeconds": 2**31 - 1}, {"leaseDurationSeconds": 15, "leaseTransitions": 2**31 - 1})


async def test_a_hostile_lease_does_not_stop_elections(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The API server stores a duration of 68 years, and the last number of transitions: both are taken over.

    A candidate leads once the Lease was unchanged for its own second.
    """
    timing = LeaseTiming(duration_seconds=1, renew_deadline_seconds=0.8, retry_period_seconds=0.2)
    for number, hostile in enumerate(HOSTILE):
        kubectl.apply(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": f"hostile-{number}", "namespace": namespace},
                "spec": {"holderIdentity": "nobody", "renewTime": "2026-03-01T00:00:00.000000Z"} | hostile,
            }
        )
        elector = LeaderElector(cluster, namespace, f"hostile-{number}", "a", timing=timing)
        led = asyncio.Event()

        async def lead(led: asyncio.Event = led) -> None:
            led.set()

        async with asyncio.timeout(30):
            await elector.run(lead)

        assert led.is_set()
        spec = kubectl.json("get", "lease", f"hostile-{number}", f"--namespace={namespace}")["spec"]
        assert spec["leaseTransitions"] == 0
