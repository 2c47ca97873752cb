"""Back-fill: every Pod gets its annotations, even if the webhook was down or its profile appeared later.

Two sets of 200 Pods lack their annotations; in each set 20 Pods have forged ones. The last Pod waits for one
cycle (1 s) and for 200 writes at 50 per second (4 s), plus slack for the test.
"""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-backfill"
WEB = "web"
RATE = 50  # Pods per second, the default
PERIOD_SECONDS = 1  # of the release under test
# Back-fill waits for profiles to settle, the test polls the API server, and the API server stores times in
# whole seconds.
SLACK_SECONDS = 5
LATE, FORGED_OF_THEM = 200, 20
BOUND_SECONDS = PERIOD_SECONDS + LATE / RATE + SLACK_SECONDS
FORGED = {"liqo.io/cpuProfile": "theirs"}
ALL_FORGED = FORGED | {"liqo.io/connectionProfile7": "theirs"}


@pytest.fixture(scope="module")
def early_pods(kubectl: Kubectl, emojivoto: str) -> set[str]:
    """The uids of 200 Pods of `web` that are older than the product; 20 of them have forged annotations."""
    kubectl.apply(deployment(WEB, emojivoto, replicas=LATE))
    pods = pods_of(kubectl, WEB, emojivoto, LATE)
    forge(kubectl, emojivoto, pods[:FORGED_OF_THEM])
    return uids(pods)


def forge(kubectl: Kubectl, namespace: str, pods: list[dict[str, Any]]) -> None:
    """Writes wrong liqo.io annotations: another workload's profile, and a connection that does not exist."""
    names = [f"pod/{pod['metadata']['name']}" for pod in pods]
    forged = [f"{key}={value}" for key, value in ALL_FORGED.items()]
    kubectl.run("annotate", *names, *forged, f"--namespace={namespace}")


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    early_pods: set[str],
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product, installed after the Pods were created."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(installed, installed.values(emojivoto_prometheus.url)):
        yield installed


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def listed(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    """All Pods of `web`."""
    return kubectl.api.list("pods", namespace, labels="app=web")


def annotated(kubectl: Kubectl, namespace: str, count: int) -> list[dict[str, Any]]:
    """The Pods of `web` if there are *count* with the right annotations; otherwise empty."""
    pods = listed(kubectl, namespace)
    right = all(our_annotations(pod) == WEB_ANNOTATIONS for pod in pods)
    return pods if right and len(pods) == count else []


def counted(release: Release, metric: str) -> float:
    """The value of a sample in the profiler's /metrics."""
    text = request(f"{release.processes['profiler'].health_url}/metrics").decode()
    [line] = [line for line in text.splitlines() if line.startswith(f"{metric} ")]
    return float(line.split()[1])


def test_200_pods_that_were_there_before_their_profiles_get_them_in_time(
    release: Release, early_pods: set[str], emojivoto: str
) -> None:
    """Pods without or with forged annotations are repaired in time after their last profile appeared.

    They keep their uids. Both times are those that the API server stored. No Pod counts as missed: no profile
    existed when it was created.
    """
    pods = wait_until(lambda: annotated(release.kubectl, emojivoto, LATE), 60, "200 annotated Pods")
    appeared, done = profiles_appeared(release), last_annotated(release.kubectl, emojivoto)

    assert (done - appeared).total_seconds() <= BOUND_SECONDS
    assert uids(pods) == early_pods
    assert {pod["metadata"]["annotations"]["example.org/kept"] for pod in pods} == {"yes"}
    wait_until(lambda: counted(release, "job_profiler_backfilled_total") >= LATE, 10, "200 to be counted")
    assert counted(release, "job_profiler_missed_total") == 0


def profiles_appeared(release: Release) -> datetime:
    """The creation time of the last profile of `web`."""
    profiles = release.profiles()
    metadata = [profiles[name]["metadata"] for name in WEB_ANNOTATIONS.values()]
    return max(datetime.fromisoformat(entry["creationTimestamp"]) for entry in metadata)


def last_annotated(kubectl: Kubectl, namespace: str) -> datetime:
    """The time at which the last Pod of `web` was annotated, from `managedFields`."""
    listing = ("get", "pods", "--selector=app=web", "--show-managed-fields", f"--namespace={namespace}")
    pods = kubectl.json(*listing)["items"]
    writes = [
        datetime.fromisoformat(entry["time"])
        for pod in pods
        for entry in pod["metadata"]["managedFields"]
        if "liqo.io/cpuProfile" in json.dumps(entry["fieldsV1"])
    ]
    assert len(writes) == len(pods)
    return max(writes)


def test_200_pods_that_the_webhook_missed_are_annotated_in_time(release: Release, emojivoto: str) -> None:
    """200 Pods created while the webhook is down get their annotations; no Pod of the 400 is replaced.

    The profiler is stopped too while they are created, so all 200 wait when it starts. The 20 Pods that are
    forged in the meantime have annotations, so 180 count as missed.
    """
    kubectl, early = release.kubectl, uids(listed(release.kubectl, emojivoto))
    for role in ("webhook", "profiler"):
        release.processes[role].stop()
    # A Pod created in the same second as a profile's last change is indistinguishable from an older one.
    time.sleep(1)
    kubectl.run("scale", "deployment/web", f"--replicas={2 * LATE}", f"--namespace={emojivoto}")
    before = pods_of(kubectl, WEB, emojivoto, 2 * LATE)
    late = [pod for pod in before if pod["metadata"]["uid"] not in early]
    assert [our_annotations(pod) for pod in late] == [{}] * LATE
    forge(kubectl, emojivoto, late[:FORGED_OF_THEM])

    release.processes["profiler"].start()
    ready_at = time.monotonic()
    release.processes["webhook"].start()
    pods = wait_until(lambda: annotated(kubectl, emojivoto, 2 * LATE), 60, "400 annotated Pods")
    took_seconds = time.monotonic() - ready_at

    assert took_seconds <= BOUND_SECONDS
    assert uids(pods) == uids(before)
    wait_until(lambda: counted(release, "job_profiler_backfilled_total") == LATE, 10, "200 to be counted")
    assert counted(release, "job_profiler_missed_total") == LATE - FORGED_OF_THEM
    assert counted(release, "job_profiler_backfill_pending") == 0


def test_a_quiet_period_sends_no_write(release: Release, emojivoto: str) -> None:
    """Over three cycles no Pod gets a new resourceVersion, and the count of back-filled Pods stays."""

    def versions() -> dict[str, str]:
        pods = listed(release.kubectl, emojivoto)
        return {pod["metadata"]["uid"]: pod["metadata"]["resourceVersion"] for pod in pods}

    before, done = versions(), counted(release, "job_profiler_backfilled_total")
    cycles = release.processes["profiler"].log.count("cycle_finished")
    wait_until(
        lambda: release.processes["profiler"].log.count("cycle_finished") >= cycles + 3, 30, "three cycles"
    )

    assert (versions(), counted(release, "job_profiler_backfilled_total")) == (before, done)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(["liqo.io/cpuProfile=theirs"], id="another-profile"),
        pytest.param(["liqo.io/connectionProfile7=theirs"], id="an-extra-connection"),
        pytest.param(["liqo.io/memoryProfile-"], id="one-removed"),
        pytest.param([f"{key}-" for key in WEB_ANNOTATIONS], id="all-removed"),
    ],
)
def test_a_forged_annotation_on_a_running_pod_is_corrected(
    release: Release, emojivoto: str, forged: list[str]
) -> None:
    """Changes to the liqo.io annotations by `kubectl annotate` are reverted; the user's annotation stays."""
    name = listed(release.kubectl, emojivoto)[0]["metadata"]["name"]
    release.kubectl.run("annotate", "--overwrite", f"pod/{name}", *forged, f"--namespace={emojivoto}")

    def corrected() -> bool:
        pod = release.kubectl.api.get("pods", name, emojivoto)
        kept = pod["metadata"]["annotations"]["example.org/kept"] == "yes"
        return kept and our_annotations(pod) == WEB_ANNOTATIONS

    wait_until(corrected, 15, "the annotations to be right again")


def uncontrolled_pod(name: str, namespace: str, **metadata: dict[str, str]) -> dict[str, Any]:
    """A Pod without a controller."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}], "nodeName": "node-1"},
    }


def test_pods_that_are_exempt_keep_what_they_have(release: Release, kubectl: Kubectl, emojivoto: str) -> None:
    """Forged annotations stay on a Pod that opted out and on a mirror Pod; a Pod without owner loses them.

    All three are created while the webhook is down. The third shows that back-fill ran.
    """
    mirror = {"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.hash": "0123"}
    release.processes["webhook"].stop()
    opted_out = uncontrolled_pod(
        "opted-out", emojivoto, annotations=FORGED, labels={"job-profiler.liqo.io/ignore": "true"}
    )
    mirrored = uncontrolled_pod("mirror-node-1", emojivoto, annotations=FORGED | mirror)
    plain = uncontrolled_pod("plain", emojivoto, annotations=FORGED)
    kubectl.apply(opted_out, mirrored, plain)
    release.processes["webhook"].start()

    def annotations_of(name: str) -> dict[str, str]:
        return our_annotations(kubectl.api.get("pods", name, emojivoto))

    wait_until(lambda: annotations_of("plain") == {}, 15, "the forged name to be removed")
    assert annotations_of("opted-out") == annotations_of("mirror-node-1") == FORGED


def test_the_account_may_patch_pods_and_do_nothing_else_to_them(release: Release) -> None:
    """The profiler may patch Pods only; the webhook, which serves network requests, may not even do that."""

    def may(account: str, verb: str) -> bool:
        who = f"--as=system:serviceaccount:{NAMESPACE}:job-profiler-{account}"
        try:
            return (
                release.kubectl.run("auth", "can-i", verb, "pods", "--all-namespaces", who).strip() == "yes"
            )
        except KubectlError:
            return False

    assert may("profiler", "patch")
    assert not any(may("profiler", verb) for verb in ("create", "update", "delete"))
    assert not may("webhook", "patch")


def test_a_pod_of_the_same_name_made_anew_is_not_touched(release: Release, emojivoto: str) -> None:
    """The API server refuses a patch with the uid of a deleted Pod; back-fill relies on this.

    Old API servers report an immutable field, newer ones a failed precondition.
    """
    name = listed(release.kubectl, emojivoto)[0]["metadata"]["name"]
    patch = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000", "annotations": FORGED}}

    with pytest.raises(KubectlError, match=r"field is immutable|[Pp]recondition"):
        release.kubectl.run(
            *("patch", f"pod/{name}", "--type=merge", f"--patch={json.dumps(patch)}"),
            f"--namespace={emojivoto}",
        )
