"""No Pod is refused because its requests were set, whatever its namespace's LimitRanges and quotas.

200 Pods in 50 generated namespaces are created as dry runs, first without the product and then with it. A
third of them belong to workloads with a VerticalPodAutoscaler, whose own webhook is not there.
"""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.profile_names import contract_name
from app.domain.profiles import Basis, ContainerNeed, Resource, ResourceProfile
from app.domain.quantities import format_need
from app.domain.workloads import Workload
from app.kubernetes.client import open_cluster
from app.kubernetes.profiles import ProfileWriter
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request_json
from tests.cluster.vpa_crd import remove_vpa_crd
from tests.cluster.waiting import wait_until
from tests.e2e import vertical_autoscalers
from tests.e2e.conftest import running
from tests.e2e.generated_demands import LABEL, DemandedPod, DemandGenerator, DemandingNamespace
from tests.e2e.release import CHART, NAME, Release

pytestmark = [pytest.mark.cluster, pytest.mark.chart]

RELEASE_NAMESPACE = "profiling-never-refused"
SEED, COUNT = 20260301, 50
NO_PROMETHEUS = "http://127.0.0.1:9"
CONCURRENT_WRITES = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """The API server's response to a Pod: the Pod as it would be stored, or the refusal."""

    pod: dict[str, Any] | None
    refusal: str = ""

    @property
    def resources(self) -> Any:
        """The resources of the containers of an admitted Pod."""
        assert self.pod
        return [container["resources"] for container in self.pod["spec"]["containers"]]


def dry_run(control_plane: ControlPlane, pod: DemandedPod) -> Answer:
    """Creates the Pod as a dry run."""
    url = f"{control_plane.server_url}/api/v1/namespaces/{pod.namespace}/pods?dryRun=All"
    try:
        pod_json = request_json(url, ca_file=control_plane.ca_file, token=ADMIN_TOKEN, body=pod.manifest)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(None, json.loads(error.read())["message"])
    return Answer(pod_json)


@pytest.fixture(scope="module")
def namespaces(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[list[DemandingNamespace]]:
    """The generated namespaces, once their quotas are enforced."""
    generated = list(DemandGenerator(SEED).namespaces(COUNT))
    kubectl.apply(*(_namespace(namespace.name) for namespace in generated))
    kubectl.apply(*(manifest for namespace in generated for manifest in namespace.objects))
    pods = [pod for namespace in generated for pod in namespace.pods]
    vertical_autoscalers.create(kubectl, control_plane.kubeconfig, vertical_autoscalers.generated(pods, SEED))
    wait_until(lambda: _is_enforced(kubectl, generated), 120, "quotas and accounts", every_seconds=1)
    yield generated
    kubectl.delete_namespaces(*(namespace.name for namespace in generated))
    remove_vpa_crd(kubectl)


def _namespace(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/metadata.name": name, LABEL: "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _is_enforced(kubectl: Kubectl, namespaces: list[DemandingNamespace]) -> bool:
    """True once each namespace has its default service account, and each quota its status."""
    names = {namespace.name for namespace in namespaces}
    quotas = kubectl.api.list("resourcequotas")
    accounts = kubectl.api.list("serviceaccounts")
    stored = [quota for quota in quotas if quota["metadata"]["namespace"] in names]
    expected_count = sum(
        manifest["kind"] == "ResourceQuota" for namespace in namespaces for manifest in namespace.objects
    )
    return (
        names <= {account["metadata"]["namespace"] for account in accounts}
        and len(stored) == expected_count
        and all(quota.get("status", {}).get("hard") == quota["spec"]["hard"] for quota in stored)
    )


@pytest.fixture(scope="module")
def without(
    control_plane: ControlPlane, namespaces: list[DemandingNamespace]
) -> list[tuple[DemandedPod, Answer]]:
    """Every Pod with the API server's response before the product is installed."""
    return [(pod, dry_run(control_plane, pod)) for namespace in namespaces for pod in namespace.pods]


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    without: list[tuple[DemandedPod, Answer]],
    work_directory: Path,
) -> Iterator[Release]:
    """The product with a profile of everything; without Prometheus the profiler writes no others."""
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(NO_PROMETHEUS, {"profiling": {"updateSeconds": 600}})):
        asyncio.run(_write_profiles(control_plane.kubeconfig, [pod for pod, _ in without]))
        yield installed


async def _write_profiles(kubeconfig: Path, pods: list[DemandedPod]) -> None:
    now = datetime.now(UTC)
    concurrency = asyncio.Semaphore(CONCURRENT_WRITES)
    async with open_cluster(str(kubeconfig)) as client:
        writer = ProfileWriter(client, RELEASE_NAMESPACE)

        async def write(pod: DemandedPod, resource: Resource) -> None:
            profile = _profile(pod, resource, now)
            name, plural = contract_name(profile.identity), KINDS[resource.profile_kind].plural
            assert name
            manifest = to_manifest(profile, name=name, namespace=RELEASE_NAMESPACE, updated_at=now)
            async with concurrency:
                await writer.apply(plural, manifest)
                await writer.apply_status(plural, name, to_status(profile, refreshed_at=now))

        await asyncio.gather(*(write(pod, resource) for pod in pods for resource in Resource))


def _profile(pod: DemandedPod, resource: Resource, now: datetime) -> ResourceProfile:
    needs = pod.needs[resource]
    containers = tuple(ContainerNeed(name, format_need(resource, need), 12) for name, need in needs.items())
    basis = Basis(now, now, samples=2016, coverage=1, confidence=0.9)
    workload = Workload(pod.namespace, pod.job)
    return ResourceProfile(
        workload, resource, format_need(resource, sum(needs.values())), basis, containers=containers
    )


def test_the_generated_pods_are_partly_admitted_and_partly_refused(
    without: list[tuple[DemandedPod, Answer]],
) -> None:
    """Without the product at least 80 of 200 Pods are admitted and at least 40 are refused."""
    admitted = sum(answer.pod is not None for _, answer in without)

    assert 80 <= admitted <= 160, sorted({answer.refusal for _, answer in without})


@pytest.mark.parametrize("limit_ratio", [0, 1.5])
def test_every_pod_that_is_admitted_without_is_admitted_with_the_product(
    release: Release,
    control_plane: ControlPlane,
    without: list[tuple[DemandedPod, Answer]],
    limit_ratio: float,
) -> None:
    """Each Pod names its profile, so the webhook responded.

    At least 50 get other resources, and of at least 5 a VerticalPodAutoscaler sets some.
    """
    ratios = {"limitRatio": limit_ratio}
    scheduling = {"enabled": True, "cpu": ratios, "memory": ratios}
    release.helm.upgrade(
        NAME,
        CHART,
        RELEASE_NAMESPACE,
        values=release.values(NO_PROMETHEUS, {"profiling": {"updateSeconds": 600}, "scheduling": scheduling}),
    )
    release.restart()

    admitted = [(pod, before) for pod, before in without if before.pod]
    answers = [(pod, before, dry_run(control_plane, pod)) for pod, before in admitted]

    refused = [(pod.manifest["spec"], after.refusal) for pod, _, after in answers if after.pod is None]
    assert refused == []
    annotations = [after.pod["metadata"]["annotations"] for _, _, after in answers if after.pod]
    assert all("liqo.io/cpuProfile" in pod_annotations for pod_annotations in annotations)
    assert sum(before.resources != after.resources for _, before, after in answers) >= 50
    summaries = [one.get("job-profiler.liqo.io/requests", "") for one in annotations]
    assert sum("a VerticalPodAutoscaler sets it" in summary for summary in summaries) >= 5
