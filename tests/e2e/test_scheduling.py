"""Requests at admission: a Pod with the scheduling label gets requests from its containers' observed usage.

The emojivoto history is constant and covers three whole days, so the requests can be worked out: CPU times
1 + .5 / (1 + 3)^3 = 1.0078, memory, which is steady, times e^.14 = 1.150274.

    web-svc         0.016 cores -> 0.01613           17,000,000 bytes ->  19,554,656 = 18.6 MiB
    linkerd-proxy   0.004 cores -> 0.00403            3,000,000 bytes ->   3,450,822 =  3.3 MiB
    web-api         0.400 cores -> 0.40313          300,000,000 bytes -> 345,082,176 = 329.1 MiB

Requests are whole millicores and MiB, rounded up, with floors of 10m and 8Mi: 17m and 19Mi for web-svc, 10m
and 8Mi for web's proxy, 404m and 330Mi for web-api.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import NAMESPACE as EMOJIVOTO
from tests.e2e.conftest import running
from tests.e2e.release import NAME, Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-scheduling"
LABEL, NOTE = "job-profiler.liqo.io/scheduling", "job-profiler.liqo.io/requests"
WEB_SVC = {"cpu": "17m", "memory": "19Mi"}
PROXY_OF_WEB = {"cpu": "10m", "memory": "8Mi"}
WEB_API = {"cpu": "404m", "memory": "330Mi"}
CONTAINERS = {"web": "web-svc", "web-api": "web-api"}


@pytest.fixture(scope="module")
def early(kubectl: Kubectl, emojivoto: str) -> dict[str, Any]:
    """The Pod of a Deployment `voting` with the scheduling label, created before the product."""
    manifest = deployment("voting", emojivoto)
    manifest["spec"]["template"]["metadata"]["labels"][LABEL] = "true"
    kubectl.apply(manifest)
    [pod] = pods_of(kubectl, "voting", emojivoto, 1)
    return pod


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    early: dict[str, Any],
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with rights in emojivoto only; the namespace has the scheduling label."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    scheduling = {"enabled": True, "cpu": {"floor": "10m"}, "memory": {"floor": "8Mi"}}
    extra = {"scheduling": scheduling, "profiling": {"namespaces": [emojivoto]}}
    label(kubectl, emojivoto, "true")
    try:
        with running(installed, installed.values(emojivoto_prometheus.url, extra)):
            wait_until(lambda: resources_of(dry_run(installed, "web")), 60, "requests from the profiles")
            yield installed
    finally:
        kubectl.run("label", "namespace", emojivoto, f"{LABEL}-")


def label(kubectl: Kubectl, namespace: str, value: str) -> None:
    """Sets the scheduling label of a namespace; with `false` the label of each Pod decides."""
    kubectl.run("label", "namespace", namespace, "--overwrite", f"{LABEL}={value}")


def dry_run(release: Release, name: str, pod_label: str | None = None, **fields: Any) -> dict[str, Any]:
    """The Pod that the API server would create for Deployment `name`, with these fields of its container."""
    labels = {"pod-template-hash": "6b6f9d7d5c"} | ({LABEL: pod_label} if pod_label else {})
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{name}-6b6f9d7d5c",
        "uid": "b7c1e9f0-0000-4000-8000-000000000000",
        "controller": True,
    }
    metadata = {
        "name": f"{name}-6b6f9d7d5c-x7k2p",
        "namespace": EMOJIVOTO,
        "labels": labels,
        "annotations": {NOTE: "forged"},
        "ownerReferences": [owner],
    }
    container = {"name": CONTAINERS[name], "image": "registry.example/x:1"} | fields
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    created: dict[str, Any] = release.kubectl.json(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(pod)
    )
    return created


def resources_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The resources of the Pod's first container."""
    resources: dict[str, Any] = pod["spec"]["containers"][0]["resources"]
    return resources


def note_of(pod: dict[str, Any]) -> str | None:
    """The Pod's annotation on its requests, if any."""
    note: str | None = pod["metadata"].get("annotations", {}).get(NOTE)
    return note


def test_a_deployments_pods_request_what_their_containers_need(release: Release) -> None:
    """Each container gets its need; one without a profile keeps its requests; no Deployment is edited.

    The Deployment keeps its generation, its template and its one ReplicaSet.
    """
    resources = {"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}, "limits": {"example.org/gpu": "1"}}
    unknown = {"requests": {"cpu": "300m"}, "limits": {"memory": "100Mi"}}
    containers: list[dict[str, Any]] = [
        {"name": "web-svc", "image": "registry.example/x:1", "resources": resources},
        {"name": "linkerd-proxy", "image": "registry.example/x:1"},
        {"name": "unknown", "image": "registry.example/x:1", "resources": unknown},
    ]
    manifest = deployment("web", EMOJIVOTO)
    manifest["spec"]["template"]["spec"]["containers"] = containers
    release.kubectl.apply(manifest)

    [pod] = pods_of(release.kubectl, "web", EMOJIVOTO, 1)

    assert {item["name"]: item["resources"] for item in pod["spec"]["containers"]} == {
        "web-svc": {
            "requests": {**WEB_SVC, "ephemeral-storage": "1Gi", "example.org/gpu": "1"},
            "limits": {"example.org/gpu": "1"},
        },
        "linkerd-proxy": {"requests": PROXY_OF_WEB},
        "unknown": {"requests": {"cpu": "300m", "memory": "100Mi"}, "limits": {"memory": "100Mi"}},
    }
    assert our_annotations(pod) == WEB_ANNOTATIONS
    assert note_of(pod) == (
        "web-svc: cpu request 1000m → 17m, memory request none → 19Mi; "
        "linkerd-proxy: cpu request none → 10m, memory request none → 8Mi; "
        "unknown: unchanged (no profile)"
    )
    _assert_not_edited(release.kubectl, "web", containers)


def _assert_not_edited(kubectl: Kubectl, name: str, containers: list[dict[str, Any]]) -> None:
    namespace_flag = f"--namespace={EMOJIVOTO}"
    stored = kubectl.json("get", "deployment", name, namespace_flag)
    replica_sets = kubectl.json("get", "replicasets", f"--selector=app={name}", namespace_flag)["items"]
    template = stored["spec"]["template"]["spec"]["containers"]
    assert stored["metadata"]["generation"] == 1
    assert [item.get("resources", {}) for item in template] == [
        item.get("resources", {}) for item in containers
    ]
    assert len(replica_sets) == 1


def test_an_older_pod_is_annotated_and_not_resized(release: Release, early: dict[str, Any]) -> None:
    """The older Pod of `voting` keeps its uid and spec and gets no annotation on requests."""

    def annotated() -> dict[str, Any] | None:
        [pod] = pods_of(release.kubectl, "voting", EMOJIVOTO, 1)
        return pod if our_annotations(pod) else None

    pod = wait_until(annotated, 60, "annotations on the early Pod")
    assert pod
    assert (pod["metadata"]["uid"], pod["spec"]) == (early["metadata"]["uid"], early["spec"])
    assert note_of(pod) is None


def test_a_request_near_enough_stays(release: Release) -> None:
    """Requests within 15 % stay: 400m for 404m and 320Mi for 330Mi; the annotation states them."""
    resources = {"requests": {"cpu": "400m", "memory": "320Mi"}}

    pod = dry_run(release, "web-api", resources=resources)

    assert resources_of(pod) == resources
    assert note_of(pod) == "web-api: cpu request 400m, memory request 320Mi"


def test_a_request_is_never_above_the_limit(release: Release) -> None:
    """A limit of 200m bounds the request of a need of 404m."""
    limits = {"cpu": "200m"}
    pod = dry_run(release, "web-api", resources={"requests": {"cpu": "50m"}, "limits": limits})

    assert resources_of(pod) == {"requests": {"cpu": "200m", "memory": "330Mi"}, "limits": limits}


def test_a_pod_that_says_false_is_left_alone(release: Release) -> None:
    """A Pod with the label `false` in a labelled namespace keeps its resources.

    The forged annotation on requests is removed; the profile annotations are set.
    """
    pod = dry_run(release, "web-api", "false")

    assert (resources_of(pod), note_of(pod)) == ({}, None)
    assert "liqo.io/cpuProfile" in our_annotations(pod)


def test_what_an_autoscaler_scales_on_is_left_alone(release: Release) -> None:
    """With an autoscaler on its CPU, web-api keeps its CPU request, and its memory request is set."""
    autoscaler = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web-api", "namespace": EMOJIVOTO},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-api"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 80,
        },
    }
    resources = {"requests": {"cpu": "2"}}
    expected = {"requests": {"cpu": "2", "memory": WEB_API["memory"]}}

    def until_web_api_gets(requests: dict[str, Any]) -> None:
        what = "the webhook to observe the autoscaler"
        wait_until(
            lambda: resources_of(dry_run(release, "web-api", resources=resources)) == requests, 30, what
        )

    until_web_api_gets({"requests": WEB_API})
    release.kubectl.apply(autoscaler)
    until_web_api_gets(expected)
    assert resources_of(dry_run(release, "web", resources=resources)) == {"requests": WEB_SVC}

    release.kubectl.run("delete", "hpa", "web-api", f"--namespace={EMOJIVOTO}")
    until_web_api_gets({"requests": WEB_API})


def test_a_pods_label_works_without_its_namespaces_label(release: Release) -> None:
    """Without the namespace's label only a Pod with the label `true` gets requests."""
    with labelled_false(release):
        assert resources_of(dry_run(release, "web", "true")) == {"requests": WEB_SVC}
        assert note_of(dry_run(release, "web")) is None


@contextmanager
def labelled_false(release: Release) -> Iterator[None]:
    """The namespace has the label `false`, and `true` again afterwards, as the webhook sees it."""
    what = "the webhook to observe the label"
    label(release.kubectl, EMOJIVOTO, "false")
    wait_until(lambda: not resources_of(dry_run(release, "web")), 30, what)
    yield
    label(release.kubectl, EMOJIVOTO, "true")
    wait_until(lambda: resources_of(dry_run(release, "web")), 30, what)


def test_what_was_done_is_counted(release: Release) -> None:
    """A resized Pod, and one with requests near enough: the webhook's metrics count each once."""
    before = counts(release)
    dry_run(release, "web")
    dry_run(release, "web-api", resources={"requests": {"cpu": "400m", "memory": "320Mi"}})

    after = counts(release)
    resized, unchanged = "pods_resized_total", 'pods_not_resized_total{reason="unchanged"}'
    assert {name for name in after if after[name] != before.get(name)} == {resized, unchanged}
    assert (after[resized], after[unchanged]) == (before[resized] + 1, before.get(unchanged, 0) + 1)


def counts(release: Release) -> dict[str, float]:
    """The webhook's counters of Pods that got requests, and of those that did not."""
    metrics = request(f"{release.processes['webhook'].health_url}/metrics").decode()
    found = re.findall(r"^job_profiler_(pods_(?:not_)?resized_total\S*) (\S+)$", metrics, re.MULTILINE)
    return {name: float(count) for name, count in found}


def test_the_webhook_can_read_what_it_must_and_change_nothing(release: Release) -> None:
    """The webhook reads LimitRanges, quotas and autoscalers of emojivoto, no Pods, and changes nothing."""
    account_flag = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-webhook"

    def may(*question: str) -> bool:
        try:
            return release.kubectl.run("auth", "can-i", *question, account_flag).strip() == "yes"
        except KubectlError:
            return False

    assert may("watch", f"namespaces/{EMOJIVOTO}")
    for plural in ("limitranges", "resourcequotas", "horizontalpodautoscalers.autoscaling"):
        assert may("watch", plural, f"--namespace={EMOJIVOTO}")
        assert not may("list", plural, "--namespace=default")
        assert not may("patch", plural, f"--namespace={EMOJIVOTO}")
    assert not may("list", "pods", f"--namespace={EMOJIVOTO}")
    assert not may("patch", "deployments.apps", f"--namespace={EMOJIVOTO}")
