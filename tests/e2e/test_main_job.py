"""The main use case from `helm install` to `helm uninstall`, with Helm 3 and 4.

Tests that do not depend on Helm run for the release of Helm 4 only.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.product import REPOSITORY
from tests.e2e.release import CHART, KINDS, NAME, Release
from tests.e2e.workloads import delete_deployments, deployment, our_annotations, pods_of
from tests.webhook.profiles import (
    VOTE_BOT_TO_WEB,
    WEB_ANNOTATIONS,
    WEB_CPU,
    WEB_MEMORY,
    WEB_TO_EMOJI,
    WEB_TO_VOTING,
)

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

# CPU and memory of five Deployments, and four connections.
PROFILES = 14
# A report that changed in every cycle would fail each try.
SETTLING_TRIES = 4


once = pytest.mark.parametrize("installed", ["helm4"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=["helm3", "helm4"])
def installed(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The running product, installed by one Helm version; a test may uninstall it."""
    helm = request.getfixturevalue(request.param)
    namespace = f"profiling-{request.param}"
    directory = work_directory / request.param
    directory.mkdir()
    release = Release(helm, control_plane, kubectl, namespace, directory)
    release.brings_crds = True
    with running(release, release.values(emojivoto_prometheus.url)):
        yield release


@pytest.fixture
def release(installed: Release, emojivoto_prometheus: Prometheus) -> Release:
    """The running product with all profiles, each with a status."""
    if not installed.is_installed:
        installed.install(installed.values(emojivoto_prometheus.url))
        installed.start()

    def are_complete() -> bool:
        profiles = installed.profiles().values()
        return len(profiles) == PROFILES and all("status" in profile for profile in profiles)

    wait_until(are_complete, 60, f"{PROFILES} profiles")
    return installed


@pytest.fixture
def namespace(kubectl: Kubectl, emojivoto: str) -> Iterator[str]:
    """The namespace emojivoto, without Deployments and Pods before and after the test."""
    yield emojivoto
    delete_deployments(kubectl, emojivoto)


def test_profiles_appear_with_the_right_values(release: Release) -> None:
    """5 Deployments have 10 profiles, and 4 edges have 4; the values follow from the described usage.

    Three days raise CPU by .5 / (1 + 3)^3 = .0078, and steady memory needs e^.14 times itself at a width of
    .1 / 3. web: 0.016125 + 0.004031 cores, rounded up to 0.021, and 17 and 3 MB * 1.150274 = 19,554,656 +
    3,450,821.5 (to 24 bits); the usage of `web-api` has no influence. web → voting: 60 * (1.0 requests + 0.9
    responses) = 114.00; vote-bot → web: 60 * 4.0 = 240.00. web-api → emoji: 60 * 8.0 during a quarter of the
    day = 120.00, within 2 % since `rate` extrapolates at the edge of the quarter.
    """
    profiles = release.profiles()

    assert profiles[WEB_CPU]["spec"]["cpuProfiling"]["value"] == "0.021"
    assert profiles[WEB_MEMORY]["spec"]["memoryProfiling"]["value"] == "23005478"
    spec = profiles[WEB_TO_VOTING]["spec"]
    assert {key: value for key, value in spec.items() if key != "update_time"} == {
        "bandwidth_requirement": "114.00",
        "source_job": "web",
        "source_namespace": "emojivoto",
        "destination_job": "voting",
        "destination_namespace": "emojivoto",
    }
    assert profiles[VOTE_BOT_TO_WEB]["spec"]["bandwidth_requirement"] == "240.00"
    quarter = next(profile for profile in profiles.values() if profile["spec"].get("source_job") == "web-api")
    assert float(quarter["spec"]["bandwidth_requirement"]) == pytest.approx(120, rel=0.02)


@once
def test_kubectl_shows_them(release: Release) -> None:
    """`kubectl get` prints job, namespace and value; the category `profiling` covers all three kinds."""
    table = release.kubectl.run("get", KINDS, "--all-namespaces")

    rows = [line.split() for line in table.splitlines()]
    [cpu] = [row for row in rows if any(cell.endswith(WEB_CPU) for cell in row)]
    assert {"web", "emojivoto", "21m"} <= set(cpu)
    [connection] = [row for row in rows if any(cell.endswith(WEB_TO_EMOJI) for cell in row)]
    assert {"web", "emoji", "240.00"} <= set(connection)
    listed = release.kubectl.json("get", "profiling", f"--namespace={release.namespace}")["items"]
    assert len(listed) == PROFILES


def test_a_new_pod_carries_the_annotations_of_the_contract(release: Release, namespace: str) -> None:
    """The Pod of a new Deployment `web` names its profiles from creation; the user's annotation stays."""
    release.kubectl.apply(deployment("web", namespace))

    [pod] = pods_of(release.kubectl, "web", namespace, 1)

    assert our_annotations(pod) == WEB_ANNOTATIONS
    assert pod["metadata"]["annotations"]["example.org/kept"] == "yes"


def test_scaling_gives_annotated_pods(release: Release, namespace: str) -> None:
    """Three replicas are three annotated Pods."""
    release.kubectl.apply(deployment("web", namespace))
    pods_of(release.kubectl, "web", namespace, 1)

    release.kubectl.run("scale", "deployment/web", "--replicas=3", f"--namespace={namespace}")

    pods = pods_of(release.kubectl, "web", namespace, 3)

    assert [our_annotations(pod) for pod in pods] == [WEB_ANNOTATIONS] * 3


@once
def test_a_forged_annotation_is_corrected(release: Release, namespace: str) -> None:
    """A Pod whose template names another workload's profiles names its own; an extra key is removed."""
    forged = deployment("voting", namespace)
    forged["spec"]["template"]["metadata"]["annotations"] |= {
        "liqo.io/cpuProfile": WEB_CPU,
        "liqo.io/connectionProfile9": WEB_TO_EMOJI,
    }
    release.kubectl.apply(forged)

    [pod] = pods_of(release.kubectl, "voting", namespace, 1)

    assert our_annotations(pod) == {
        "liqo.io/cpuProfile": "cpuprofile-80ea9c2558c9dcb9608e57b48d117f8735783881",
        "liqo.io/memoryProfile": "memprofile-80ea9c2558c9dcb9608e57b48d117f8735783881",
        "liqo.io/connectionProfile0": WEB_TO_VOTING,
    }


@once
def test_a_pod_without_owner_is_created_unchanged(release: Release, namespace: str) -> None:
    """The API server creates a Pod without owner and without profile unchanged."""
    release.kubectl.run("run", "bare", "--image=registry.example/x", f"--namespace={namespace}")

    pod = release.kubectl.json("get", "pod", "bare", f"--namespace={namespace}")

    assert our_annotations(pod) == {}


@once
def test_an_unchanged_cycle_writes_nothing(release: Release) -> None:
    """Over three cycles, one per second, no profile and no report gets a new resourceVersion.

    The report may change once before, at the first successful probe or the first check-point, and a profile
    when its Deployment, which was created after it, is seen for the first time.
    """

    def versions() -> dict[str, str]:
        report = release.kubectl.api.get("configmaps", "job-profiler-status", release.namespace)
        objects = [report, *release.profiles().values()]
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in objects}

    def is_unchanged() -> bool:
        before = versions()
        cycles = release.processes["profiler"].log.count("cycle_finished")
        wait_until(
            lambda: release.processes["profiler"].log.count("cycle_finished") >= cycles + 3,
            30,
            "three cycles",
        )
        return versions() == before

    assert any(is_unchanged() for _ in range(SETTLING_TRIES))


@once
def test_without_a_webhook_pods_are_still_created_and_repaired_later(
    release: Release, namespace: str
) -> None:
    """`failurePolicy: Ignore`: with both processes stopped a Pod is created; the profiler annotates it later.

    After its restart the webhook annotates the next Pod.
    """
    webhook, profiler = release.processes["webhook"], release.processes["profiler"]
    webhook.stop()
    profiler.stop()
    release.kubectl.apply(deployment("emoji", namespace))
    [plain] = pods_of(release.kubectl, "emoji", namespace, 1)
    assert our_annotations(plain) == {}

    profiler.start()
    wait_until(lambda: _annotated_pod_of_emoji(release, namespace), 30, "the Pod to be repaired")
    [repaired] = pods_of(release.kubectl, "emoji", namespace, 1)
    assert repaired["metadata"]["uid"] == plain["metadata"]["uid"]

    webhook.start()
    release.kubectl.run("delete", "pod", plain["metadata"]["name"], f"--namespace={namespace}")
    wait_until(lambda: _annotated_pod_of_emoji(release, namespace), 30, "a new Pod with annotations")


def _annotated_pod_of_emoji(release: Release, namespace: str) -> bool:
    """True if the one Pod names its CPU profile."""
    [pod] = pods_of(release.kubectl, "emoji", namespace, 1)
    return "liqo.io/cpuProfile" in our_annotations(pod)


@once
def test_a_restarted_profiler_changes_nothing(release: Release) -> None:
    """A new leader reads the history again and leaves every stored value unchanged."""
    before = {name: profile["spec"] for name, profile in release.profiles().items()}
    profiler = release.processes["profiler"]
    profiler.stop()
    cycles = profiler.log.count("cycle_finished")
    profiler.start()
    wait_until(lambda: profiler.log.count("cycle_finished") > cycles, 60, "a cycle of the new process")

    assert {name: profile["spec"] for name, profile in release.profiles().items()} == before


@once
def test_a_prometheus_that_is_away_leaves_profiles_and_says_so(
    release: Release, emojivoto_prometheus: Prometheus
) -> None:
    """Without Prometheus `job-profiler status` shows every signal as `Failing`, reason `Unreachable`.

    Profiles stay, and the signals recover without a restart.
    """
    before = {name: profile["spec"] for name, profile in release.profiles().items()}
    release.processes["profiler"].stop()
    emojivoto_prometheus.stop()
    release.processes["profiler"].start()
    try:
        failing = wait_until(lambda: _status_with(release, "Failing"), 60, "the status to say so")
        assert failing
        assert [signal["reason"] for signal in failing["signals"]] == ["Unreachable"] * 3
        assert emojivoto_prometheus.url in failing["signals"][0]["message"]
        assert {name: profile["spec"] for name, profile in release.profiles().items()} == before
    finally:
        emojivoto_prometheus.start()
    wait_until(lambda: _status_with(release, "Ok"), 60, "the status to recover")
    events = release.kubectl.run("get", "events", f"--namespace={release.namespace}")
    assert "Unreachable" in events


def _status_with(release: Release, state: str) -> dict[str, Any] | None:
    """The report of `job-profiler status` if all signals are in *state*."""
    command = [sys.executable, "-m", "app", "status", "--output=json"]
    done = subprocess.run(
        [*command, f"--kubeconfig={release.kubectl.kubeconfig}", f"--own-namespace={release.namespace}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if '"Failing"' in done.stdout else 0), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report if all(signal["state"] == state for signal in report["signals"]) else None


@once
def test_each_account_can_do_its_work_and_no_more(release: Release) -> None:
    """The accounts lack all rights listed here; the tests above prove that they have enough."""

    def may(account: str, *question: str) -> bool:
        account_flag = f"--as=system:serviceaccount:{release.namespace}:{NAME}-{account}"
        try:
            return release.kubectl.run("auth", "can-i", *question, account_flag).strip() == "yes"
        except KubectlError:
            return False

    own = f"--namespace={release.namespace}"
    assert may("webhook", "watch", "cpuprofiles.webapp.liqo.io.profiling", own)
    assert not may("webhook", "patch", "cpuprofiles.webapp.liqo.io.profiling", own)
    assert not may("webhook", "get", f"secrets/{NAME}-ca", own)
    assert not may("webhook", "list", "pods", "--all-namespaces")
    assert may("profiler", "patch", "cpuprofiles.webapp.liqo.io.profiling", own)
    assert not may("profiler", "create", "secrets", own)
    assert not may("profiler", "get", "secrets", own)
    assert not may("profiler", "get", "secrets", "--all-namespaces")
    assert not may("profiler", "delete", f"mutatingwebhookconfigurations/{NAME}")


@once
def test_metrics_name_workloads_only_where_a_value_asks_for_it(release: Release, emojivoto: str) -> None:
    """The leader has 14 profiles of emojivoto, and no line of its /metrics has that name."""
    assert _lines_about(release, emojivoto) == []


def test_an_upgrade_and_a_rollback_keep_data_and_trust(
    release: Release, emojivoto_prometheus: Prometheus, namespace: str
) -> None:
    """Neither Helm version removes the caBundle or the certificates: the chart does not render them.

    The upgrade also sets monitoring.workloadMetrics: needs of 5 Deployments in CPU and memory are 10 gauges.
    """
    release.kubectl.apply(deployment("web", namespace, replicas=3))
    ca_bundle, names = release.ca_bundle, release.profiles().keys()
    changed = release.values(
        emojivoto_prometheus.url, {"logLevel": "debug", "monitoring": {"workloadMetrics": True}}
    )

    release.helm.upgrade(NAME, CHART, release.namespace, values=changed)
    assert (release.ca_bundle, release.profiles().keys()) == (ca_bundle, names)
    release.restart()
    assert release.processes["webhook"].environment["LOG_LEVEL"] == "debug"
    needs = ("job_profiler_profile_cpu_cores{", "job_profiler_profile_memory_bytes{")
    wait_until(
        lambda: sum(line.startswith(needs) for line in _lines_about(release, namespace)) == 10,
        30,
        "gauges of 5 Deployments",
    )
    _assert_new_pods_annotated(release, namespace)

    release.helm.rollback(NAME, 1, release.namespace)
    assert (release.ca_bundle, release.profiles().keys()) == (ca_bundle, names)
    release.restart()
    assert release.processes["webhook"].environment["LOG_LEVEL"] == "info"
    _assert_new_pods_annotated(release, namespace)


def _lines_about(release: Release, namespace: str) -> list[str]:
    """The lines of the leader's /metrics with the name of a profiled namespace."""
    metrics = request(f"{release.processes['profiler'].health_url}/metrics").decode()
    return [line for line in metrics.splitlines() if namespace in line]


def _assert_new_pods_annotated(release: Release, namespace: str) -> None:
    release.kubectl.run("delete", "pods", "--selector=app=web", f"--namespace={namespace}")
    pods = pods_of(release.kubectl, "web", namespace, 3)
    assert [our_annotations(pod) for pod in pods] == [WEB_ANNOTATIONS] * 3


def test_an_uninstall_leaves_only_the_profiles(release: Release, namespace: str) -> None:
    """Secrets, Lease and status go with the release; CRDs and profiles stay; Pods are still created."""
    release.stop()
    release.helm.uninstall(NAME, release.namespace)

    def remaining_objects() -> str:
        return release.kubectl.run(
            *("get", "deployments,services,secrets,leases,configmaps,serviceaccounts,roles,rolebindings"),
            *("--selector=app.kubernetes.io/part-of=job-profiler", "--output=name"),
            f"--namespace={release.namespace}",
        )

    wait_until(lambda: not remaining_objects(), 60, "the status ConfigMap's check-points to be deleted")
    cluster_wide = release.kubectl.run(
        *("get", "clusterroles,clusterrolebindings,mutatingwebhookconfigurations", "--output=name"),
        "--selector=app.kubernetes.io/part-of=job-profiler",
    )
    assert cluster_wide == ""
    assert len(release.profiles()) == PROFILES
    release.kubectl.apply(deployment("web", namespace))
    assert len(pods_of(release.kubectl, "web", namespace, 1)) == 1
