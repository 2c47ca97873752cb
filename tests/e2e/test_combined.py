"""`topology: combined` in listed namespaces: one process, with rights in those namespaces only."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import NAME, Release
from tests.e2e.workloads import deployment, our_annotations, pods_of

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-combined"
CONTAINERS = [{"name": "main", "image": "registry.example/main:1"}]


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """One Deployment with one account, for the namespace emojivoto."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    extra = {"topology": "combined", "profiling": {"namespaces": [emojivoto]}}
    with running(installed, installed.values(emojivoto_prometheus.url, extra)):
        yield installed


def test_one_process_profiles_and_annotates(release: Release, emojivoto: str) -> None:
    """14 profiles appear, and a Pod of `web` names five of them: CPU, memory, three connections.

    The webhook observes a stored profile a moment later: dry runs are repeated until then.
    """
    assert list(release.processes) == ["combined"]
    wait_until(lambda: len(release.profiles()) == 14, 60, "14 profiles")
    release.kubectl.apply(deployment("web", emojivoto))
    wait_until(
        lambda: len(annotations_at_creation(release, emojivoto)) >= 5, 30, "a Pod with all its profiles"
    )

    assert len(annotations_at_creation(release, emojivoto)) == 5


def annotations_at_creation(release: Release, namespace: str) -> dict[str, str]:
    """The liqo.io annotations of a new Pod of `web`, from a dry run, so without back-fill."""
    [pod] = pods_of(release.kubectl, "web", namespace, 1)
    kept = {key: pod["metadata"][key] for key in ("generateName", "namespace", "labels", "ownerReferences")}
    new = {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": {"containers": CONTAINERS}}
    answer = release.kubectl.json("create", "--dry-run=server", "--filename=-", input=json.dumps(new))
    return our_annotations(answer)


def test_its_rights_end_with_the_listed_namespaces(release: Release, emojivoto: str) -> None:
    """The account may list Pods in emojivoto, and in no other namespace."""
    account = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}"

    def may_list_pods(*scope: str) -> bool:
        try:
            return release.kubectl.run("auth", "can-i", "list", "pods", *scope, account).strip() == "yes"
        except KubectlError:
            return False

    assert may_list_pods(f"--namespace={emojivoto}")
    assert not may_list_pods("--all-namespaces")
    assert not may_list_pods("--namespace=default")


def test_another_namespace_is_out_of_scope(release: Release, kubectl: Kubectl) -> None:
    """A forged annotation stays in a namespace that is not listed."""
    namespace = kubectl.create_namespace("elsewhere")
    forged = deployment("web", namespace)
    forged["spec"]["template"]["metadata"]["annotations"]["liqo.io/cpuProfile"] = "theirs"
    kubectl.apply(forged)

    [pod] = pods_of(kubectl, "web", namespace, 1)

    assert our_annotations(pod) == {"liqo.io/cpuProfile": "theirs"}
    kubectl.delete_namespaces(namespace)
