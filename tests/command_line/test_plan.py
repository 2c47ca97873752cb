"""`job-profiler plan` and `export patch`: the webhook's decision on the workloads of a cluster."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import WORKLOADS, against, refuse_workloads, serve_cluster
from tests.decisions.manifests import Object, container, deployment
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """Two Deployments with profiles; an HPA scales web on CPU."""
    serve_cluster(api_server, "shop")
    return serve_cluster(api_server)


async def test_old_and_new_requests_and_reasons(
    program: Program, cluster: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals: CPU 3 x 0.5 + 1 = 2.5 becomes 3 x 0.5 + 1.5 = 3; memory 4.75 GiB becomes 1 + 3 x 347 MiB."""
    monkeypatch.setenv("COLUMNS", "80")

    outcome = await program.run_beside(*against(cluster, tmp_path, "plan"))

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "Requests that the webhook would set",
        "WORKLOAD  PODS  CONTAINER          CPU         MEMORY  STAYS BECAUSE",
        "shop/api     1  app        1000m→1500m  4096Mi→1024Mi  -",
        "shop/web     3  app               500m    256Mi→347Mi  cpu: a",
        "                                                       HorizontalPodAutoscaler",
        "                                                       scales on it",
        "",
        "Totals over all Pods",
        "NAMESPACE  CORES NOW  PLANNED  CHANGE  GIB NOW  PLANNED  CHANGE",
        "shop            2.50     3.00   +0.50     4.75     2.02   -2.73",
        "",
        "2 of 2 workloads would change with scheduling on, as new Pods are created.",
        "HPA shop/web scales web at 80 % of its cpu request of 500m, which is a usage of",
        "400m; with a request of 26m it does so at 1538 %.",
        "Neither is changed by itself: export patch WORKLOAD prints such requests with",
        "--with-scaled, and such targets with --autoscaler NAME.",
    ]


def release(namespace: str, **variables: str) -> Object:
    """The profiler's Deployment of a release, whose profiles are in the namespace `profiling`."""
    given = {"ROLE": "profiler", "PROFILES_NAMESPACE": "profiling"} | variables
    env = [{"name": name, "value": value} for name, value in given.items()]
    profiler = deployment("profiler", container() | {"env": env})
    profiler["metadata"]["namespace"] = namespace
    return profiler


async def test_the_bounds_of_the_installed_release_count(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Its CPU ceiling is 1200m, and its profiles are in another namespace; a flag of the command wins."""
    installed = release("platform", SCHEDULING_CPU_CEILING="1200m")
    cluster.on("GET", paths.deployments(None), listed(*WORKLOADS, installed))

    of_release = await program.run_beside(*against(cluster, tmp_path, "plan"))
    flag = ("plan", "--scheduling-cpu-ceiling", "1300m")
    given = await program.run_beside(*against(cluster, tmp_path, *flag))

    assert "1000m→1200m" in of_release.out
    assert "1000m→1300m" in given.out


async def test_what_the_installed_webhook_leaves_out(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The release excludes `shop`, and its own namespace is always excluded."""
    installed = release("platform", EXCLUDED_NAMESPACES="shop")
    cluster.on("GET", paths.deployments(None), listed(*WORKLOADS, installed))

    outcome = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "json"))

    reasons = {one["name"]: one["reason"] for one in json.loads(outcome.out)["workloads"]}
    assert reasons == dict.fromkeys(("api", "web", "profiler"), "its namespace is not profiled")


async def test_json_has_the_reason_of_each_request(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """In cores and bytes, with the sums over all Pods."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "json"))

    _, web = json.loads(outcome.out)["workloads"]
    (app,) = web["containers"]
    assert app["cpu"] == {"old": 0.5, "new": 0.5, "reason": "a HorizontalPodAutoscaler scales on it"}
    assert app["memory"] == {"old": 256 * 1024**2, "new": 347 * 1024**2}
    assert web["memory"]["amount"] == 3 * 347 * 1024**2


async def test_csv_has_exact_numbers(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Old and new amounts have columns of their own, in cores and bytes."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "csv"))

    api, web, _ = csv.DictReader(io.StringIO(outcome.out))
    assert (api["cpuOld"], api["cpuNew"], web["cpuOld"], web["cpuNew"]) == ("1", "1.5", "0.5", "0.5")
    assert (web["memoryOld"], web["memoryNew"]) == (str(256 * 1024**2), str(347 * 1024**2))
    assert "→" not in outcome.out


async def test_without_the_right_to_list_quotas(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The plan is printed, with a sentence on what does not count."""
    cluster.on("GET", paths.resource_quotas(None), refuses(403, "forbidden"))

    outcome = await program.run_beside(*against(cluster, tmp_path, "plan"))

    assert outcome.code == 0
    assert "ResourceQuotas don't count: this user has no right to list them." in outcome.out


@pytest.mark.parametrize("command", [("plan",), ("export", "patch", "web")])
async def test_a_user_who_may_list_no_workloads(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Profiles are all that may be read: that there are no workloads is not known, and not said."""
    refuse_workloads(cluster)
    for path_of in (paths.limit_ranges, paths.resource_quotas, paths.horizontal_pod_autoscalers):
        cluster.on("GET", path_of("shop"), refuses(403, "forbidden"))

    outcome = await program.run_beside(*against(cluster, tmp_path, *command, "-n", "shop"))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "job-profiler: can't list Deployments, StatefulSets, DaemonSets, Jobs, CronJobs in shop: this user"
        " has no right to, which Kubernetes' ClusterRole view gives\n"
    )


async def test_a_user_who_may_list_some_workloads(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Only Jobs may be listed, and there are none: the plan is empty, and says what does not count."""
    refuse_workloads(cluster)
    cluster.on("GET", paths.jobs("shop"), listed())

    planned = await program.run_beside(*against(cluster, tmp_path, "plan", "-n", "shop"))
    patched = await program.run_beside(*against(cluster, tmp_path, "export", "patch", "shop/web"))

    assert planned.code == 0
    assert "There are no workloads" not in planned.out
    assert "No workloads were found." in planned.out
    assert "Deployments don't count: this user has no right to list them in namespace shop." in planned.out
    assert patched.code == 1
    assert "no Pod template of shop/web was found. Deployments don't count: " in patched.err


async def test_jobs_that_create_no_more_pods(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Of four Jobs, one is a CronJob's, one has completed and one has failed."""
    jobs = [deployment(name, container()) for name in ("running", "owned", "completed", "failed")]
    jobs[1]["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "etl", "controller": True}]
    for job, condition in ((jobs[2], "Complete"), (jobs[3], "Failed")):
        job["status"] = {"conditions": [{"type": condition, "status": "True"}]}
    cluster.on("GET", paths.jobs(None), listed(*jobs))

    outcome = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "json"))

    names = [one["name"] for one in json.loads(outcome.out)["workloads"] if one["kind"] == "Job"]
    assert names == ["running"]


async def test_a_patch_for_kubectl(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Only memory of web changes; standard error says why CPU stays, and what prints the rest."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "export", "patch", "shop/web"))

    resources = {"requests": {"memory": "347Mi"}}
    containers = [{"name": "app", "resources": resources}]
    assert yaml.safe_load(outcome.out) == {"spec": {"template": {"spec": {"containers": containers}}}}
    assert outcome.err.splitlines() == [
        "app stays: cpu: a HorizontalPodAutoscaler scales on it",
        "--with-scaled prints it too, and --autoscaler web its target",
    ]


async def test_the_patches_of_a_request_and_of_its_target(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """With the autoscaler's share of 80 % of 500m, 26m go with 80 * 500 / 26 = 1538 %; JSON has both."""
    export = ("export", "patch", "shop/web")

    requests = await program.run_beside(*against(cluster, tmp_path, *export, "--with-scaled"))
    target = await program.run_beside(
        *against(cluster, tmp_path, *export, "--autoscaler", "web", "-o", "json6902")
    )
    plan = await program.run_beside(*against(cluster, tmp_path, "plan", "-o", "json"))
    other = await program.run_beside(*against(cluster, tmp_path, *export, "--autoscaler", "api"))

    (app,) = yaml.safe_load(requests.out)["spec"]["template"]["spec"]["containers"]
    assert app["resources"]["requests"] == {"cpu": "26m", "memory": "347Mi"}
    assert "which is a usage of 400m; with a request of 26m it does so at 1538 %." in requests.err
    operations = json.loads(target.out)
    assert operations[-1]["value"] == 1538
    web = next(one for one in json.loads(plan.out)["workloads"] if one["name"] == "web")
    (pair,) = web["horizontalAutoscalers"]
    assert (pair["request"], pair["targetPercent"]) == ({"old": 0.5, "new": 0.026}, {"old": 80, "new": 1538})
    assert pair["json6902"] == operations
    assert (other.code, other.out) == (1, "")
    assert "no HorizontalPodAutoscaler api has a target" in other.err
    assert "those that have: web." in other.err


async def test_the_other_forms(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """A JSON patch is a list of operations, a patch for Kustomize names its object."""
    name = ("export", "patch", "deploy/api", "-n", "shop")
    operations = await program.run_beside(*against(cluster, tmp_path, *name, "-o", "json6902"))
    kustomize = await program.run_beside(*against(cluster, tmp_path, *name, "-o", "kustomize"))

    assert [one["op"] for one in json.loads(operations.out)] == ["test", "add", "add"]
    assert yaml.safe_load(kustomize.out)["metadata"] == {"name": "api", "namespace": "shop"}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("shop/nothing", 1, "no workload shop/nothing was found in the cluster"),
        ("attic/old", 1, "no Pod template of attic/old was found."),
        ("deploy/web", 2, "name its namespace, with -n NAMESPACE or as deploy/NAMESPACE/web"),
        ("web", 2, "use NAMESPACE/NAME"),
    ],
)
async def test_a_name_without_a_workload(
    program: Program, cluster: FakeApiServer, tmp_path: Path, name: str, code: int, message: str
) -> None:
    """Exit code 1 if it does not exist, or only its profile does; 2 if it is no name."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "export", "patch", name))

    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err


async def test_two_workloads_of_one_name(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """A Deployment and a StatefulSet called web: the kind is asked for."""
    cluster.on("GET", paths.stateful_sets("shop"), listed(WORKLOADS[0]))

    outcome = await program.run_beside(*against(cluster, tmp_path, "export", "patch", "shop/web"))

    assert outcome.code == 2
    assert "use one of Deployment/shop/web, StatefulSet/shop/web" in outcome.err
