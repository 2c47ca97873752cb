"""Namespaces are selected by their labels, at run time; the first test is about the labels at the start.

Three namespaces have the same history and the same Deployment `web`: one is selected, one is not, and one
has opted out.
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
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.conftest import AHEAD_SECONDS, running
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.histories.emojivoto.metrics import write_past
from tests.histories.lengths import days_from_midnight

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

RELEASE = "profiling-scope"
SELECTED, OTHER, OPTED_OUT = NAMESPACES = ("scope-selected", "scope-other", "scope-opted-out")
SELECTOR = {
    "matchLabels": {"team": "web"},
    "matchExpressions": [{"key": "legacy", "operator": "DoesNotExist"}],
}
IGNORE = "job-profiler.liqo.io/ignore"
PROFILES = 14  # of one namespace: CPU and memory of five Deployments, four connections


@pytest.fixture(scope="module")
def threefold_past(
    prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    """Today and one whole day of emojivoto, under three namespace names."""
    directory = tmp_path_factory.mktemp("threefold")
    single, threefold = directory / "single.txt", directory / "threefold.txt"
    now = int(time.time())
    days = days_from_midnight(now, 1, ahead_seconds=AHEAD_SECONDS)
    write_past(single, end=now + AHEAD_SECONDS, days=days, scrape_seconds=60, flavour="constant")
    with single.open() as lines, threefold.open("w") as copies:
        for line in lines:
            named = NAMESPACES if not line.startswith("#") else ("emojivoto",)
            copies.writelines(line.replace("emojivoto", name) for name in named)
    return prometheus_factory(threefold)


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[tuple[str, ...]]:
    """Each has an older Pod of `web` with a forged profile annotation."""
    kubectl.create_namespace(SELECTED, team="web")
    kubectl.create_namespace(OTHER)
    kubectl.create_namespace(OPTED_OUT, team="web", **{IGNORE: "true"})
    for namespace in NAMESPACES:
        kubectl.apply(forged_deployment(namespace))
        pods_of(kubectl, "web", namespace, 1)
    yield NAMESPACES
    kubectl.delete_namespaces(*NAMESPACES)


FORGED = {"liqo.io/cpuProfile": "theirs"}


def forged_deployment(namespace: str) -> dict[str, Any]:
    manifest = deployment("web", namespace)
    manifest["spec"]["template"]["metadata"]["annotations"] |= FORGED
    return manifest


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespaces: tuple[str, ...],
    threefold_past: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with a namespace selector, and the profiles of the namespace that it selects."""
    installed = Release(helm4, control_plane, kubectl, RELEASE, work_directory)
    extra = {"profiling": {"namespaceSelector": SELECTOR}}
    with running(installed, installed.values(threefold_past.url, extra)):
        wait_until(lambda: profiled(installed) == {SELECTED: PROFILES}, 60, "the profiles of one namespace")
        yield installed


def profiled(release: Release) -> dict[str, int]:
    """The number of profiles of each namespace, once every profile has its status; empty before."""
    profiles = release.profiles().values()
    if not all("status" in profile for profile in profiles):
        return {}
    namespaces = [
        profile["metadata"]["annotations"].get("job-profiler.liqo.io/workload-namespace")
        or profile["spec"]["source_namespace"]
        for profile in profiles
    ]
    return {namespace: namespaces.count(namespace) for namespace in namespaces}


def annotations(release: Release, namespace: str, count: int) -> list[dict[str, str]]:
    """The liqo.io annotations of each Pod of `web`."""
    return [our_annotations(pod) for pod in pods_of(release.kubectl, "web", namespace, count)]


def is_named(pods: list[dict[str, str]]) -> bool:
    """True if each Pod names five profiles of `web`: CPU, memory and three connections."""
    return all(len(pod) == 5 and pod["liqo.io/cpuProfile"].startswith("cpuprofile-") for pod in pods)


def await_cycles(release: Release, count: int) -> None:
    """Waits for *count* whole cycles, with back-fill's comparisons after them."""
    profiler = release.processes["profiler"]
    done = profiler.log.count("cycle_finished")
    wait_until(lambda: profiler.log.count("cycle_finished") > done + count, 30, f"{count} cycles")


def scale(release: Release, namespace: str, replicas: int) -> None:
    release.kubectl.run("scale", "deployment/web", f"--replicas={replicas}", f"--namespace={namespace}")


def label(release: Release, namespace: str, *labels: str) -> None:
    release.kubectl.run("label", "namespace", namespace, "--overwrite", *labels)


def web_cpu(release: Release, namespace: str) -> dict[str, Any]:
    """The CPU profile of `web` in a namespace."""
    [cpu_profile] = [
        profile
        for profile in release.profiles().values()
        if profile["kind"] == "CPUProfile"
        and profile["metadata"]["annotations"]["job-profiler.liqo.io/workload-namespace"] == namespace
        and profile["metadata"]["annotations"]["job-profiler.liqo.io/workload-name"] == "web"
    ]
    return cpu_profile


def test_one_of_three_namespaces_with_the_same_past_is_profiled(release: Release) -> None:
    """14 profiles, all of the selected namespace; web's CPU is (0.016 + 0.004) cores * 1.0625 = 0.02125."""
    await_cycles(release, 2)

    assert profiled(release) == {SELECTED: PROFILES}
    assert web_cpu(release, SELECTED)["spec"]["cpuProfiling"]["value"] == "0.022"


def test_pods_elsewhere_are_left_as_they_are(release: Release) -> None:
    """Older and new Pods are annotated in the selected namespace; elsewhere they keep the forged annotations.

    The API server selects new Pods by the webhook's selector, the profiler the running ones.
    """
    for namespace in NAMESPACES:
        scale(release, namespace, 2)

    wait_until(lambda: is_named(annotations(release, SELECTED, 2)), 30, "two Pods with their annotations")
    await_cycles(release, 2)

    assert annotations(release, OTHER, 2) == annotations(release, OPTED_OUT, 2) == [FORGED] * 2


def test_a_namespace_that_is_labelled_comes_into_scope(release: Release) -> None:
    """A label adds a namespace without a restart: it gets the same 14 profiles, and its Pods name them."""
    starts = release.processes["profiler"].log.count('"started"')
    scale(release, OTHER, 2)
    _await_age(release, OTHER)
    label(release, OTHER, "team=web")
    wait_until(
        lambda: profiled(release) == {SELECTED: PROFILES, OTHER: PROFILES},
        60,
        "the profiles of two namespaces",
    )
    wait_until(lambda: is_named(annotations(release, OTHER, 2)), 30, "its Pods to be annotated")
    scale(release, OTHER, 3)

    assert is_named(annotations(release, OTHER, 3))
    assert release.processes["profiler"].log.count('"started"') == starts
    first, second = (web_cpu(release, namespace) for namespace in (SELECTED, OTHER))
    assert first["spec"]["cpuProfiling"]["value"] == second["spec"]["cpuProfiling"]["value"] == "0.022"
    # At most two steps of four containers apart.
    assert abs(first["status"]["samples"] - second["status"]["samples"]) <= 8


def _await_age(release: Release, namespace: str) -> None:
    """Waits until the namespace is 32 s old: one that is labelled at its creation has no history to read."""
    created_at = release.kubectl.api.get("namespaces", namespace)["metadata"]["creationTimestamp"]
    age_seconds = time.time() - datetime.fromisoformat(created_at).timestamp()
    time.sleep(max(0.0, 32 - age_seconds))


def test_a_namespace_that_opts_out_keeps_what_it_has(release: Release) -> None:
    """Pods keep their annotations, even ones forged now; a new Pod gets those of its template only."""
    scale(release, SELECTED, 2)
    wait_until(lambda: is_named(annotations(release, SELECTED, 2)), 30, "two Pods with their annotations")
    profiles, before = profiled(release), annotations(release, SELECTED, 2)
    label(release, SELECTED, f"{IGNORE}=true")
    wait_until(lambda: _is_left_alone(release), 30, "a forged Pod to stay so")
    scale(release, SELECTED, 3)
    await_cycles(release, 2)

    after = annotations(release, SELECTED, 3)
    assert sorted(map(len, after)) == [1, 1, 5]
    assert [pod for pod in after if len(pod) == 5] == [before[0]]
    assert profiled(release) == profiles


def _is_left_alone(release: Release) -> bool:
    """Forges the annotations of one Pod; True if they stay over three cycles."""
    [name, _] = [pod["metadata"]["name"] for pod in pods_of(release.kubectl, "web", SELECTED, 2)]
    removed = [
        f"{key}-" for key in ("liqo.io/memoryProfile", *(f"liqo.io/connectionProfile{n}" for n in range(3)))
    ]
    forged = [f"{key}={value}" for key, value in FORGED.items()]
    namespace_flag = f"--namespace={SELECTED}"
    release.kubectl.run("annotate", "--overwrite", f"pod/{name}", *forged, *removed, namespace_flag)
    await_cycles(release, 3)
    pod = release.kubectl.api.get("pods", name, SELECTED)
    return our_annotations(pod) == FORGED


def test_a_selector_that_matches_nothing_says_so(release: Release) -> None:
    """Without any selected namespace the restarted profiler sends no query, and all profiles stay.

    One warning for each of three signals states the reason, in the status and as an Event.
    """
    profiles = profiled(release)
    for namespace in (SELECTED, OTHER):
        label(release, namespace, "team-")
    profiler = release.processes["profiler"]
    profiler.stop()
    log_length = len(profiler.log)
    profiler.start()

    signals = wait_until(lambda: _signals(release, "NoNamespaces"), 30, "the status to say so")
    await_cycles(release, 2)

    assert {signal["state"] for signal in signals} == {"Empty"}
    assert "none matches PROFILING_NAMESPACE_SELECTOR" in signals[0]["message"]
    assert profiler.log.count("signal_changed", log_length) == 3
    assert profiled(release) == profiles
    events = release.kubectl.run("get", "events", f"--namespace={RELEASE}")
    assert events.count("NoNamespaces") == 3


def _signals(release: Release, reason: str) -> list[dict[str, Any]]:
    """The signals of the status report if all have *reason*; otherwise empty."""
    report = release.kubectl.api.get("configmaps", "job-profiler-status", RELEASE)
    signals: list[dict[str, Any]] = json.loads(report["data"]["status.json"])["signals"]
    return signals if {signal["reason"] for signal in signals} == {reason} else []
