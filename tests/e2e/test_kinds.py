"""One workload of each kind: profiled from history with kube-state-metrics owners, annotated at admission.

Every container used 0.100 cores and 10,000,000 bytes, so with one whole day of history a CPU profile is 0.1 *
1.0625 = 0.107 cores. The Job without a CronJob used twice as much: 0.213. Two bare Pods `runner-…` share one
profile; the one whose suffix has no digit used three times as much all the time: 0.3 * 1.0625 = 0.319.
"""

import json
import time
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
PERIOD_SECONDS = 1  # of the release under test
# Each Pod's owner in the history; the mappings below hold the owners' owners (kube-state-metrics).
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
# The CPU value of each resulting workload.
EXPECTED = {
    ("StatefulSet", "db"): "0.107",
    ("DaemonSet", "agent"): "0.107",
    ("Rollout", "canary"): "0.107",
    ("Deployment", "web-7d4b9c6f8"): "0.107",
    ("CronJob", "report"): "0.107",
    ("Job", "report-28394999"): "0.213",
    ("Job", "build"): "0.107",
    ("ReplicationController", "legacy"): "0.107",
    ("TaskRun", "pipeline"): "0.107",
    ("ReplicaSet", "cache"): "0.107",
    ("DeploymentConfig", "shop"): "0.107",
    ("Pod", "runner"): "0.319",
}


def cpu_profile(kind: str, name: str) -> str:
    """The name of the CPU profile."""
    return needs_profiles(kind, NAMESPACE, name)["liqo.io/cpuProfile"]


def write_past(path: Path) -> None:
    """Writes the usage and the owners of all Pods."""
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
    """Creates the namespace with the two bare Pods, whose workload only their own metadata names."""
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
    """The product with a profile of each workload."""
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(past.url)):
        wait_until(lambda: len(installed.profiles()) >= 2 * len(EXPECTED), 60, "the profiles")
        yield installed
    kubectl.delete_namespaces(early_pods)


@pytest.mark.parametrize(("workload", "value"), EXPECTED.items(), ids=str)
def test_each_kind_has_a_profile_under_its_own_name(
    release: Release, workload: tuple[str, str], value: str
) -> None:
    """The Jobs of a CronJob are one workload; a Job with such a name but no CronJob is another."""
    profile = release.profiles()[cpu_profile(*workload)]

    assert profile["spec"]["cpuProfiling"]["value"] == value


def test_nothing_else_has_a_profile(release: Release) -> None:
    """Each workload above has two profiles; the CronJob's single Jobs and `web` have none."""
    assert len(release.profiles()) == 2 * len(EXPECTED)


def pod_template(**labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "main:1"}]},
    }


def owner(kind: str, name: str, version: str, **fields: Any) -> dict[str, Any]:
    """The manifest of an object that owns Pods."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata} | fields


def uncontrolled_pod(**metadata: Any) -> dict[str, Any]:
    """A Pod that is created directly, not by a controller."""
    metadata = {"namespace": NAMESPACE, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_template()["spec"]}


def runner(**name: str) -> dict[str, Any]:
    """A bare Pod of a CI system; it has `generateName` even if it has a name."""
    return uncontrolled_pod(generateName="runner-", **name)


def rolled_out(number: int) -> dict[str, Any]:
    """The Pod template of a roll-out of DeploymentConfig `shop`, with OpenShift's annotations."""
    template = pod_template(deployment=f"shop-{number}", deploymentconfig="shop")
    annotations = {
        "openshift.io/deployment-config.name": "shop",
        "openshift.io/deployment.name": f"shop-{number}",
    }
    template["metadata"]["annotations"] = annotations
    return template


def controller_of_shop(number: int) -> dict[str, Any]:
    """The ReplicationController of that roll-out."""
    template = rolled_out(number)
    spec = {"replicas": 1, "selector": template["metadata"]["labels"], "template": template}
    controller = owner("ReplicationController", f"shop-{number}", "v1", spec=spec)
    config_label = {"openshift.io/deployment-config.name": "shop"}
    controller["metadata"] |= {"labels": config_label, "annotations": config_label}
    return controller


def annotations_of(release: Release, selector: str) -> dict[str, str]:
    """The liqo.io annotations of the one Pod that *selector* matches, once its controller has created it."""

    def matching_pods() -> list[dict[str, Any]]:
        return release.kubectl.api.list("pods", NAMESPACE, labels=selector)

    [pod] = wait_until(matching_pods, 30, f"a Pod with {selector}")
    return our_annotations(pod)


def test_a_stateful_sets_pod(release: Release) -> None:
    """The Pod `db-0` of StatefulSet `db` names the profiles of the StatefulSet."""
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

    annotations = annotations_of(release, f"app={name}")
    assert annotations["liqo.io/cpuProfile"] == cpu_profile("Deployment", name)


@pytest.mark.parametrize(
    ("job", "workload"),
    [
        pytest.param("report-28394999", ("Job", "report-28394999"), id="without-cronjob"),
        pytest.param("report-29000000", ("CronJob", "report"), id="of-a-cronjob"),
        pytest.param("build-7w4ct", ("Job", "build"), id="generated"),
    ],
)
def test_a_jobs_pod(release: Release, job: str, workload: tuple[str, str]) -> None:
    """The workload is the Job of that exact name, else its CronJob, else the group of its `generateName`."""
    template = pod_template()
    template["spec"]["restartPolicy"] = "Never"
    release.kubectl.apply(owner("Job", job, "batch/v1", spec={"template": template}))

    assert annotations_of(release, f"job-name={job}")["liqo.io/cpuProfile"] == cpu_profile(*workload)


def test_a_replication_controllers_pod(release: Release) -> None:
    """ReplicationController `legacy` is a workload."""
    spec = {"replicas": 1, "selector": {"app": "legacy"}, "template": pod_template(app="legacy")}
    release.kubectl.apply(owner("ReplicationController", "legacy", "v1", spec=spec))

    annotations = annotations_of(release, "app=legacy")
    assert annotations["liqo.io/cpuProfile"] == cpu_profile("ReplicationController", "legacy")


def test_a_deployment_configs_pod(release: Release) -> None:
    """The ReplicationControllers of both roll-outs belong to one workload, the DeploymentConfig.

    The first ReplicationController is gone; only kube-state-metrics' history names its owner.
    """
    release.kubectl.apply(controller_of_shop(2))

    annotations = annotations_of(release, "deployment=shop-2")
    assert annotations == needs_profiles("DeploymentConfig", NAMESPACE, "shop")


def test_a_bare_replica_sets_pod(release: Release) -> None:
    """ReplicaSet `cache` has no Deployment and no template hash: it is a workload."""
    labels = {"app": "cache"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod_template(**labels)}
    release.kubectl.apply(owner("ReplicaSet", "cache", "apps/v1", spec=spec))

    assert annotations_of(release, "app=cache") == needs_profiles("ReplicaSet", NAMESPACE, "cache")


def test_a_bare_pod_with_a_generated_name(release: Release) -> None:
    """At admission the Pod has only `generateName`; back-fill gives older Pods the same annotations.

    Back-fill repairs a forged older Pod after it has checked the new Pod, which it leaves unchanged.
    """
    expected = needs_profiles("Pod", NAMESPACE, "runner")
    created_pod = release.kubectl.json("create", "--filename=-", input=json.dumps(runner()))
    assert our_annotations(created_pod) == expected
    forged = "liqo.io/cpuProfile=theirs"
    release.kubectl.run("annotate", "--overwrite", "pod/runner-x7k2p", forged, f"--namespace={NAMESPACE}")

    def early_annotations() -> list[dict[str, str]]:
        names = ("pod/runner-xvbnm", "pod/runner-x7k2p")
        pods = release.kubectl.json("get", *names, f"--namespace={NAMESPACE}")["items"]
        return [our_annotations(pod) for pod in pods]

    wait_until(lambda: early_annotations() == [expected, expected], 15, "the early Pods to be right")
    current_pod = release.kubectl.json(
        "get", f"pod/{created_pod['metadata']['name']}", f"--namespace={NAMESPACE}"
    )
    assert current_pod["metadata"]["resourceVersion"] == created_pod["metadata"]["resourceVersion"]


def test_a_rollouts_pod(release: Release) -> None:
    """A ReplicaSet with the label of Argo Rollouts belongs to the Rollout of that name."""
    labels = {"app": "canary", "rollouts-pod-template-hash": "7d4b9c6f8"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod_template(**labels)}
    release.kubectl.apply(owner("ReplicaSet", "canary-7d4b9c6f8", "apps/v1", spec=spec))

    assert annotations_of(release, "app=canary")["liqo.io/cpuProfile"] == cpu_profile("Rollout", "canary")


def test_a_daemon_sets_pod(release: Release) -> None:
    """Without nodes the controller creates no Pod, so the test creates one that the DaemonSet owns."""
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
    manual_pod = uncontrolled_pod(
        name="agent-by-hand", labels={"made": "by-hand"}, ownerReferences=[reference]
    )

    created = release.kubectl.json("create", "--filename=-", input=json.dumps(manual_pod))

    assert our_annotations(created)["liqo.io/cpuProfile"] == cpu_profile("DaemonSet", "agent")


def test_jobs_named_like_runs_follow_their_real_owner(release: Release) -> None:
    """CronJob `report` has a profile, which its runs get and no Job of a person's beside it.

    At admission a Job's name decides: `report-2` is no run, since a schedule has 8 to 10 digits. Once Jobs
    are listed, their owner does: back-fill takes the profile from `report-20261129`, which looks like a run,
    and gives it to `by-hand`, which is one (as of `kubectl create job --from`). All then stay as they are.
    """
    kubectl, template = release.kubectl, pod_template()
    template["spec"]["restartPolicy"] = "Never"
    version = (
        "batch/v1" if kubectl.run("api-versions").split().count("batch/v1beta1") == 0 else "batch/v1beta1"
    )
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    kubectl.apply(owner("CronJob", "report", version, spec=spec))
    report = kubectl.json("get", "cronjob", "report", f"--namespace={NAMESPACE}")
    of_report = {"apiVersion": version, "kind": "CronJob", "name": "report", "uid": report["metadata"]["uid"]}
    jobs = {
        job: owner("Job", job, "batch/v1", spec={"template": template})
        for job in ("report-2", "report-20261129", "by-hand")
    }
    jobs["by-hand"]["metadata"]["ownerReferences"] = [of_report | {"controller": True}]
    kubectl.apply(*jobs.values())
    assert annotations_of(release, "job-name=report-2") == {}
    expected = {job: dict[str, str]() for job in jobs}
    expected["by-hand"] = needs_profiles("CronJob", NAMESPACE, "report")

    def annotations() -> dict[str, dict[str, str]]:
        return {job: annotations_of(release, f"job-name={job}") for job in jobs}

    wait_until(lambda: annotations() == expected, 30, "back-fill to follow the owners")
    time.sleep(3 * PERIOD_SECONDS)
    assert annotations() == expected
