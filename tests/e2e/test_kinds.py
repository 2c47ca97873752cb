"""One workload of each kind: learned from a past that kube-state-metrics explains, annotated at admission.

Every container of the past used 0.100 cores and 10,000,000 bytes, so a profile, with one whole day known,
is 0.1 * 1.25 = 0.125 cores; only the Job of nobody used twice as much: 0.250.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import our_annotations
from tests.histories.lengths import DAY_SECONDS, days_from_midnight
from tests.histories.openmetrics import Family, Series, write_openmetrics

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, RELEASE_NAMESPACE = "kinds", "profiling-kinds"
CORES, BYTES = 0.1, 1e7
AHEAD_SECONDS, SCRAPE_SECONDS = 3600, 60
# Every Pod of the past with its owner, and the owners' own: what kube-state-metrics told.
PODS = {
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
}
REPLICASETS = {
    "canary-6b6f9d7d5c": ("Rollout", "canary"),
    "web-7d4b9c6f8-6b6f9d7d5c": ("Deployment", "web-7d4b9c6f8"),
}
JOBS = {"report-28394810": ("CronJob", "report"), "report-28394811": ("CronJob", "report")}
JOB_OF_NOBODY = "report-28394999-7w4ct"
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
}


def cpu_profile(kind: str, name: str) -> str:
    """The name of the CPU profile: for a Deployment by job+namespace, for others by kind/namespace/name."""
    text = f"{name}{NAMESPACE}" if kind == "Deployment" else f"{kind}/{NAMESPACE}/{name}"
    return f"cpuprofile-{hashlib.sha1(text.encode()).hexdigest()}"


def write_past(path: Path) -> None:
    """Yesterday and today of all Pods, and one hour ahead, so that the test's own time finds its samples."""
    now = int(time.time())
    begin = now - round(days_from_midnight(now, 1) * DAY_SECONDS)
    times = np.arange(begin, now + AHEAD_SECONDS, SCRAPE_SECONDS)
    ones = np.ones(len(times))

    def usage(pod: str) -> dict[str, str]:
        return {"namespace": NAMESPACE, "pod": pod, "container": "main", "image": "main:1"}

    def owned(label: str, owners: Mapping[str, tuple[str, str]]) -> tuple[Series, ...]:
        return tuple(
            Series(
                {
                    "namespace": NAMESPACE,
                    label: name,
                    "owner_kind": kind,
                    "owner_name": owner,
                    "owner_is_controller": "true",
                },
                times,
                ones,
            )
            for name, (kind, owner) in owners.items()
        )

    factors = {pod: 2 if pod == JOB_OF_NOBODY else 1 for pod in PODS}
    cpu = [Series(usage(pod), times, factor * CORES * (times - times[0])) for pod, factor in factors.items()]
    memory = [Series(usage(pod), times, factor * BYTES * ones) for pod, factor in factors.items()]
    write_openmetrics(
        path,
        (
            Family("container_cpu_usage_seconds_total", "counter", tuple(cpu)),
            Family("container_memory_working_set_bytes", "gauge", tuple(memory)),
            Family("kube_pod_owner", "gauge", owned("pod", PODS)),
            Family("kube_replicaset_owner", "gauge", owned("replicaset", REPLICASETS)),
            Family("kube_job_owner", "gauge", owned("job_name", JOBS)),
        ),
    )


@pytest.fixture(scope="module")
def past(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """A Prometheus with one workload of each kind."""
    path = tmp_path_factory.mktemp("kinds") / "past.txt"
    write_past(path)
    return prometheus_factory(path)


@pytest.fixture(scope="module")
def release(
    helm4: Helm, control_plane: ControlPlane, kubectl: Kubectl, past: Prometheus, work_directory: Path
) -> Iterator[Release]:
    """The product, and a namespace for Pods of every kind."""
    kubectl.create_namespace(NAMESPACE)
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(past.url)):
        wait_until(lambda: len(installed.profiles()) >= 2 * len(EXPECTED), 60, "the profiles")
        yield installed
    kubectl.run("delete", "namespace", NAMESPACE)


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


def annotations_of(release: Release, selector: str) -> dict[str, str]:
    """Our annotations on the one Pod of that label, once its controller has made it."""

    def found() -> list[dict[str, Any]]:
        pods: list[dict[str, Any]] = release.kubectl.json(
            "get", "pods", f"--namespace={NAMESPACE}", f"--selector={selector}"
        )["items"]
        return pods

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
    metadata = {
        "name": "agent-by-hand",
        "namespace": NAMESPACE,
        "labels": {"made": "by-hand"},
        "ownerReferences": [reference],
    }
    by_hand = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_template()["spec"]}

    created = release.kubectl.json("create", "--filename=-", input=json.dumps(by_hand))

    assert our_annotations(created)["liqo.io/cpuProfile"] == cpu_profile("DaemonSet", "agent")
