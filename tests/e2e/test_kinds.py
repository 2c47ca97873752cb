"""One workload of each kind: learned from a past that kube-state-metrics explains, annotated at admission.

Every container of the past used 0.100 cores and 10,000,000 bytes, so a profile, with one whole day known,
is 0.1 * 1.25 = 0.125 cores; only the Job of nobody used twice as much: 0.250. Of the two bare Pods `runner-…`
the one whose tail has no digit used three times as much, and one profile is for both: 0.3 * 1.25 = 0.375,
since the larger one ran all the time.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import needs_profiles, our_annotations
from tests.histories.constant_usage import owners, usage, yesterday_and_today
from tests.histories.openmetrics import write_openmetrics

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, RELEASE_NAMESPACE = "kinds", "profiling-kinds"
# Every Pod of the past with its owner, and the owners' own: what kube-state-metrics told.
PODS: dict[str, tuple[str, str] | None] = {
    "db-0": ("StatefulSet", "db"),
    "agent-x7k2p": ("DaemonSet", "agent"),
    "canary-6b6f9d7d5c-2x8qz": ("ReplicaSet", "canary-6b6f9d7d5c"),
    "web-7d4b9c6f8-6b6f9d7d5c-7w4ct": ("ReplicaSet", "web-7d4b9c6f8-6b6f9d7d5c"),
    "report-28394810-x7k2p": ("Job", "report-28394810"),
    "report-28394811-4zq8w": ("Job", "report-28394811"),
    "report-28394999-7w4ct": ("Job", "report-28394999"),
    "build-x7k2p-fcg7c": ("Job", "build-x7k2p"),
    "legacy-7w4ct": ("ReplicationController", "legacy"),
    "pipeline-4zq8w-pod": ("TaskRun", "pipeline-4zq8w"),
    "cache-2x8qz": ("ReplicaSet", "cache"),
    "shop-1-x7k2p": ("ReplicationController", "shop-1"),
    "runner-xvbnm": None,
    "runner-x7k2p": None,
}
REPLICASETS = {
    "canary-6b6f9d7d5c": ("Rollout", "canary"),
    "web-7d4b9c6f8-6b6f9d7d5c": ("Deployment", "web-7d4b9c6f8"),
}
JOBS = {"report-28394810": ("CronJob", "report"), "report-28394811": ("CronJob", "report")}
CONTROLLERS = {"shop-1": ("DeploymentConfig", "shop")}
MULTIPLES = {"report-28394999-7w4ct": 2, "runner-xvbnm": 3}
# The workloads that follow, and what each needs.
EXPECTED = {
    ("StatefulSet", "db"): "0.125",
    ("DaemonSet", "agent"): "0.125",
    ("Rollout", "canary"): "0.125",
    ("Deployment", "web-7d4b9c6f8"): "0.125",
    ("CronJob", "report"): "0.125",
    ("Job", "report-28394999"): "0.250",
    ("Job", "build"): "0.125",
    ("ReplicationController", "legacy"): "0.125",
    ("TaskRun", "pipeline"): "0.125",
    ("ReplicaSet", "cache"): "0.125",
    ("DeploymentConfig", "shop"): "0.125",
    ("Pod", "runner"): "0.375",
}


def cpu_profile(kind: str, name: str) -> str:
    """The name of the CPU profile."""
    return needs_profiles(kind, NAMESPACE, name)["liqo.io/cpuProfile"]


def write_past(path: Path) -> None:
    """The usage and the owners of all Pods."""
    times = yesterday_and_today()
    write_openmetrics(
        path,
        (
            *usage(NAMESPACE, {pod: MULTIPLES.get(pod, 1) for pod in PODS}, times),
            owners(NAMESPACE, "kube_pod_owner", "pod", PODS, times),
            owners(NAMESPACE, "kube_replicaset_owner", "replicaset", REPLICASETS, times),
            owners(NAMESPACE, "kube_job_owner", "job_name", JOBS, times),
            owners(
                NAMESPACE, "kube_replicationcontroller_owner", "replicationcontroller", CONTROLLERS, times
            ),
        ),
    )


@pytest.fixture(scope="module")
def past(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """A Prometheus with one workload of each kind."""
    path = tmp_path_factory.mktemp("kinds") / "past.txt"
    write_past(path)
    return prometheus_factory(path)


@pytest.fixture(scope="module")
def early_pods(kubectl: Kubectl) -> str:
    """A namespace, and in it those Pods of the past whose workloads only they themselves tell."""
    kubectl.create_namespace(NAMESPACE)
    kubectl.apply(*(runner(name=name) for name in ("runner-xvbnm", "runner-x7k2p")))
    return NAMESPACE


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    past: Prometheus,
    early_pods: str,
    work_directory: Path,
) -> Iterator[Release]:
    """The product, and a namespace for Pods of every kind."""
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(past.url)):
        wait_until(lambda: len(installed.profiles()) >= 2 * len(EXPECTED), 60, "the profiles")
        yield installed
    kubectl.delete_namespaces(early_pods)


@pytest.mark.parametrize(("workload", "value"), EXPECTED.items(), ids=str)
def test_each_kind_has_a_profile_under_its_own_name(
    release: Release, workload: tuple[str, str], value: str
) -> None:
    """The runs of a CronJob are one workload; a Job of nobody that looks like one is another."""
    profile = release.profiles()[cpu_profile(*workload)]

    assert profile["spec"]["cpuProfiling"]["value"] == value


def test_nothing_else_has_a_profile(release: Release) -> None:
    """Two for each workload above, none for a Job that a CronJob made, none for `web`."""
    assert len(release.profiles()) == 2 * len(EXPECTED)


def pod_template(**labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "main:1"}]},
    }


def owner(kind: str, name: str, version: str, **fields: Any) -> dict[str, Any]:
    """An object that owns Pods, as its user writes it."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata} | fields


def pod_by_hand(**metadata: Any) -> dict[str, Any]:
    """A Pod that no controller makes."""
    metadata = {"namespace": NAMESPACE, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_template()["spec"]}


def runner(**name: str) -> dict[str, Any]:
    """A bare Pod as a CI system makes it: `generateName` stays there where a name is given too."""
    return pod_by_hand(generateName="runner-", **name)


def rolled_out(number: int) -> dict[str, Any]:
    """The Pod template of one roll-out of the DeploymentConfig `shop`, as OpenShift marks it."""
    template = pod_template(deployment=f"shop-{number}", deploymentconfig="shop")
    marks = {"openshift.io/deployment-config.name": "shop", "openshift.io/deployment.name": f"shop-{number}"}
    template["metadata"]["annotations"] = marks
    return template


def controller_of_shop(number: int) -> dict[str, Any]:
    """The ReplicationController of that roll-out."""
    template = rolled_out(number)
    spec = {"replicas": 1, "selector": template["metadata"]["labels"], "template": template}
    controller = owner("ReplicationController", f"shop-{number}", "v1", spec=spec)
    mark = {"openshift.io/deployment-config.name": "shop"}
    controller["metadata"] |= {"labels": mark, "annotations": mark}
    return controller


def annotations_of(release: Release, selector: str) -> dict[str, str]:
    """Our annotations on the one Pod of that label, once its controller has made it."""

    def found() -> list[dict[str, Any]]:
        return release.kubectl.api.list("pods", NAMESPACE, labels=selector)

    [pod] = wait_until(found, 30, f"a Pod with {selector}")
    return our_annotations(pod)


def test_a_stateful_sets_pod(release: Release) -> None:
    """StatefulSet `db` makes `db-0`, which names the profiles of kind StatefulSet."""
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": pod_template(app="db"),
    }
    release.kubectl.apply(owner("StatefulSet", "db", "apps/v1", spec=spec))

    assert annotations_of(release, "app=db")["liqo.io/cpuProfile"] == cpu_profile("StatefulSet", "db")


def test_a_deployment_that_is_named_like_a_replicaset(release: Release) -> None:
    """Deployment `web-7d4b9c6f8` is not a ReplicaSet of `web`."""
    name = "web-7d4b9c6f8"
    spec = {"selector": {"matchLabels": {"app": name}}, "template": pod_template(app=name)}
    release.kubectl.apply(owner("Deployment", name, "apps/v1", spec=spec))

    found = annotations_of(release, f"app={name}")
    assert found["liqo.io/cpuProfile"] == cpu_profile("Deployment", name)


@pytest.mark.parametrize(
    ("job", "workload"),
    [
        pytest.param("report-28394999", ("Job", "report-28394999"), id="of-nobody"),
        pytest.param("report-29000000", ("CronJob", "report"), id="of-a-schedule"),
        pytest.param("build-7w4ct", ("Job", "build"), id="generated"),
    ],
)
def test_a_jobs_pod(release: Release, job: str, workload: tuple[str, str]) -> None:
    """By its exact name first, then as a run of the CronJob, then as one of its group."""
    template = pod_template()
    template["spec"]["restartPolicy"] = "Never"
    release.kubectl.apply(owner("Job", job, "batch/v1", spec={"template": template}))

    assert annotations_of(release, f"job-name={job}")["liqo.io/cpuProfile"] == cpu_profile(*workload)


def test_a_replication_controllers_pod(release: Release) -> None:
    """ReplicationController `legacy` is a workload of its own."""
    spec = {"replicas": 1, "selector": {"app": "legacy"}, "template": pod_template(app="legacy")}
    release.kubectl.apply(owner("ReplicationController", "legacy", "v1", spec=spec))

    found = annotations_of(release, "app=legacy")
    assert found["liqo.io/cpuProfile"] == cpu_profile("ReplicationController", "legacy")


def test_a_deployment_configs_pod(release: Release) -> None:
    """The second roll-out has a ReplicationController of its own, and is the workload of the first one.

    Of the first one nothing is left but what kube-state-metrics told of its owners.
    """
    release.kubectl.apply(controller_of_shop(2))

    found = annotations_of(release, "deployment=shop-2")
    assert found == needs_profiles("DeploymentConfig", NAMESPACE, "shop")


def test_a_bare_replica_sets_pod(release: Release) -> None:
    """ReplicaSet `cache`, which no Deployment made, has no template hash and is a workload of its own."""
    labels = {"app": "cache"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod_template(**labels)}
    release.kubectl.apply(owner("ReplicaSet", "cache", "apps/v1", spec=spec))

    assert annotations_of(release, "app=cache") == needs_profiles("ReplicaSet", NAMESPACE, "cache")


def test_a_bare_pod_with_a_generated_name(release: Release) -> None:
    """At its admission `runner-` is all that it has of a name; back-fill gives the early ones the same.

    Back-fill mends a forged one of them later than it looked at the newest, and has left that as it was born.
    """
    wanted = needs_profiles("Pod", NAMESPACE, "runner")
    born = release.kubectl.json("create", "--filename=-", input=json.dumps(runner()))
    assert our_annotations(born) == wanted
    forged = "liqo.io/cpuProfile=theirs"
    release.kubectl.run("annotate", "--overwrite", "pod/runner-x7k2p", forged, f"--namespace={NAMESPACE}")

    def early() -> list[dict[str, str]]:
        names = ("pod/runner-xvbnm", "pod/runner-x7k2p")
        found = release.kubectl.json("get", *names, f"--namespace={NAMESPACE}")["items"]
        return [our_annotations(pod) for pod in found]

    wait_until(lambda: early() == [wanted, wanted], 15, "the early Pods to be right")
    now = release.kubectl.json("get", f"pod/{born['metadata']['name']}", f"--namespace={NAMESPACE}")
    assert now["metadata"]["resourceVersion"] == born["metadata"]["resourceVersion"]


def test_a_rollouts_pod(release: Release) -> None:
    """A ReplicaSet with the label of Argo Rollouts belongs to the Rollout of its name."""
    labels = {"app": "canary", "rollouts-pod-template-hash": "7d4b9c6f8"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod_template(**labels)}
    release.kubectl.apply(owner("ReplicaSet", "canary-7d4b9c6f8", "apps/v1", spec=spec))

    assert annotations_of(release, "app=canary")["liqo.io/cpuProfile"] == cpu_profile("Rollout", "canary")


def test_a_daemon_sets_pod(release: Release) -> None:
    """Without nodes no controller makes one, so it is made by hand with the owner that it would have."""
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": pod_template(app="agent")}
    release.kubectl.apply(owner("DaemonSet", "agent", "apps/v1", spec=spec))
    agent = release.kubectl.json("get", "daemonset", "agent", f"--namespace={NAMESPACE}")
    reference = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": "agent",
        "uid": agent["metadata"]["uid"],
        "controller": True,
    }
    by_hand = pod_by_hand(name="agent-by-hand", labels={"made": "by-hand"}, ownerReferences=[reference])

    created = release.kubectl.json("create", "--filename=-", input=json.dumps(by_hand))

    assert our_annotations(created)["liqo.io/cpuProfile"] == cpu_profile("DaemonSet", "agent")
