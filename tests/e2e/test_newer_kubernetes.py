"""The running product on features of newer Kubernetes.

They are resizes, native sidecars, Pod-level resources, conditions and policies of admission, and the API
server's count of failed calls.

The history of emojivoto is constant: web-svc needs 17m and 19Mi, and its proxy 10m and 8Mi, as the tests of
scheduling derive.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.program_metrics import FOREIGN
from tests.cluster import loopback_http
from tests.cluster.api_account import STRATEGIC_PATCH, ApiAccount, Object
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.versions import require_minor
from tests.cluster.waiting import wait_until
from tests.e2e.api_server_counters import FAILED_OPEN
from tests.e2e.conftest import NAMESPACE as EMOJIVOTO
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-newer"
ENTRY = "pods.job-profiler.liqo.io"
LABEL, SUMMARY = "job-profiler.liqo.io/scheduling", "job-profiler.liqo.io/requests"
WEB_SVC = {"cpu": "17m", "memory": "19Mi"}
PROXY = {"cpu": "10m", "memory": "8Mi"}
PODS = f"/api/v1/namespaces/{EMOJIVOTO}/pods"
# Cycles start every second; back-fill waits a second for profiles to settle.
REPAIRED_SECONDS = 20
KEPT_SECONDS = 2  # a text of metrics that took 0.2 s to render


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    work_directory: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Release]:
    """The product with scheduling, and one Pod of `voting` that is older than it."""
    require_minor(control_plane, 34, "resizes of Pods and Pod-level resources")
    prometheus: Prometheus = request.getfixturevalue("emojivoto_prometheus")  # not for skipped tests
    kubectl.apply(deployment("voting", emojivoto))
    pods_of(kubectl, "voting", emojivoto, 1)
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    scheduling = {"enabled": True, "cpu": {"floor": "10m"}, "memory": {"floor": "8Mi"}}
    values = installed.values(prometheus.url, {"scheduling": scheduling})
    with running(installed, values):
        yield installed


@pytest.fixture
def admin(control_plane: ControlPlane, release: Release) -> ApiAccount:
    """The administrator, once Pods get requests."""
    account = ApiAccount(control_plane)
    wait_until(lambda: requests_of(created(account)), 60, "requests from the profiles")
    return account


def pod(**spec: Any) -> Object:
    """A Pod of the Deployment `web` that asks for requests; *spec* replaces fields."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-6b6f9d7d5c",
        "uid": "b7c1e9f0-0000-4000-8000-000000000000",
        "controller": True,
    }
    metadata = {
        "name": "web-6b6f9d7d5c-x7k2p",
        "labels": {"pod-template-hash": "6b6f9d7d5c", LABEL: "true"},
        "ownerReferences": [owner],
    }
    containers = [{"name": "web-svc", "image": "registry.example/x:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, **spec},
    }


def created(account: ApiAccount, manifest: Object | None = None) -> Object:
    """The Pod that the API server would create."""
    answer = account.send("POST", f"{PODS}?dryRun=All", manifest or pod())
    assert not answer.is_refused, answer
    return answer.body


def requests_of(manifest: Object, group: str = "containers") -> Object:
    """The requests of the Pod's first container of a group."""
    requests: Object = manifest["spec"][group][0]["resources"].get("requests", {})
    return requests


def summary_of(manifest: Object) -> str | None:
    """The summary of requests, if any."""
    summary: str | None = manifest["metadata"].get("annotations", {}).get(SUMMARY)
    return summary


def reviews(release: Release) -> float:
    """The number of reviews of Pods that the webhook has answered.

    The text of the metrics is kept for nine times as long as it took to render, and a first one may be old.
    """
    time.sleep(KEPT_SECONDS)
    text = loopback_http.request(f"{release.processes['webhook'].health_url}/metrics").decode()
    samples = re.findall(r"^job_profiler_admission_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    return sum(float(count) for labels, count in samples if "self_probe" not in labels)


def test_a_resized_pod_no_longer_names_its_old_requests(
    release: Release, admin: ApiAccount, emojivoto: str
) -> None:
    """Back-fill removes the summary of a Pod that was resized, and nothing else; another Pod keeps its own.

    The webhook is not called: a resize can't change metadata, the API server keeps the old.
    """
    manifest = deployment("web", emojivoto, replicas=2)
    template = manifest["spec"]["template"]
    template["metadata"]["labels"][LABEL] = "true"
    template["spec"]["containers"] = pod()["spec"]["containers"]
    release.kubectl.apply(manifest)
    resized, kept = (item["metadata"]["name"] for item in pods_of(release.kubectl, "web", emojivoto, 2))
    before = admin.get(f"{PODS}/{resized}")
    assert (requests_of(before), summary_of(before)) == (
        WEB_SVC,
        "web-svc: cpu request none → 17m, memory request none → 19Mi",
    )
    asked = reviews(release)

    container = {"name": "web-svc", "resources": {"requests": {"cpu": "40m", "memory": "64Mi"}}}
    answer = admin.patch(f"{PODS}/{resized}/resize", {"spec": {"containers": [container]}}, STRATEGIC_PATCH)
    assert not answer.is_refused, answer

    wait_until(
        lambda: summary_of(admin.get(f"{PODS}/{resized}")) is None, REPAIRED_SECONDS, "the summary to go"
    )
    after = admin.get(f"{PODS}/{resized}")
    assert requests_of(after) == {"cpu": "40m", "memory": "64Mi"}
    assert our_annotations(after) == our_annotations(before) == WEB_ANNOTATIONS
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert summary_of(admin.get(f"{PODS}/{kept}")) == summary_of(before)
    assert reviews(release) == asked


def test_a_native_sidecar_gets_requests(admin: ApiAccount) -> None:
    """An init container that is restarted always is long-running; one that ends keeps its requests."""
    ending = {"name": "emoji-svc", "image": "registry.example/x:1"}
    sidecar = {"name": "linkerd-proxy", "image": "registry.example/x:1", "restartPolicy": "Always"}

    sized = created(admin, pod(initContainers=[sidecar, ending]))

    assert (requests_of(sized), requests_of(sized, "initContainers")) == (WEB_SVC, PROXY)
    assert sized["spec"]["initContainers"][1]["resources"] == {}


def test_a_pod_with_resources_of_its_own_keeps_them(admin: ApiAccount) -> None:
    """Pod-level resources stay, and so do the containers'; the summary says why."""
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}}

    kept = created(admin, pod(resources=resources))

    assert kept["spec"]["resources"] == resources
    assert requests_of(kept) == {}
    assert "the Pod has Pod-level resources" in (summary_of(kept) or "")
    assert our_annotations(kept) == WEB_ANNOTATIONS


def test_conditions_keep_pods_from_the_webhook(release: Release, admin: ApiAccount) -> None:
    """A mirror Pod and a Pod that opted out are not sent to the webhook; any other Pod is."""
    asked = reviews(release)
    mirror, out = pod(nodeName="node"), pod()
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0123"}
    out["metadata"]["labels"]["job-profiler.liqo.io/ignore"] = "true"

    untouched = [created(admin, manifest) for manifest in (mirror, out)]

    assert [our_annotations(manifest) for manifest in untouched] == [{}, {}]
    assert reviews(release) == asked
    created(admin)
    assert reviews(release) == asked + 1


def test_the_policies_let_the_product_work(release: Release, admin: ApiAccount) -> None:
    """An older Pod is annotated, the caBundle is published, state is stored, and nothing was refused."""

    def annotated() -> bool:
        [voting] = pods_of(release.kubectl, "voting", EMOJIVOTO, 1)
        return "liqo.io/cpuProfile" in our_annotations(voting)

    wait_until(annotated, REPAIRED_SECONDS, "annotations on the older Pod")
    maps = release.kubectl.api.list("configmaps", NAMESPACE)
    assert any(item["metadata"]["name"].startswith("job-profiler-checkpoint-") for item in maps)
    policies = admin.get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")["items"]
    names = {policy["metadata"]["name"] for policy in policies}
    assert {"job-profiler-backfill", "job-profiler-ca-bundle", "job-profiler-secrets"} <= names
    assert "ValidatingAdmissionPolicy" not in release.processes["profiler"].log


def test_failed_calls_are_counted_as_the_alert_expects(release: Release, admin: ApiAccount) -> None:
    """While the webhook is down, the API server counts the Pod under the name and labels of the alert."""

    def failed_open() -> float:
        metrics = release.kubectl.run("get", "--raw", "/metrics")
        samples = re.findall(rf"^{FAILED_OPEN}\{{(.*)\}} (\S+)$", metrics, re.MULTILINE)
        ours = [(labels, count) for labels, count in samples if f'name="{ENTRY}"' in labels]
        assert all(set(re.findall(r"(\w+)=", labels)) == FOREIGN[FAILED_OPEN] for labels, _ in ours)
        return sum(float(count) for _, count in ours)

    before = failed_open()
    release.processes["webhook"].stop()
    try:
        unannotated = created(admin)
    finally:
        release.processes["webhook"].start()

    assert our_annotations(unannotated) == {}
    assert failed_open() == before + 1
