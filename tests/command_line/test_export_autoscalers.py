"""`job-profiler export vpa`, and what can't be exported."""

from pathlib import Path

import pytest
import yaml

from app.domain.workloads import Workload
from app.kubernetes import paths
from app.vpa.update_mode import UpdateMode
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against, serve_cluster
from tests.kubernetes.fake_api_server import FakeApiServer, listed
from tests.kubernetes.labelled_namespaces import namespace
from tests.vpa.objects import own_vpa, vpa


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """Two Deployments with profiles."""
    serve_cluster(api_server, "shop")
    return serve_cluster(api_server)


async def test_objects_for_a_repository(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """One for each workload: of the mode of the labels, else Off; with --mode, of that one.

    api has an object of a user; web's own, which the profiler keeps, is exported.
    """
    labels = {"job-profiler.liqo.io/vpa": "Recreate", "job-profiler.liqo.io/vpa-min-replicas": "1"}
    cluster.on("GET", paths.namespaces(), listed(namespace("shop", labels=labels)))
    theirs = vpa("theirs", target={"kind": "Deployment", "name": "api"})
    ours = own_vpa(Workload("shop", "web"), UpdateMode.RECREATE)
    cluster.on("GET", paths.vertical_pod_autoscalers("shop"), listed(theirs, ours))
    command = ("export", "vpa", "-n", "shop")

    labelled = await program.run_beside(*against(cluster, tmp_path, *command))
    chosen = await program.run_beside(*against(cluster, tmp_path, *command, "--mode", "Initial"))

    [manifest] = yaml.safe_load_all(labelled.out)
    assert manifest["metadata"] == {"name": "deployment-web", "namespace": "shop"}
    assert manifest["spec"]["updatePolicy"] == {"updateMode": "Recreate", "minReplicas": 1}
    assert manifest["spec"]["recommenders"] == [{"name": "job-profiler"}]
    assert labelled.err == "Deployment shop/api is left out: theirs targets it\n"
    [manifest] = yaml.safe_load_all(chosen.out)
    assert manifest["spec"]["updatePolicy"] == {"updateMode": "Initial", "minReplicas": 1}


async def test_an_export_can_be_repeated(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """What was exported and applied is exported again, or a repository would lose it with the next export.

    Of the same name, one of another recommender and one for another target are not overwritten.
    """
    cluster.on("GET", paths.namespaces(), listed(namespace("shop")))
    web, api = ({"kind": "Deployment", "name": name} for name in ("web", "api"))
    command = ("export", "vpa", "-n", "shop")

    async def exported(*objects: dict[str, object]) -> tuple[list[str], str]:
        cluster.on("GET", paths.vertical_pod_autoscalers("shop"), listed(*objects))
        shown = await program.run_beside(*against(cluster, tmp_path, *command))
        return [one["metadata"]["name"] for one in yaml.safe_load_all(shown.out)], shown.err

    both = vpa("deployment-web", target=web), vpa("deployment-api", target=api)
    assert await exported(*both) == (["deployment-api", "deployment-web"], "")
    other = vpa("deployment-web", target=web, recommenders=[])
    names, notes = await exported(other, vpa("deployment-api", target=web))
    assert names == []
    assert notes.splitlines() == [
        "Deployment shop/api is left out: deployment-api targets another workload",
        "Deployment shop/web is left out: deployment-web targets it",
    ]


async def test_one_object_without_labels(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The cluster has no VPA, and no label asks for a mode: recommendations only."""
    cluster.on("GET", paths.namespaces(), listed(namespace("shop")))

    outcome = await program.run_beside(*against(cluster, tmp_path, "export", "vpa", "shop/api"))

    [manifest] = yaml.safe_load_all(outcome.out)
    assert manifest["spec"]["updatePolicy"] == {"updateMode": "Off"}
    assert (outcome.code, outcome.err) == (0, "")


async def test_an_unknown_mode(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Exit code 2, and what to write."""
    outcome = await program.run_beside(
        *against(cluster, tmp_path, "export", "vpa", "-n", "shop", "--mode", "Auto")
    )

    assert (outcome.code, outcome.out) == (2, "")
    assert "use Off, Initial, InPlaceOrRecreate or Recreate" in outcome.err
