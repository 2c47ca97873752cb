"""A workload with 5,000 connections: the API server still creates its Pods."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.custom_resources import to_manifest
from app.domain.profile_names import contract_name
from app.domain.profiles import Basis, ConnectionProfile, Identity, ProfileKind
from app.domain.workloads import Connection, Workload
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of

pytestmark = [pytest.mark.cluster, pytest.mark.chart]

NAMESPACE = "profiling-many"
CONNECTIONS, MAX_CONNECTIONS = 5000, 1000
NO_PROMETHEUS = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def release(
    helm4: Helm, control_plane: ControlPlane, kubectl: Kubectl, emojivoto: str, work_directory: Path
) -> Iterator[Release]:
    """A release with at most 1,000 connections per Pod, and 5,000 connection profiles of `hub`."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    extra = {"profiling": {"maxConnections": MAX_CONNECTIONS}}
    with running(installed, installed.values(NO_PROMETHEUS, extra)):
        asyncio.run(_write_connections(control_plane.kubeconfig, emojivoto))
        yield installed


async def _write_connections(kubeconfig: Path, namespace: str) -> None:
    """Writes the profiles: connection i goes from `hub` to `leaf-<i>` with i requests per minute."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    basis = Basis(now, now, 288, 1.0, 0.5)
    concurrency = asyncio.Semaphore(16)
    async with open_cluster(str(kubeconfig)) as client:
        collection = paths.profiles("connectionprofiles", NAMESPACE)

        async def write(number: int) -> None:
            edge = Connection(Workload(namespace, "hub"), Workload(namespace, f"leaf-{number}"))
            profile = ConnectionProfile(edge, f"{number}.00", f"{number}.00", "0.00", basis)
            name = contract_name(profile.identity)
            assert name
            async with concurrency:
                manifest = to_manifest(profile, name=name, namespace=NAMESPACE, updated_at=now)
                await client.create(collection, manifest)

        await asyncio.gather(*map(write, range(CONNECTIONS)))


def _name(namespace: str, number: int) -> str | None:
    return contract_name(
        Identity(
            ProfileKind.CONNECTION,
            Connection(Workload(namespace, "hub"), Workload(namespace, f"leaf-{number}")),
        )
    )


def _annotated_pod(release: Release, namespace: str) -> dict[str, str]:
    """The annotations of a Pod that names the largest connection; Pods are recreated until one does."""

    def annotations_of_new_pod() -> dict[str, str]:
        release.kubectl.run("delete", "pods", "--selector=app=hub", f"--namespace={namespace}")
        [pod] = pods_of(release.kubectl, "hub", namespace, 1)
        annotations = our_annotations(pod)
        return annotations if _name(namespace, CONNECTIONS - 1) in annotations.values() else {}

    return wait_until(annotations_of_new_pod, 60, "a Pod with the largest connection")


def test_the_largest_connections_are_annotated(release: Release, emojivoto: str) -> None:
    """The Pod names the 1,000 largest of 5,000 connections: consecutive keys, values sorted by name."""
    release.kubectl.apply(deployment("hub", emojivoto))

    annotations = _annotated_pod(release, emojivoto)

    largest = {_name(emojivoto, number) for number in range(CONNECTIONS - MAX_CONNECTIONS, CONNECTIONS)}
    in_order = [annotations[f"liqo.io/connectionProfile{index}"] for index in range(MAX_CONNECTIONS)]
    assert len(annotations) == MAX_CONNECTIONS
    assert set(in_order) == largest
    assert in_order == sorted(in_order)


def test_a_pod_whose_annotations_would_grow_too_large_is_created_without(
    release: Release, emojivoto: str
) -> None:
    """150,000 bytes of the user and 1,000 connections of about 80 bytes exceed 200 KiB (204,800 bytes)."""
    large = deployment("hub", emojivoto)
    large["spec"]["template"]["metadata"]["annotations"]["example.org/large"] = "x" * 150_000
    release.kubectl.run("replace", "--filename=-", input=json.dumps(large))

    def replaced() -> bool:
        [pod] = pods_of(release.kubectl, "hub", emojivoto, 1)
        return "example.org/large" in pod["metadata"]["annotations"] and not our_annotations(pod)

    release.kubectl.run("delete", "replicasets", "--all", f"--namespace={emojivoto}")
    wait_until(replaced, 60, "a Pod with its own annotations alone")
    metrics = request(f"{release.processes['webhook'].health_url}/metrics").decode()
    assert 'reason="annotations_too_large",result="skipped"' in _nonzero_lines(metrics)


def _nonzero_lines(metrics: str) -> str:
    """The lines of counters that are not zero."""
    return "\n".join(line for line in metrics.splitlines() if not line.endswith(" 0.0"))
