"""Pods are created continuously while webhooks, leaders and the API server are replaced or killed.

A serving certificate lives for 24 s and is renewed every 16 s, its CA lives for
48 s. No Pod is ever refused. If replicas terminate gracefully, no call to the webhook fails, and each Pod is
created with its annotations. After a SIGKILL, back-fill adds the missing annotations.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.api_server_counters import failures_counted
from tests.e2e.conftest import running
from tests.e2e.pod_stream import CREATED, Creation, PodStream
from tests.e2e.replicated_release import ReplicatedRelease
from tests.e2e.workloads import our_annotations
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-chaos"
WEBHOOK = "pods.job-profiler.liqo.io"
TIMES = {
    "SERVING_CERTIFICATE_LIFETIME": "24",
    "AUTHORITY_LIFETIME": "48",
    "CERTIFICATE_CHECK_PERIOD": "2",
    "TRUST_LAG": "2",
    # A killed leader is replaced before the certificate expires.
    "LEASE_DURATION": "3",
    "LEASE_RENEW_DEADLINE": "2",
    "LEASE_RETRY_PERIOD": "0.5",
}
VALUES = {
    "profiling": {"updateSeconds": 5},
    "webhook": {"shutdownDelaySeconds": 3},
    "profiler": {"extraEnv": [{"name": name, "value": value} for name, value in TIMES.items()]},
}
HASH = "87cf995f7"
PODS = "chaos=created-in-bursts"
ROLL_OUTS = 2
BACKFILL_SECONDS = 30
# Fewer Pods do not use every connection of the API server.
LEAST_PODS = 100
# Log messages of the profiler.
ISSUED, SIGNED_ANEW = "serving_certificate_issued", "it was not signed by the current authority"


class Scene:
    """The release, the stream of Pods, and the API server's log and counters of webhook calls."""

    def __init__(self, release: ReplicatedRelease, stream: PodStream, control_plane: ControlPlane) -> None:
        self.release, self.stream, self.control_plane = release, stream, control_plane
        self.began = time.monotonic()
        self.away: list[tuple[float, float]] = []  # times at which the API server was down
        self._log = control_plane.directory / "kube-apiserver.log"
        self._read_bytes = self._log.stat().st_size
        self._failures = self._counted_failures()

    def failed_calls(self) -> list[str]:
        """The API server's new log lines on failed webhook calls; its counters must agree with them."""
        content = self._log.read_bytes()
        lines = content[self._read_bytes :].decode(errors="replace").splitlines()
        self._read_bytes = len(content)
        failed = [line for line in lines if "Failed calling webhook" in line and WEBHOOK in line]
        counted, before = self._counted_failures(), self._failures
        self._failures = counted
        increased = {metric for metric, count in counted.items() if count > before[metric]}
        assert increased == (counted.keys() if failed else set()), (before, counted, failed)
        return failed

    def restart_api_server(self) -> None:
        """Restarts the API server; requests that fail in between are not refusals."""
        began = time.monotonic()
        self.control_plane.stop_api_server()
        self.control_plane.start_api_server()
        self.away.append((began, time.monotonic()))
        # The counters start at 0 again, so older log lines are skipped.
        self._read_bytes = self._log.stat().st_size
        self._failures = self._counted_failures()

    def refusals(self) -> list[Creation]:
        """Creations that a running API server refused, or that failed with a webhook error."""
        return [creation for creation in self.stream.creations if self._is_refusal(creation)]

    def _is_refusal(self, creation: Creation) -> bool:
        if creation.status in {0, CREATED}:
            return False
        was_away = any(began <= creation.began <= ended for began, ended in self.away)
        return not was_away or "webhook" in creation.message

    def _counted_failures(self) -> dict[str, float]:
        """The API server's counters of failed calls, as far as its version has them."""
        text = request(
            f"{self.control_plane.server_url}/metrics", ca_file=self.control_plane.ca_file, token=ADMIN_TOKEN
        ).decode()
        return failures_counted(text, WEBHOOK, self.control_plane.version)


@pytest.fixture(scope="module")
def scene(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Scene]:
    """Two replicas of each Deployment, five profiles of `web`, and a stream of its Pods until the end."""
    release = ReplicatedRelease(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    values = release.values(emojivoto_prometheus.url, VALUES)
    with owner_of_pods(kubectl, emojivoto) as owner, running(release, values):
        wait_until(lambda: set(WEB_ANNOTATIONS.values()) <= release.profiles().keys(), 60, "the profiles")
        time.sleep(1)  # until every replica has observed the last profile
        with PodStream(control_plane, pod_of(owner, emojivoto), WEB_ANNOTATIONS) as stream:
            yield Scene(release, stream, control_plane)


FINALIZERS, REMOVE_FINALIZERS = ["example.org/hold"], '--patch={"metadata": {"finalizers": null}}'


@contextmanager
def owner_of_pods(kubectl: Kubectl, namespace: str) -> Iterator[dict[str, Any]]:
    """A ReplicaSet of Deployment `web` that a finalizer keeps in deletion: it does not manage its Pods."""
    labels = {"app": "web", "pod-template-hash": HASH}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{HASH}",
            "namespace": namespace,
            "labels": labels,
            "finalizers": FINALIZERS,
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}},
        },
    }
    created: dict[str, Any] = kubectl.json("create", "--filename=-", input=json.dumps(manifest))
    kubectl.run("delete", f"replicaset/web-{HASH}", f"--namespace={namespace}", "--wait=false")
    try:
        yield created
    finally:
        kubectl.run(
            "patch", f"replicaset/web-{HASH}", f"--namespace={namespace}", "--type=merge", REMOVE_FINALIZERS
        )


CONTAINER = {"name": "server", "image": "registry.example/web:1"}


def pod_of(owner: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A Pod of `web`, as its ReplicaSet creates it."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {"controller": True}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    key, value = PODS.split("=")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"web-{HASH}-",
            "namespace": namespace,
            "labels": {"app": "web", "pod-template-hash": HASH, key: value},
            "ownerReferences": [reference],
        },
        "spec": {"containers": [CONTAINER]},
    }


def remaining(scene: Scene) -> list[dict[str, Any]]:
    """The Pods that were created without their annotations, and those that could not be deleted."""
    return scene.release.kubectl.api.list("pods", labels=PODS)


def test_certificates_are_renewed_without_a_failed_call(scene: Scene) -> None:
    """The CA is renewed within 32 s and signs 2 s after it is trusted; Pods are admitted with its leaf.

    Leaf certificates of the old CA were renewed before that.
    """
    release, first = scene.release, scene.release.ca_bundle
    issued = release.logged(ISSUED)

    wait_until(lambda: release.ca_bundle != first, 60, "another CA in the bundle")
    wait_until(lambda: release.logged(SIGNED_ANEW), 30, "a certificate of the new CA")
    until_more_pods(scene)

    assert release.logged(ISSUED) >= issued + 2
    assert_undisturbed(scene, scene.began)


def until_more_pods(scene: Scene) -> None:
    """Waits for `LEAST_PODS` creations, which use or reopen every connection of the API server."""
    since = time.monotonic()
    wait_until(lambda: len(scene.stream.since(since)) >= LEAST_PODS, 60, f"{LEAST_PODS} more Pods")


def assert_undisturbed(scene: Scene, since: float) -> None:
    """Asserts that all Pods since then have their annotations, no call failed, and no replica failed open."""
    creations = scene.stream.since(since)
    assert len(creations) >= LEAST_PODS
    assert [creation for creation in creations if creation.status != CREATED] == []
    assert scene.failed_calls() == []
    assert [creation for creation in creations if creation.annotations != WEB_ANNOTATIONS] == []
    assert scene.release.logged("admission_failed_open") == 0


def test_replicas_roll_without_a_failed_call(scene: Scene) -> None:
    """Two roll-outs: a new webhook is ready before an old one gets SIGTERM, which serves for 3 s more."""
    since = time.monotonic()
    for _ in range(ROLL_OUTS):
        for name in scene.release.names("webhook"):
            scene.release.add("webhook")
            scene.release.retire(name)

    assert_undisturbed(scene, since)
    wait_until(lambda: called(scene) >= set(scene.release.names("webhook")), 15, "calls to both new replicas")


def until_fresh_certificate(scene: Scene) -> None:
    """Waits for the next certificate, which is valid for 24 s from then on."""
    issued = scene.release.logged(ISSUED)
    wait_until(lambda: scene.release.logged(ISSUED) > issued, 60, "the next certificate")


def called(scene: Scene) -> set[str]:
    """The names of the webhook replicas that received a connection."""
    return set(scene.release.service.forwarded)


def test_the_leader_leaves_without_a_failed_call(scene: Scene) -> None:
    """The leading profiler gets SIGTERM: the other one leads at once, and renews certificates."""
    since, leader = time.monotonic(), scene.release.until_led()
    scene.release.retire(leader)
    assert scene.release.until_led() != leader
    scene.release.add("profiler")

    until_fresh_certificate(scene)
    until_more_pods(scene)

    assert_undisturbed(scene, since)


def test_a_webhook_that_is_killed_costs_no_pod(scene: Scene) -> None:
    """One of two webhooks is killed and replaced, then both: calls fail, and Pods lack annotations.

    The failed calls prove that the tests above would detect one.
    """
    replica, _ = scene.release.names("webhook")
    scene.release.kill(replica)
    scene.release.add("webhook")

    since = time.monotonic()
    for name in scene.release.names("webhook"):
        scene.release.kill(name)
    wait_until(
        lambda: [pod for pod in scene.stream.since(since) if not pod.annotations], 10, "an unannotated Pod"
    )
    scene.release.add("webhook")
    scene.release.add("webhook")

    assert "failing open" in scene.failed_calls()[0]
    assert scene.refusals() == []
    until_all_are_annotated(scene)


def until_all_are_annotated(scene: Scene) -> None:
    """Waits until back-fill has annotated every remaining Pod."""
    wait_until(
        lambda: all(our_annotations(pod) == WEB_ANNOTATIONS for pod in remaining(scene)),
        BACKFILL_SECONDS,
        "annotations on all Pods",
        every_seconds=1,
    )


def test_a_leader_that_is_killed_is_replaced_without_a_failed_call(scene: Scene) -> None:
    """The Lease of 3 s expires, and the other profiler takes over before the certificate expires."""
    until_fresh_certificate(scene)
    scene.failed_calls()
    since, leader = time.monotonic(), scene.release.until_led()
    scene.release.kill(leader)
    assert scene.release.until_led() != leader
    scene.release.add("profiler")
    until_more_pods(scene)

    assert_undisturbed(scene, since)


def test_an_api_server_that_restarts_finds_everything_in_place(scene: Scene) -> None:
    """After the next certificate renewal all is as before; no process exited in the meantime.

    Before the renewal calls may fail: on a slow machine the restart takes longer than a certificate lives.
    """
    scene.restart_api_server()
    until_fresh_certificate(scene)
    scene.failed_calls()
    since = time.monotonic()
    until_more_pods(scene)

    assert_undisturbed(scene, since)
    assert all(replica.is_running for replica in scene.release.processes.values())


def test_no_pod_was_refused_and_none_stays_bare(scene: Scene) -> None:
    """No creation was refused in any of the tests; the figures are printed."""
    until_all_are_annotated(scene)
    creations = scene.stream.creations
    bare = sum(creation.status == CREATED and not creation.annotations for creation in creations)
    unanswered = sum(creation.status == 0 for creation in creations)
    certificates, authorities = scene.release.logged(ISSUED), scene.release.logged(SIGNED_ANEW) + 1
    print(
        f"\n{len(creations)} Pods in {time.monotonic() - scene.began:.0f} s: "
        f"{len(scene.refusals())} refused, {unanswered} without a response, {bare} without annotations; "
        f"{certificates} certificates of {authorities} CAs"
    )

    assert scene.refusals() == []
    assert len(remaining(scene)) >= bare
