"""The self-probe on a real control plane detects what `failurePolicy: Ignore` hides.

The first test is about a release that was just installed.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.loopback_http import request
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import CHART, NAME, Release, job_profiler
from tests.tls.issued import foreign_bundle

pytestmark = [pytest.mark.cluster, pytest.mark.chart]

NAMESPACE = "profiling-probe"
INTERVAL_SECONDS = 2
# One interval, plus 2 s for the probe, kubectl and the test's polling.
NOTICED_WITHIN_SECONDS = INTERVAL_SECONDS + 2
VALUES = {
    "probe": {"enabled": True, "intervalSeconds": INTERVAL_SECONDS},
    # The leader's periodic check does not repair an edited caBundle during the test.
    "profiler": {"extraEnv": [{"name": "CERTIFICATE_CHECK_PERIOD", "value": "3600"}]},
}
# A report that is written without end would change in each of them.
SETTLING_TRIES = 4
EVENT_SECONDS = 5
NO_PROMETHEUS = "http://127.0.0.1:9"  # nothing listens on this port


@pytest.fixture(scope="module")
def release(
    helm4: Helm, control_plane: ControlPlane, kubectl: Kubectl, emojivoto: str, work_directory: Path
) -> Iterator[Release]:
    """The running product with a probe every 2 s, of which one has succeeded."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(installed, installed.values(NO_PROMETHEUS, VALUES)):
        until(installed, success=True, within_seconds=20)
        yield installed


def metrics(release: Release, component: str) -> dict[str, float]:
    """The samples of /metrics by name with labels."""
    text = request(f"{release.processes[component].health_url}/metrics").decode()
    return {
        name: float(value) for name, value in re.findall(r"^(job_profiler\S*) (\S+)$", text, re.MULTILINE)
    }


def succeeds(release: Release) -> bool | None:
    """True if the leader's gauge is 1; None if it has no sample."""
    value = metrics(release, "profiler").get("job_profiler_probe_success")
    return None if value is None else value == 1


def until(release: Release, *, success: bool, within_seconds: float = NOTICED_WITHIN_SECONDS) -> None:
    """Waits until the gauge has the value *success*."""
    what = "the probe to succeed" if success else "the probe to fail"
    wait_until(lambda: succeeds(release) is success, within_seconds, what, every_seconds=0.05)


def webhook_status(release: Release) -> str:
    """The line of `job-profiler status` on the webhook."""
    # The first cycle writes the report of the sources.
    shown = wait_until(lambda: job_profiler(release, "status").stdout, 30, "a report")
    [line] = [line for line in shown.splitlines() if line.startswith("Webhook: ")]
    return line.removeprefix("Webhook: ")


def events(release: Release) -> list[str]:
    """The reasons of the probe's Events, oldest first."""
    listed = release.kubectl.api.list("events", NAMESPACE)
    probe_events = [event for event in listed if event["reason"].startswith("Probe")]
    assert {event["involvedObject"]["name"] for event in probe_events} <= {"job-profiler-status"}
    return [event["reason"] for event in sorted(probe_events, key=lambda event: event["firstTimestamp"])]


def wait_for_events(release: Release, newest: list[str]) -> None:
    """Waits until the newest Events have these reasons: an Event is created after the metric is set."""
    wait_until(lambda: events(release)[-len(newest) :] == newest, EVENT_SECONDS, f"Events {newest}")


def entries(release: Release) -> dict[str, dict[str, Any]]:
    """The entries of the stored webhook configuration, by the first part of their names."""
    webhooks = release.kubectl.api.get("mutatingwebhookconfigurations", NAME)["webhooks"]
    return {entry["name"].partition(".")[0]: entry for entry in webhooks}


@contextmanager
def edited(release: Release, *edits: tuple[str, object]) -> Iterator[None]:
    """Replaces fields of the webhook configuration, and restores them on exit."""
    live = release.kubectl.api.get("mutatingwebhookconfigurations", NAME)

    def patch(operations: list[dict[str, object]]) -> None:
        release.kubectl.run(
            *(
                "patch",
                "mutatingwebhookconfiguration",
                NAME,
                "--type=json",
                f"--patch={json.dumps(operations)}",
            )
        )

    def value_at(path: str) -> object:
        value: Any = live
        for part in path.strip("/").split("/"):
            value = value[int(part) if part.isdigit() else part]
        return value

    before = [(path, value_at(path)) for path, _ in edits]
    patch([{"op": "replace", "path": path, "value": value} for path, value in edits])
    try:
        yield
    finally:
        patch([{"op": "replace", "path": path, "value": value} for path, value in before])


def test_it_succeeds_after_an_installation(release: Release) -> None:
    """The gauge is 1, and the status shows a reachable webhook; there is no Event for the set-up phase."""
    assert webhook_status(release).startswith("reachable (since 20")
    assert events(release) == []
    profiler = metrics(release, "profiler")
    assert profiler["job_profiler_probe_duration_seconds_count"] >= 1
    assert (
        metrics(release, "webhook")[
            'job_profiler_admission_requests_total{reason="self_probe",result="mutated"}'
        ]
        >= 1
    )


def test_nothing_of_it_is_stored(release: Release) -> None:
    """Over three probes no ConfigMap appears, and no resourceVersion changes.

    Before that the report may still settle: the first probe changes it once, and so does a first query.
    """

    def config_maps() -> dict[str, str]:
        maps = release.kubectl.api.list("configmaps", NAMESPACE)
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in maps}

    def probes() -> float:
        return metrics(release, "profiler")["job_profiler_probe_duration_seconds_count"]

    def are_kept() -> bool:
        before, so_far = config_maps(), probes()
        wait_until(lambda: probes() >= so_far + 3, 20, "three probes")
        return config_maps() == before

    assert any(are_kept() for _ in range(SETTLING_TRIES))
    assert not [name for name in config_maps() if name.startswith("job-profiler-probe")]


def test_the_command_says_what_it_checked(release: Release) -> None:
    """`job-profiler probe`, which `helm test` runs, exits with 0 under the profiler's account."""
    run = job_profiler(release, "probe")

    assert (run.returncode, run.stderr) == (0, "")
    assert [line.split(":")[0] for line in run.stdout.splitlines()[:3]] == ["ok"] * 3
    assert "are as the release rendered them" in run.stdout


def test_the_leader_has_no_right_to_create_pods(release: Release) -> None:
    """The profiler may create Pods in no namespace, and ConfigMaps in its own namespace only."""

    def may(*question: str) -> bool:
        account_flag = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}-profiler"
        try:
            return release.kubectl.run("auth", "can-i", "create", *question, account_flag).strip() == "yes"
        except KubectlError:
            return False

    assert not may("pods", f"--namespace={NAMESPACE}")
    assert not may("pods", "--all-namespaces")
    assert may("configmaps", f"--namespace={NAMESPACE}")
    assert not may("configmaps", "--namespace=default")


def test_health_metrics_are_served(release: Release) -> None:
    """Both certificates are valid for days, the served one is trusted, every cache has recent events."""
    webhook, profiler = metrics(release, "webhook"), metrics(release, "profiler")
    now = time.time()

    expiry = "job_profiler_cert_expiry_timestamp_seconds"
    assert 6 < (webhook[f'{expiry}{{kind="leaf"}}'] - now) / 86400 < 7
    assert 364 < (profiler[f'{expiry}{{kind="ca"}}'] - now) / 86400 < 365
    assert webhook["job_profiler_ca_bundle_match"] == 1
    for samples, resources in (
        (webhook, {"cpuprofiles", "secrets", "mutatingwebhookconfigurations"}),
        (profiler, {"cpuprofiles", "pods", "deployments", "namespaces"}),
    ):
        for resource in resources:
            assert samples[f'job_profiler_cache_synced{{resource="{resource}"}}'] == 1
            last_event = samples[f'job_profiler_cache_last_event_timestamp_seconds{{resource="{resource}"}}']
            assert now - 120 < last_event <= now + 1
    assert profiler["job_profiler_leader"] == 1
    assert [name for name in webhook if name.startswith("job_profiler_build_info")]


def test_a_webhook_that_is_gone_is_noticed(release: Release) -> None:
    """An outage of the webhook is detected within an interval although Pods are still created; so is its end.

    There is one Event for each.
    """
    before = events(release)
    release.processes["webhook"].stop()
    until(release, success=False)

    reason = {"Ignore": "NotAnswered", "Fail": "Unreachable"}[entries(release)["probe"]["failurePolicy"]]
    assert webhook_status(release).startswith(f"{reason} (since 20")
    assert "Pods" in webhook_status(release)
    run = job_profiler(release, "probe")
    assert run.returncode == 1
    assert f"{reason}: " in run.stdout

    release.processes["webhook"].start()
    until(release, success=True)
    assert webhook_status(release).startswith("reachable")
    wait_for_events(release, ["ProbeFailed", "ProbeSucceeded"])
    assert len(events(release)) == len(before) + 2


def test_an_edited_selector_is_noticed(release: Release) -> None:
    """An edited selector excludes all Pods: the status shows it beside the rendered one."""
    nowhere = {"matchLabels": {"no-such": "namespace"}}
    with edited(release, ("/webhooks/0/namespaceSelector", nowhere)):
        until(release, success=False)
        assert webhook_status(release).startswith("EntryChanged (since 20")
        assert 'namespaceSelector is {"matchLabels":{"no-such":"namespace"}}, not {' in webhook_status(
            release
        )
        assert job_profiler(release, "probe").returncode == 1
    until(release, success=True)
    assert job_profiler(release, "probe").returncode == 0


def test_a_foreign_authority_for_pods_alone_is_noticed(release: Release) -> None:
    """The probe's entry is unchanged, so probes succeed, but calls for Pods fail."""
    with edited(release, ("/webhooks/0/clientConfig/caBundle", foreign_bundle())):
        until(release, success=False)
        assert "in caBundle" in webhook_status(release)
    until(release, success=True)


def test_a_foreign_authority_is_noticed_and_repaired(release: Release) -> None:
    """Probe and webhook report the wrong caBundle; a new leader, which checks it at its start, repairs it."""
    ready = f"{release.processes['webhook'].health_url}/readyz"
    reason = {"Ignore": "NotAnswered", "Fail": "NotTrusted"}[entries(release)["probe"]["failurePolicy"]]
    foreign, original = foreign_bundle(), release.ca_bundle
    paths = [f"/webhooks/{entry}/clientConfig/caBundle" for entry in (0, 1)]
    edits = [{"op": "replace", "path": path, "value": foreign} for path in paths]
    release.kubectl.run(
        *("patch", "mutatingwebhookconfiguration", NAME, "--type=json", f"--patch={json.dumps(edits)}")
    )
    until(release, success=False)
    assert webhook_status(release).startswith(f"{reason} (since 20")
    assert "caBundle" in webhook_status(release)
    assert metrics(release, "webhook")["job_profiler_ca_bundle_match"] == 0
    with pytest.raises(OSError, match="503"):
        request(ready)

    release.processes["profiler"].stop()
    release.processes["profiler"].start()
    until(release, success=True, within_seconds=30)
    assert request(ready)
    assert {entry["clientConfig"]["caBundle"] for entry in entries(release).values()} == {original}
    wait_for_events(release, ["ProbeFailed", "ProbeSucceeded"])


def test_a_value_switches_it_off_and_on(release: Release) -> None:
    """An upgrade without the probe removes its webhook entry, which Helm owns; the next one restores it."""
    off = release.values(NO_PROMETHEUS, {**VALUES, "probe": {"enabled": False}})
    release.helm.upgrade(NAME, CHART, NAMESPACE, values=off)
    release.restart()
    wait_until(lambda: webhook_status(release).startswith("not probed"), 30, "the status to say so")
    assert succeeds(release) is None

    release.helm.upgrade(NAME, CHART, NAMESPACE, values=release.values(NO_PROMETHEUS, VALUES))
    release.restart()
    until(release, success=True, within_seconds=30)
    assert {entry["clientConfig"]["caBundle"] for entry in entries(release).values()} == {release.ca_bundle}
