"""Mistyped workloads: every command says the same of them, with the same exit code."""

from pathlib import Path

import pytest

from app.command_line.nearest import nearest_workloads
from app.domain.workloads import Workload
from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.shop_commands import EMPTY, NAMED, called, serve_shop
from tests.decisions.manifests import container, deployment
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """The Deployments web and api in `shop`, with profiles."""
    return serve_shop(api_server)


@pytest.mark.parametrize("command", NAMED)
@pytest.mark.parametrize("name", ["shop/wbe", "shop/web-6c9b7d8f5b-2x8qz", "sts/shop/web"])
async def test_a_mistyped_workload(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str, name: str
) -> None:
    """One sentence with the nearest name, and exit code 1; a Pod's name has that of its workload."""
    outcome = await program.run_beside(*called(cluster, tmp_path, command, name))

    shown = name.replace("sts/", "StatefulSet/")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        f"job-profiler: no workload {shown} was found in the cluster; the nearest name is"
        " Deployment/shop/web\n"
    )


@pytest.mark.parametrize("command", NAMED)
async def test_a_name_like_no_other(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """The sentence ends there."""
    outcome = await program.run_beside(*called(cluster, tmp_path, command, "shop/database"))

    assert outcome.code == 1
    assert outcome.err == "job-profiler: no workload shop/database was found in the cluster\n"


@pytest.mark.parametrize("command", NAMED)
async def test_a_mistyped_namespace_of_a_workload(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """It is named, with the nearest one."""
    outcome = await program.run_beside(*called(cluster, tmp_path, command, "shpo/web"))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: namespace shpo does not exist; the nearest name is shop\n"


@pytest.mark.parametrize("command", ["connections", "changes"])
async def test_what_may_not_be_listed_is_named(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """Without the right to list workloads, the profiles have the nearest name."""
    for path_of in (paths.deployments, *EMPTY):
        cluster.on("GET", path_of("shop"), refuses(403, "forbidden"))

    outcome = await program.run_beside(*called(cluster, tmp_path, command, "shop/wbe"))

    assert outcome.code == 1
    assert outcome.err.startswith(
        "job-profiler: no workload shop/wbe was found in the cluster; the nearest name is"
        " Deployment/shop/web; can't list Deployments, StatefulSets, DaemonSets, Jobs, CronJobs in shop"
    )
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["connections", "changes", "export"])
async def test_two_workloads_of_one_name(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """Exit code 2, as for any argument that has to be written in another way."""
    twin = deployment("twin", container())
    for path_of in (paths.deployments, paths.stateful_sets):
        cluster.on("GET", path_of("shop"), listed(twin))

    outcome = await program.run_beside(*called(cluster, tmp_path, command, "shop/twin"))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "job-profiler: WORKLOAD matches more than one workload in the cluster: use one of"
        " Deployment/shop/twin, StatefulSet/shop/twin\n"
    )


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("shop/wbe", ["shop/web"]),
        ("stage/web", ["shop/web", "store/web"]),
        ("shopp/wep", ["shop/web"]),
        ("shop/web-7d9-x", ["shop/web"]),
        ("attic/wbe", []),
    ],
)
def test_the_nearest_workloads(wanted: str, near: list[str]) -> None:
    """Both parts are alike; the very same name counts in any namespace."""
    present = [Workload("shop", "web"), Workload("shop", "api"), Workload("store", "web")]

    namespace, _, name = wanted.partition("/")
    found = nearest_workloads(Workload(namespace, name, ""), present)

    assert sorted(map(str, found)) == near
