"""Pods are created without pause while all around the webhook changes or dies; tests run in this order.

Certificates are renewed every 16 s all the while: a leaf lives for 24 s, its authority for 48 s. No Pod is
ever refused. As long as replicas are told before they end, no call to a webhook fails, and each Pod is born
with its annotations. What a sudden death costs, back-fill brings in.
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
from tests.e2e.test_main_job import ANNOTATIONS_OF_WEB
from tests.e2e.workloads import our_annotations

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-chaos"
WEBHOOK = "pods.job-profiler.liqo.io"
TIMES = {
    "SERVING_CERTIFICATE_LIFETIME": "24",
    "AUTHORITY_LIFETIME": "48",
    "CERTIFICATE_CHECK_PERIOD": "2",
    "TRUST_LAG": "2",
    # A leader that is killed is replaced before the certificate that it would have renewed expires.
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
# Fewer Pods than these would prove nothing.
LEAST_PODS = 100
# What the profiler logs.
ISSUED, SIGNED_ANEW = "serving_certificate_issued", "it was not signed by the current authority"


class Scene:
    """The release, the stream of Pods, and what the API server says of its calls."""

    def __init__(self, release: ReplicatedRelease, stream: PodStream, control_plane: ControlPlane) -> None:
        self.release, self.stream, self.control_plane = release, stream, control_plane
        self.began = time.monotonic()
        self.away: list[tuple[float, float]] = []  # when there was no API server
        self._log = control_plane.directory / "kube-apiserver.log"
        self._seen_bytes = self._log.stat().st_size
        self._failures = self._counted_failures()

    def failed_calls(self) -> list[str]:
        """The API server's lines on calls that failed since the last look; its counters have to agree."""
        content = self._log.read_bytes()
        lines = content[self._seen_bytes :].decode(errors="replace").splitlines()
        self._seen_bytes = len(content)
        failed = [line for line in lines if "Failed calling webhook" in line and WEBHOOK in line]
        counted, before = self._counted_failures(), self._failures
        self._failures = counted
        grown = {metric for metric, count in counted.items() if count > before[metric]}
        assert grown == (counted.keys() if failed else set()), (before, counted, failed)
        return failed

    def restart_api_server(self) -> None:
        """Stop and start; what fails meanwhile is nobody's refusal."""
        began = time.monotonic()
        self.control_plane.stop_api_server()
        self.control_plane.start_api_server()
        self.away.append((began, time.monotonic()))
        # It counts from nought again: what was logged before has no counter to agree with.
        self._seen_bytes = self._log.stat().st_size
        self._failures = self._counted_failures()

    def refusals(self) -> list[Creation]:
        """Pods that a live API server did not take, or that a webhook is said to have kept it from taking."""
        return [creation for creation in self.stream.creations if self._is_refusal(creation)]

    def _is_refusal(self, creation: Creation) -> bool:
        if creation.status in {0, CREATED}:
            return False
        was_away = any(began <= creation.began <= ended for began, ended in self.away)
        return not was_away or "webhook" in creation.message

    def _counted_failures(self) -> dict[str, float]:
        """The API server's own counters, those of them that its version has."""
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
    """Two replicas of everything, five profiles of `web`, and its Pods coming in bursts until the end."""
    release = ReplicatedRelease(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    values = release.values(emojivoto_prometheus.url, VALUES)
    with owner_of_pods(kubectl, emojivoto) as owner, running(release, values):
        wait_until(lambda: set(ANNOTATIONS_OF_WEB.values()) <= release.profiles().keys(), 60, "the profiles")
        time.sleep(1)  # until every replica has seen the last of them
        with PodStream(control_plane, pod_of(owner, emojivoto), ANNOTATIONS_OF_WEB) as stream:
            yield Scene(release, stream, control_plane)


HELD, RELEASED = ["example.org/hold"], '--patch={"metadata": {"finalizers": null}}'


@contextmanager
def owner_of_pods(kubectl: Kubectl, namespace: str) -> Iterator[dict[str, Any]]:
    """A ReplicaSet as the Deployment `web` would own it; it is held while it ends, so it lets its Pods be."""
    labels = {"app": "web", "pod-template-hash": HASH}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": f"web-{HASH}", "namespace": namespace, "labels": labels, "finalizers": HELD},
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
        kubectl.run("patch", f"replicaset/web-{HASH}", f"--namespace={namespace}", "--type=merge", RELEASED)


CONTAINER = {"name": "server", "image": "registry.example/web:1"}


def pod_of(owner: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A Pod of `web`, as a ReplicaSet makes it."""
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
    """The Pods that were not born with their annotations, and those whose removal failed."""
    return scene.release.kubectl.api.list("pods", labels=PODS)


def test_certificates_are_renewed_without_a_failed_call(scene: Scene) -> None:
    """After 32 s at most there is a new authority, which signs 2 s after it is trusted; Pods meet its leaf.

    Leaves of the old authority were renewed before that.
    """
    release, first = scene.release, scene.release.ca_bundle
    issued = release.logged(ISSUED)

    wait_until(lambda: release.ca_bundle != first, 60, "another authority in the bundle")
    wait_until(lambda: release.logged(SIGNED_ANEW), 30, "a certificate that it signed")
    until_more_pods(scene)

    assert release.logged(ISSUED) >= issued + 2
    assert_undisturbed(scene, scene.began)


def until_more_pods(scene: Scene) -> None:
    """So many that each of the API server's connections was needed, or made anew."""
    since = time.monotonic()
    wait_until(lambda: len(scene.stream.since(since)) >= LEAST_PODS, 60, f"{LEAST_PODS} Pods more")


def assert_undisturbed(scene: Scene, since: float) -> None:
    """All Pods since then were created with their annotations; no call failed, and no replica had a fault."""
    creations = scene.stream.since(since)
    assert len(creations) >= LEAST_PODS
    assert [creation for creation in creations if creation.status != CREATED] == []
    assert scene.failed_calls() == []
    assert [creation for creation in creations if creation.annotations != ANNOTATIONS_OF_WEB] == []
    assert scene.release.logged("admission_failed_open") == 0


def test_replicas_roll_without_a_failed_call(scene: Scene) -> None:
    """Two roll-outs: each new webhook is ready before an old one is told to end, which then serves 3 s on."""
    since = time.monotonic()
    for _ in range(ROLL_OUTS):
        for name in scene.release.names("webhook"):
            scene.release.add("webhook")
            scene.release.retire(name)

    assert_undisturbed(scene, since)
    wait_until(lambda: called(scene) >= set(scene.release.names("webhook")), 15, "calls to both newcomers")


def until_fresh_certificate(scene: Scene) -> None:
    """The next one is issued: whatever happens now, it is valid for 24 s."""
    issued = scene.release.logged(ISSUED)
    wait_until(lambda: scene.release.logged(ISSUED) > issued, 60, "the next certificate")


def called(scene: Scene) -> set[str]:
    """The webhooks that the API server has connected to."""
    return set(scene.release.service.forwarded)


def test_the_leader_leaves_without_a_failed_call(scene: Scene) -> None:
    """SIGTERM to the leading profiler: the other one leads at once, and renews certificates."""
    since, leader = time.monotonic(), scene.release.until_led()
    scene.release.retire(leader)
    assert scene.release.until_led() != leader
    scene.release.add("profiler")

    until_fresh_certificate(scene)
    until_more_pods(scene)

    assert_undisturbed(scene, since)


def test_a_webhook_that_is_killed_costs_no_pod(scene: Scene) -> None:
    """One of two replicas is killed, and replaced; then both: now calls fail, and Pods are created bare.

    That calls fail here proves that the tests above would have seen it.
    """
    one, _ = scene.release.names("webhook")
    scene.release.kill(one)
    scene.release.add("webhook")

    since = time.monotonic()
    for name in scene.release.names("webhook"):
        scene.release.kill(name)
    wait_until(lambda: [c for c in scene.stream.since(since) if not c.annotations], 10, "a bare Pod")
    scene.release.add("webhook")
    scene.release.add("webhook")

    assert "failing open" in scene.failed_calls()[0]
    assert scene.refusals() == []
    until_all_are_annotated(scene)


def until_all_are_annotated(scene: Scene) -> None:
    """Back-fill has reached every Pod that is there."""
    wait_until(
        lambda: all(our_annotations(pod) == ANNOTATIONS_OF_WEB for pod in remaining(scene)),
        BACKFILL_SECONDS,
        "annotations on all Pods",
        every_seconds=1,
    )


def test_a_leader_that_is_killed_is_replaced_without_a_failed_call(scene: Scene) -> None:
    """Its Lease of 3 s runs out, the other one takes over in time to renew what expires."""
    until_fresh_certificate(scene)
    scene.failed_calls()
    since, leader = time.monotonic(), scene.release.until_led()
    scene.release.kill(leader)
    assert scene.release.until_led() != leader
    scene.release.add("profiler")
    until_more_pods(scene)

    assert_undisturbed(scene, since)


def test_an_api_server_that_restarts_finds_everything_in_place(scene: Scene) -> None:
    """Once a leader has renewed the certificate again, all is as before; no process ended meanwhile.

    Until then calls may fail: a machine that is slow needs longer for the restart than a certificate lives.
    """
    scene.restart_api_server()
    until_fresh_certificate(scene)
    scene.failed_calls()
    since = time.monotonic()
    until_more_pods(scene)

    assert_undisturbed(scene, since)
    assert all(replica.is_running for replica in scene.release.processes.values())


def test_no_pod_was_refused_and_none_stays_bare(scene: Scene) -> None:
    """Neither in a graceful case nor in any other; the figures are printed."""
    until_all_are_annotated(scene)
    creations = scene.stream.creations
    bare = sum(creation.status == CREATED and not creation.annotations for creation in creations)
    unanswered = sum(creation.status == 0 for creation in creations)
    certificates, authorities = scene.release.logged(ISSUED), scene.release.logged(SIGNED_ANEW) + 1
    print(
        f"\n{len(creations)} Pods in {time.monotonic() - scene.began:.0f} s: "
        f"{len(scene.refusals())} refused, {unanswered} without an answer, {bare} born bare; "
        f"{certificates} certificates of {authorities} authorities"
    )

    assert scene.refusals() == []
    assert len(remaining(scene)) >= bare > 0
