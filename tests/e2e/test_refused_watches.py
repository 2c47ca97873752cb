"""Rights that the product lacks cost only what they are for, on a real API server.

The accounts may read no Pods, no StatefulSets and no memory profiles.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.release import NAME, Release, job_profiler
from tests.e2e.workloads import deployment, needs_profiles, our_annotations
from tests.histories.emojivoto.description import DEPLOYMENTS

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-refused"
REFUSED = {"pods", "statefulsets", "memoryprofiles"}
VALUES = {"probe": {"enabled": True, "intervalSeconds": 2}}
Rules = list[dict[str, Any]]


class LimitedRelease(Release):
    """A release from whose roles the rights to read `REFUSED` are taken before it starts."""

    rules: dict[tuple[str, str], Rules]

    def install(self, values: Mapping[str, Any]) -> None:
        """Installs the chart, and takes the rights."""
        super().install(values)
        self.rules = {
            (plural, role["metadata"]["name"]): role["rules"]
            for plural in ("roles", "clusterroles")
            for role in self.kubectl.json("get", plural, f"--namespace={self.namespace}")["items"]
            if role["metadata"]["name"].startswith(NAME)
        }
        for role, rules in self.rules.items():
            self._grant(role, [limited for rule in rules if (limited := _without(rule))["resources"]])

    def give_rights_back(self) -> None:
        """The roles are those of the chart again."""
        for role, rules in self.rules.items():
            self._grant(role, rules)

    def _grant(self, role: tuple[str, str], rules: Rules) -> None:
        patch = json.dumps([{"op": "replace", "path": "/rules", "value": rules}])
        self.kubectl.run("patch", *role, f"--namespace={self.namespace}", "--type=json", f"--patch={patch}")


def _without(rule: dict[str, Any]) -> dict[str, Any]:
    return rule | {"resources": [name for name in rule["resources"] if name not in REFUSED]}


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[LimitedRelease]:
    """The running product; every Deployment of the history exists."""
    for name in DEPLOYMENTS:
        kubectl.apply(deployment(name, emojivoto))
    installed = LimitedRelease(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(installed, installed.values(emojivoto_prometheus.url, VALUES)):
        yield installed


def status(release: Release) -> dict[str, Any]:
    """The report as JSON, once there is one."""
    shown = wait_until(lambda: job_profiler(release, "status", "-o", "json").stdout, 60, "a report")
    report: dict[str, Any] = json.loads(shown)
    return report


def readyz(release: Release, component: str) -> dict[str, Any]:
    """The body of /readyz of a ready process."""
    body: dict[str, Any] = json.loads(request(f"{release.processes[component].health_url}/readyz"))
    return body


def watch_faults(release: Release, component: str) -> set[str]:
    """The watches that fail, as a ready process names them."""
    faults = readyz(release, component).get("faults", {})
    return {subject for subject in faults if subject.startswith("watch of ")}


def no_watch_fails(release: Release, component: str) -> bool:
    """True once each watch of the process is answered."""
    return not watch_faults(release, component)


def counts(release: Release) -> dict[str, int]:
    """The number of stored profiles by kind."""
    kinds = ("cpuprofiles", "memoryprofiles", "connectionprofiles")
    return {kind: len(release.kubectl.api.list(kind, NAMESPACE)) for kind in kinds}


def test_what_can_be_read_is_profiled(release: LimitedRelease) -> None:
    """CPU profiles of every Deployment are stored, since names of Pods decide, and connections; no memory."""
    wait_until(lambda: counts(release)["cpuprofiles"] == len(DEPLOYMENTS), 60, "all CPU profiles")

    wait_until(lambda: counts(release)["connectionprofiles"], 60, "connections")

    assert counts(release)["memoryprofiles"] == 0


def test_pods_have_the_annotations_that_are_known(release: LimitedRelease, emojivoto: str) -> None:
    """A new Pod names its CPU profile and connections; the memory annotation of its template stays."""
    manifest = deployment("web", emojivoto)
    manifest["spec"]["template"]["metadata"]["annotations"]["liqo.io/memoryProfile"] = "as-it-was"
    release.kubectl.apply(manifest)
    needs = needs_profiles("Deployment", emojivoto, "web")

    def annotated() -> dict[str, str]:
        newest = [
            our_annotations(pod) for pod in release.kubectl.api.list("pods", emojivoto, labels="app=web")
        ]
        return next((found for found in newest if found.get("liqo.io/memoryProfile") == "as-it-was"), {})

    found = wait_until(annotated, 60, "the new Pod")
    assert found["liqo.io/cpuProfile"] == needs["liqo.io/cpuProfile"]
    assert "liqo.io/connectionProfile0" in found


def test_each_fault_is_named(release: LimitedRelease) -> None:
    """In the report, with those of the webhook, in the readiness of both processes, and in a metric."""
    of_profiler = {
        "watch of pods",
        "watch of statefulsets",
        f"watch of memoryprofiles of namespace {NAMESPACE}",
    }
    # A process for each question would take a core while others wait for it.
    wait_until(lambda: watch_faults(release, "profiler") >= of_profiler, 60, "the faults of the profiler")
    report = wait_until(
        lambda: (
            (now := status(release))["faults"].keys() >= of_profiler and now["probe"].get("faults") and now
        ),
        60,
        "the faults",
    )

    assert report["profiles"]["memory"] is None
    assert all("403 Forbidden" in report["faults"][subject] for subject in of_profiler)
    [subject] = report["probe"]["faults"]
    assert subject.startswith(f"watch of memoryprofiles of namespace {NAMESPACE} (")
    text = job_profiler(release, "status").stdout
    print(text)
    assert f"webhook: {subject}" in text
    assert "unknown memory" in text
    assert readyz(release, "profiler")["faults"].keys() >= of_profiler
    assert list(readyz(release, "webhook")["faults"]) == [f"watch of memoryprofiles of namespace {NAMESPACE}"]
    metrics = request(f"{release.processes['profiler'].health_url}/metrics").decode()
    for resource, namespace in (("pods", ""), ("statefulsets", ""), ("memoryprofiles", NAMESPACE)):
        assert f'job_profiler_watch_failing{{namespace="{namespace}",resource="{resource}"}} 1.0' in metrics


def test_nothing_is_missing_once_it_can_be_read(release: LimitedRelease, emojivoto: str) -> None:
    """Without a restart: memory profiles are stored, Pods are back-filled, and no fault is left."""
    release.give_rights_back()
    wait_until(lambda: counts(release)["memoryprofiles"] == len(DEPLOYMENTS), 60, "memory profiles")
    needs = needs_profiles("Deployment", emojivoto, "web")

    def is_complete() -> bool:
        pods = release.kubectl.api.list("pods", emojivoto, labels="app=web")
        return all(our_annotations(pod).items() >= needs.items() for pod in pods)

    wait_until(is_complete, 60, "the back-fill")
    for component in release.processes:
        wait_until(partial(no_watch_fails, release, component), 60, f"the faults of the {component} to end")
    wait_until(lambda: status(release)["faults"] == {}, 60, "the faults of the profiler to end")
    wait_until(lambda: not status(release)["probe"].get("faults"), 60, "the faults of the webhook to end")
