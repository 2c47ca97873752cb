"""Events on a Deployment report its profiles; `kubectl describe` shows them.

The product is installed with an empty Prometheus, which gets the emojivoto history between two cycles: the
first profiles appear after the first cycle of the leader's term.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.back_fill import back_fill
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import AHEAD_SECONDS, recent_moment, running
from tests.e2e.from_noon import BEHIND_SECONDS, from_noon
from tests.e2e.release import Release
from tests.e2e.workloads import deployment
from tests.histories.emojivoto.metrics import write_past
from tests.histories.lengths import days_from_midnight
from tests.webhook.profiles import WEB_CPU

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-events"
# Between two cycles Prometheus is stopped and started again.
PERIOD_SECONDS = 5
PROFILES = 14
# web needs (0.016 + 0.004) cores * 1.0078 and (17 + 3) MB * 1.150274; rates as in the history.
CREATED = (
    "CPU 0.021 cores, memory 23005478 bytes, 240.00 requests and responses a minute to emojivoto/emoji, "
    "114.00 requests and responses a minute to emojivoto/voting"
)
STARTED = '"started"'
CHANGED = "CPU 0.100 → 0.021 cores"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Prometheus data directory with the morning and three days of emojivoto, as of the profiler's noon."""
    directory, now = tmp_path_factory.mktemp("emojivoto"), recent_moment() - BEHIND_SECONDS
    days = days_from_midnight(now, 3, ahead_seconds=AHEAD_SECONDS)
    end = now + AHEAD_SECONDS
    write_past(directory / "past.txt", end=end, days=days, scrape_seconds=60, flavour="constant")
    back_fill(directory / "past.txt", directory / "data")
    return directory / "data"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus without any series."""
    with Prometheus(tmp_path_factory.mktemp("prometheus")) as empty:
        yield empty


@pytest.fixture(scope="module")
def web_uid(kubectl: Kubectl, emojivoto: str) -> str:
    """The uid of Deployment `web`, which exists from the beginning."""
    kubectl.apply(deployment("web", emojivoto))
    uid: str = kubectl.json("get", "deployment", "web", f"--namespace={emojivoto}")["metadata"]["uid"]
    return uid


@pytest.fixture(scope="module")
def empty_release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    prometheus: Prometheus,
    web_uid: str,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with a period of 5 s, and no samples."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory, from_noon)
    extra = {"profiling": {"updateSeconds": PERIOD_SECONDS}}
    with running(installed, installed.values(prometheus.url, extra)):
        yield installed


@dataclass(frozen=True)
class WithoutSamples:
    """What there was before the first sample."""

    profiles: dict[str, Any]
    events: list[tuple[str, str]]


@pytest.fixture(scope="module")
def before(empty_release: Release, web_uid: str) -> WithoutSamples:
    """As it is after two cycles."""
    after_cycles(empty_release, 2)
    return WithoutSamples(empty_release.profiles(), our_events(empty_release, web_uid))


@pytest.fixture(scope="module")
def release(empty_release: Release, before: WithoutSamples, prometheus: Prometheus, past: Path) -> Release:
    """The product with the profiles of samples that came between two cycles, and with their Events."""
    after_cycles(empty_release, 1)
    prometheus.stop()
    for block in past.iterdir():
        shutil.move(block, prometheus.data)
    prometheus.start()
    wait_until(lambda: len(empty_release.profiles()) == PROFILES, 60, f"{PROFILES} profiles")
    after_cycles(empty_release, 2)
    return empty_release


def cycles(release: Release) -> int:
    return release.processes["profiler"].log.count("cycle_finished")


def after_cycles(release: Release, count: int) -> None:
    """Waits for *count* more cycles."""
    before = cycles(release)
    wait_until(lambda: cycles(release) >= before + count, 60, f"{count} cycles")


def our_events(release: Release, uid: str) -> list[tuple[str, str]]:
    """Reason and message of each Event of the product on the object, oldest first."""
    listed = release.kubectl.api.list("events", "emojivoto", fields=f"involvedObject.uid={uid}")
    product_events = [event for event in listed if event["source"].get("component") == "job-profiler"]
    product_events.sort(key=lambda event: str(event["lastTimestamp"]))
    return [(event["reason"], event["message"]) for event in product_events]


def test_without_samples_there_is_no_event(before: WithoutSamples) -> None:
    """Two cycles without samples create no profile and no Event."""
    assert before == WithoutSamples({}, [])


def test_profiles_that_appear_are_one_event_on_the_deployment(release: Release, web_uid: str) -> None:
    """New profiles of `web` (WEB_CPU, memory and connections) are one Event, emitted once."""
    created = [event for event in our_events(release, web_uid) if event[0] == "ProfileCreated"]

    assert created == [("ProfileCreated", CREATED)]


def test_kubectl_describes_it(release: Release) -> None:
    """`kubectl describe deployment` shows the Event with its message."""
    described = release.kubectl.run("describe", "deployment", "web", "--namespace=emojivoto")

    [line] = [line for line in described.splitlines() if "ProfileCreated" in line]
    assert line.split()[0] == "Normal"
    assert line.endswith(CREATED)
    assert "job-profiler" in line


def test_the_mesh_proxy_has_a_role_and_the_application_has_none(release: Release) -> None:
    """The mesh proxy is recognized by its name, since no template contains injected containers."""
    listed = release.profiles()[WEB_CPU]["status"]["containers"]

    roles = {container["name"]: container.get("role") for container in listed}
    assert roles == {"linkerd-proxy": "MeshProxy", "web-svc": None}


def test_a_value_that_jumps_is_an_event_with_both_values(release: Release, web_uid: str) -> None:
    """The test writes 0.100 into the profile; the next cycle publishes 0.022, less than a third of it."""
    patch = '{"spec":{"cpuProfiling":{"value":"0.100"}}}'
    release.kubectl.run(
        "patch", "cpuprofile", WEB_CPU, "--type=merge", f"--patch={patch}", f"--namespace={NAMESPACE}"
    )
    after_cycles(release, 2)

    assert release.profiles()[WEB_CPU]["spec"]["cpuProfiling"]["value"] == "0.021"
    assert our_events(release, web_uid) == [("ProfileCreated", CREATED), ("ProfileChanged", CHANGED)]


def test_the_first_cycle_of_a_new_term_emits_no_event(release: Release, web_uid: str) -> None:
    """Profiles that were deleted while there was no leader are written again without an Event."""
    before = our_events(release, web_uid)
    profiler = release.processes["profiler"]
    profiler.stop()
    release.kubectl.run(
        "delete", "cpuprofiles,memoryprofiles,connectionprofiles", "--all", f"--namespace={NAMESPACE}"
    )
    profiler.start()
    wait_until(lambda: len(release.profiles()) == PROFILES, 60, f"{PROFILES} profiles")
    after_cycles(release, 1)

    assert our_events(release, web_uid) == before


def test_no_event_is_refused_and_no_watch_is_forbidden(release: Release) -> None:
    """No Event was refused, and no request lacked a permission (403).

    Other outages count only after the first cycle of a process: the CRDs are new, so a watch may restart.
    """
    log = release.processes["profiler"].log
    _, *processes = log.split(STARTED)
    settled = [process.partition("cycle_finished")[2] for process in processes]

    assert "event_not_recorded" not in log
    assert processes
    assert all("cycle_finished" in process for process in processes)
    assert not [line for line in log.splitlines() if "contact_lost" in line and "403" in line]
    assert not any("contact_lost" in process for process in settled)
