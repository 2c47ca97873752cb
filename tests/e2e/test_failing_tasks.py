"""A right or an object is taken away while the product runs: the task that needs it is named, and recovers.

The API server checks the rights of each request, and cuts no open watch: only writes fail here.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api_account import ApiAccount, Object
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-faults"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
WORKLOADS = f"{RBAC}/clusterroles/job-profiler-profiler-workloads"
# Certificates are checked once a minute otherwise.
OFTEN = {"profiler": {"extraEnv": [{"name": "CERTIFICATE_CHECK_PERIOD", "value": "1"}]}}


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with one annotated Pod of `web`."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(installed, installed.values(emojivoto_prometheus.url, OFTEN)):
        kubectl.apply(deployment("web", emojivoto, replicas=1))
        pods_of(kubectl, "web", emojivoto, 1)
        wait_until(lambda: annotations(kubectl, emojivoto) == WEB_ANNOTATIONS, 60, "the annotated Pod")
        yield installed


@pytest.fixture(scope="module")
def admin(control_plane: ControlPlane) -> ApiAccount:
    """The administrator."""
    return ApiAccount(control_plane)


def annotations(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The profile annotations of the only Pod of `web`."""
    [pod] = kubectl.api.list("pods", namespace, labels="app=web")
    return our_annotations(pod)


def faults(release: Release) -> dict[str, str]:
    """What the profiler's /readyz names; its status is 200."""
    body = json.loads(request(f"{release.processes['profiler'].health_url}/readyz"))
    found: dict[str, str] = body.get("faults", {})
    return found


def reported(release: Release) -> dict[str, str]:
    """The faults in the status."""
    stored = release.kubectl.api.get("configmaps", "job-profiler-status", NAMESPACE)
    report: dict[str, Any] = json.loads(stored["data"]["status.json"])
    found: dict[str, str] = report["faults"]
    return found


def is_failing(release: Release, task: str) -> bool:
    """The metric of the task."""
    text = request(f"{release.processes['profiler'].health_url}/metrics").decode()
    return f'job_profiler_task_failing{{task="{task}"}} 1.0' in text


@contextmanager
def without(admin: ApiAccount, role: str, resource: str, verb: str) -> Iterator[None]:
    """Takes a verb on a resource away from a role."""
    rules = admin.get(role)["rules"]
    reduced = [_reduced(rule, resource, verb) for rule in rules]
    assert not admin.patch(role, {"rules": [rule for rule in reduced if rule["verbs"]]}).is_refused
    try:
        yield
    finally:
        admin.patch(role, {"rules": rules})


def _reduced(rule: Object, resource: str, verb: str) -> Object:
    return rule | {
        "verbs": [own for own in rule["verbs"] if own != verb or resource not in rule["resources"]]
    }


def named(release: Release, subject: str, text: str) -> Callable[[], bool]:
    """A check that /readyz and status name the subject with this reason."""
    return lambda: text in faults(release).get(subject, "") and text in reported(release).get(subject, "")


def test_pods_that_may_not_be_patched(release: Release, admin: ApiAccount, emojivoto: str) -> None:
    """A forged Pod is repaired soon after the right is back: the pauses began with a period of 1 s."""
    subject = f"back-fill of namespace {emojivoto}"
    with without(admin, WORKLOADS, "pods", "patch"):
        release.kubectl.run(
            "annotate", "pod", "--selector=app=web", "--overwrite", "liqo.io/cpuProfile=x", f"-n{emojivoto}"
        )
        wait_until(named(release, subject, "cannot patch resource"), 30, "the fault")
        assert is_failing(release, "back-fill")

    wait_until(lambda: annotations(release.kubectl, emojivoto) == WEB_ANNOTATIONS, 60, "the repair")
    wait_until(lambda: subject not in {**faults(release), **reported(release)}, 10, "the end of the fault")
    assert not is_failing(release, "back-fill")


def test_a_secret_that_is_deleted(release: Release, admin: ApiAccount) -> None:
    """Only Helm creates it: certificates are named until then, and the webhook serves with what it has."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/job-profiler-ca"
    stored = admin.get(path)
    assert not admin.send("DELETE", path).is_refused
    wait_until(named(release, "certificates", "comes with the Helm chart"), 30, "the fault")
    assert is_failing(release, "certificates")
    request(f"{release.processes['webhook'].health_url}/readyz")

    metadata = {key: stored["metadata"][key] for key in ("name", "labels", "annotations")}
    restored = {"metadata": metadata, "data": stored["data"], "type": stored["type"]}
    assert not admin.send("POST", path.rpartition("/")[0], restored).is_refused
    wait_until(lambda: not faults(release), 30, "the end of the fault")
