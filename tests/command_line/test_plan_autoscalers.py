"""What `job-profiler plan` says of VerticalPodAutoscalers."""

import json
from pathlib import Path

import pytest

from app.domain.workloads import Workload
from app.kubernetes import paths
from app.vpa.update_mode import UpdateMode
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import WORKLOADS, against, serve_cluster
from tests.decisions.manifests import container, deployment
from tests.kubernetes.fake_api_server import FakeApiServer, listed
from tests.vpa.objects import container_policies, own_vpa, vpa

MEMORY_ONLY = {"containerName": "*", "controlledResources": ["memory"]}


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """Two Deployments with profiles."""
    serve_cluster(api_server, "shop")
    return serve_cluster(api_server)


async def test_what_keeps_vpa_from_helping(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Api has one replica, which VPA's updater leaves alone; web, with three, needs more than its limit.

    An autoscaler scales web on its CPU. Off acts on nothing, and another recommender's target is not known.
    """
    web = deployment("web", container(limits={"memory": "128Mi"}), replicas=3)
    cluster.on("GET", paths.deployments(None), listed(web, WORKLOADS[1]))
    shop = [Workload("shop", name) for name in ("web", "api")]
    objects = (own_vpa(one, UpdateMode.RECREATE) for one in shop)
    cluster.on("GET", paths.vertical_pod_autoscalers(None), listed(*objects))

    shown = await program.run_beside(*against(cluster, tmp_path, "plan"))
    exact = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "json"))

    single = (
        "VerticalPodAutoscaler job-profiler-deployment-api: VPA's updater leaves its only replica alone: set"
        " the label job-profiler.liqo.io/vpa-min-replicas to 1"
    )
    limit = (
        "VerticalPodAutoscaler job-profiler-deployment-web: app needs 347Mi memory and has a limit of 128Mi,"
        " which RequestsOnly leaves: raise the limit in the Pod template"
    )
    scaled = (
        "VerticalPodAutoscaler job-profiler-deployment-web: it sets what HorizontalPodAutoscaler web scales"
        " on (cpu): set the label job-profiler.liqo.io/vpa to Off, or write an object that controls the rest"
    )
    sentences = " ".join(shown.out.split())
    assert f"shop/api: {single}." in sentences
    assert f"shop/web: {limit}." in sentences
    assert [one.get("vpa") for one in json.loads(exact.out)["workloads"]] == [[single], [limit, scaled]]

    theirs = vpa("web", recommenders=[], resourcePolicy=container_policies(MEMORY_ONLY))
    off = own_vpa(shop[1], UpdateMode.OFF)
    cluster.on("GET", paths.vertical_pod_autoscalers(None), listed(theirs, off))
    assert "VerticalPodAutoscaler" not in (await program.run_beside(*against(cluster, tmp_path, "plan"))).out
