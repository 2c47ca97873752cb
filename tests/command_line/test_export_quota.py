"""`job-profiler export quota`: what a namespace needs together, from the profiles of a cluster."""

from pathlib import Path

import pytest
import yaml

from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import HPA, WORKLOADS, against, refuse_workloads, serve_cluster
from tests.decisions.manifests import container, deployment
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses

REFUSING = (
    "Pods request {} now, more than this quota: it refuses new ones until requests follow the needs"
    " (job-profiler plan -n shop)"
)
QUOTA = ("export", "quota", "-n", "shop")


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """The namespace `shop`."""
    return serve_cluster(api_server, "shop")


async def test_a_resource_quota(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """3 x 26m + 1.5 cores are 1578m; 3 x 347 + 1024 MiB are 2065Mi.

    The templates request 3 x 500m + 1 core, and 3 x 256Mi + 4Gi = 4864Mi. web may have 5 Pods: 130m + 1.5
    cores, 5 x 347 + 1024 MiB = 2759Mi. A roll-out adds a Pod of each: 1526m, 1371Mi.
    """
    cluster.on(
        "GET",
        paths.horizontal_pod_autoscalers("shop"),
        listed({**HPA, "spec": {**HPA["spec"], "maxReplicas": 5}}),
    )

    outcome = await program.run_beside(*against(cluster, tmp_path, *QUOTA))

    assert outcome.code == 0
    assert yaml.safe_load(outcome.out) == {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "job-profiler-need", "namespace": "shop"},
        "spec": {"hard": {"requests.cpu": "1578m", "requests.memory": "2065Mi"}},
    }
    assert outcome.err.splitlines() == [
        "with each HorizontalPodAutoscaler at its maximum (shop/web 3→5): 1630m CPU, 2759Mi memory",
        "a roll-out of all Deployments at once needs 1526m CPU, 1371Mi memory more (maxSurge)",
        REFUSING.format("2500m CPU"),
        REFUSING.format("4864Mi memory"),
    ]


async def test_requests_of_the_pod(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Three Pods of web request 2 cores each as a whole, and api 1: 7 cores, which the quota would refuse."""
    web = deployment("web", container(), replicas=3, resources={"requests": {"cpu": "2"}})
    cluster.on("GET", paths.deployments("shop"), listed(web, WORKLOADS[1]))

    outcome = await program.run_beside(*against(cluster, tmp_path, *QUOTA))

    assert REFUSING.format("7 CPU") in outcome.err.splitlines()


async def test_a_resource_slice(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """4 Pods; the tenant namespace is that of the provider."""
    outcome = await program.run_beside(
        *against(cluster, tmp_path, *QUOTA, "-o", "resource-slice", "--provider", "milan")
    )

    document = yaml.safe_load(outcome.out)
    assert document["kind"] == "ResourceSlice"
    assert document["metadata"]["namespace"] == "liqo-tenant-milan"
    assert document["spec"]["resources"] == {"cpu": "1578m", "memory": "2065Mi", "pods": "4"}
    assert "refused" not in outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-A",), "name one namespace, with -n NAMESPACE"),
        (("-n", "shop", "-o", "xml"), "--output is 'xml': use resource-quota or resource-slice"),
        (("-n", "shop", "--provider", "milan"), "--provider is for --output resource-slice"),
        (("-n", "shop", "-o", "resource-slice", "--provider", "A b"), "--provider is 'A b': use the ID"),
        (("-n", "shop", "--risk", "none"), "--risk is 'none': use low, normal or high"),
    ],
)
async def test_options_without_a_meaning(
    program: Program, cluster: FakeApiServer, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    """Exit code 2, and nothing on standard output."""
    cluster.on("GET", paths.deployments(None), listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, "export", "quota", *options))

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


async def test_a_namespace_that_does_not_exist(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The API server has no such object."""
    cluster.on("GET", paths.namespace("shop"), refuses(404, "not found"))
    cluster.on("GET", paths.namespaces(), listed({"metadata": {"name": "attic"}}))

    outcome = await program.run_beside(*against(cluster, tmp_path, *QUOTA))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: namespace shop does not exist\n"


async def test_a_namespace_without_profiles(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Its workloads have requests, which are no needs."""
    for kind in (ProfileKind.CPU, ProfileKind.MEMORY):
        cluster.on("GET", paths.profiles(KINDS[kind].plural, "profiling"), listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, *QUOTA))

    assert (outcome.code, outcome.out) == (1, "")
    assert (
        outcome.err == "job-profiler: no workload of namespace shop has a profile: see job-profiler status\n"
    )


async def test_what_may_not_be_listed(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The namespace may not be read, and no workload listed: how many Pods there are is not known."""
    cluster.on("GET", paths.namespace("shop"), refuses(403, "forbidden"))
    refuse_workloads(cluster)

    outcome = await program.run_beside(*against(cluster, tmp_path, *QUOTA))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("job-profiler: can't list Deployments, ")
    assert outcome.err.count("\n") == 1
