"""Terminated Pods are matched to workloads by name if no metric names their owners.

linkerd-viz's Prometheus is such a case. Four Pods with similar names each have a different usage, so a value
identifies the Pod it comes from. Deployment `web-api` no longer exists: only its Pod's name distinguishes it
from the Pods of `web`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import running
from tests.e2e.release import Release, job_profiler
from tests.e2e.workloads import deployment, needs_profiles
from tests.histories.constant_usage import usage, yesterday_and_today
from tests.histories.openmetrics import write_openmetrics

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, RELEASE_NAMESPACE = "names", "profiling-names"
# The usage of each Pod as a multiple of 0.100 cores.
PAST = {"web-7d4b9c6f8-x7k2p": 1, "web-api-5f5b555dff-fcg7c": 2, "web-agent-x7k2p": 3, "web-0": 4}
EXPECTED = {
    ("Deployment", "web"): "0.107",
    ("Deployment", "web-api"): "0.213",
    ("DaemonSet", "web-agent"): "0.319",
    ("StatefulSet", "web"): "0.425",
}


def without_pods(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A workload without Pods: it has no replicas, or the cluster has no node."""
    manifest = deployment(name, NAMESPACE, replicas=0) | {"kind": kind}
    if kind == "DaemonSet":
        del manifest["spec"]["replicas"]
    manifest["spec"] |= spec
    return manifest


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    prometheus_factory: PrometheusFactory,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with a Prometheus that has usage but no owners."""
    path = work_directory / "past.txt"
    write_openmetrics(path, usage(NAMESPACE, PAST, yesterday_and_today()))
    prometheus = prometheus_factory(path)
    kubectl.create_namespace(NAMESPACE)
    kubectl.apply(
        without_pods("Deployment", "web"),
        without_pods("StatefulSet", "web", serviceName="web"),
        without_pods("DaemonSet", "web-agent"),
    )
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    with running(installed, installed.values(prometheus.url)):
        wait_until(lambda: len(installed.profiles()) >= 2 * len(EXPECTED), 60, "the profiles")
        yield installed
    kubectl.delete_namespaces(NAMESPACE)


@pytest.mark.parametrize(("workload", "value"), EXPECTED.items(), ids=str)
def test_each_workload_is_learned_from_its_own_pod(
    release: Release, workload: tuple[str, str], value: str
) -> None:
    """0.1, 0.2, 0.3 and 0.4 cores, raised by a sixteenth because one whole day is covered."""
    kind, name = workload
    profile = release.profiles()[needs_profiles(kind, NAMESPACE, name)["liqo.io/cpuProfile"]]

    assert profile["spec"]["cpuProfiling"]["value"] == value


def test_nothing_else_has_a_profile(release: Release) -> None:
    """Each workload has one CPU and one memory profile."""
    assert len(release.profiles()) == 2 * len(EXPECTED)


def test_attribution_by_name_is_logged_once_and_shown(release: Release) -> None:
    """The log has one line for any number of cycles; `status` shows the method."""
    profiler = release.processes["profiler"]
    wait_until(lambda: profiler.log.count("cycle_finished") >= 3, 30, "three cycles")
    shown = wait_until(lambda: job_profiler(release, "status").stdout, 30, "a report")

    [event] = [line for line in profiler.log.splitlines() if "past_pods_attributed" in line]
    assert '"by": "names"' in event or "by=names" in event
    assert "Terminated Pods matched by: name pattern" in shown.splitlines()
