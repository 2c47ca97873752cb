"""Two profilers with the chart's Lease: the leader terminates, is killed or is paused.

The Lease lasts 6 s; the chart's default is 15 s.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import running
from tests.e2e.product import ProductProcess
from tests.e2e.release import KINDS, Release

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE = "profiling-leaders"
PROFILES = 14
# Upper bounds with a Lease of 6 s that is tried every second.
AFTER_SIGKILL_SECONDS, AFTER_SIGTERM_SECONDS = 8.0, 3.0
SETTINGS = {
    "PROFILE_WRITE_RATE": "2",
    "LEASE_DURATION": "6",
    "LEASE_RENEW_DEADLINE": "4",
    "LEASE_RETRY_PERIOD": "1",
}
EXTRA = {"profiler": {"extraEnv": [{"name": name, "value": value} for name, value in SETTINGS.items()]}}
GAINED, LOST, RESTORED, CYCLE = (
    "leadership_gained",
    "leadership_lost",
    "checkpoints_restored",
    "cycle_finished",
)


class Pair:
    """The running replicas; each start is a new process."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.running: list[ProductProcess] = [release.processes.pop("profiler")]
        self._number = 0

    def fill(self) -> None:
        """Starts replicas until two are ready."""
        while len(self.running) < 2:
            self._number += 1
            self.running.append(self.release.replica("profiler", self._number, {}))
            self.running[-1].start()

    def leader(self) -> ProductProcess:
        """Waits for a replica that has finished a cycle; returns it."""

        def leaders() -> list[ProductProcess]:
            return [replica for replica in self.running if CYCLE in replica.log]

        return wait_until(leaders, 60, "a leader with a cycle")[0]

    def successor(self, of: ProductProcess, within_seconds: float) -> ProductProcess:
        """Waits until the other replica leads after *of*; returns it."""
        self.running.remove(of)
        [successor] = self.running
        wait_until(lambda: GAINED in successor.log, within_seconds, "the other replica to lead")
        return successor

    def stop(self) -> None:
        """Kills all replicas."""
        for process in self.running:
            process.kill()


@pytest.fixture(scope="module")
def pair(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Pair]:
    """A release with a cycle every second, its profiles and its first check-point."""
    release = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(release, release.values(emojivoto_prometheus.url, EXTRA)):
        replicas = Pair(release)
        replicas.fill()
        wait_until(lambda: len(release.profiles()) == PROFILES, 60, "the profiles")
        wait_until(lambda: checkpoints(release), 90, "a check-point")
        yield replicas
        replicas.stop()


def checkpoints(release: Release) -> dict[str, str]:
    """The resourceVersion of each check-point ConfigMap."""
    maps = release.kubectl.api.list("configmaps", NAMESPACE, labels="job-profiler.liqo.io/checkpoint")
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in maps}


def versions(release: Release) -> dict[str, Any]:
    """The resourceVersion of every profile and check-point."""
    profiles = {name: profile["metadata"]["resourceVersion"] for name, profile in release.profiles().items()}
    return profiles | checkpoints(release)


def test_the_standby_leads_after_sigterm(pair: Pair) -> None:
    """SIGTERM to the leader: the standby leads within 3 s with the check-point; no value changes."""
    pair.fill()
    first, before = pair.leader(), pair.release.profiles()

    began = time.monotonic()
    first.signal(signal.SIGTERM)
    second = pair.successor(first, AFTER_SIGTERM_SECONDS)

    assert time.monotonic() - began <= AFTER_SIGTERM_SECONDS
    first.stop()
    wait_until(lambda: CYCLE in second.log, 30, "its first cycle")
    assert RESTORED in second.log
    assert {name: profile["spec"] for name, profile in pair.release.profiles().items()} == {
        name: profile["spec"] for name, profile in before.items()
    }


def test_the_standby_leads_after_sigkill(pair: Pair) -> None:
    """SIGKILL to the leader: the Lease expires, and the standby leads within 8 s with the check-point."""
    pair.fill()
    first = pair.leader()

    began = time.monotonic()
    first.kill()
    second = pair.successor(first, AFTER_SIGKILL_SECONDS)

    assert time.monotonic() - began <= AFTER_SIGKILL_SECONDS
    wait_until(lambda: CYCLE in second.log, 30, "its first cycle")
    assert RESTORED in second.log


def test_a_paused_leader_overwrites_nothing(pair: Pair) -> None:
    """The leader is paused (SIGSTOP) during its writes, and resumes (SIGCONT) after another one wrote all.

    All profiles are deleted, so the leader has fourteen to write at two per second; it is paused after the
    first ones. When it resumes, its next writes are long overdue: it sends none of them.
    """
    pair.fill()
    first, release = pair.leader(), pair.release
    release.kubectl.run("delete", KINDS, "--all", f"--namespace={NAMESPACE}")
    wait_until(lambda: 0 < len(release.profiles()) < PROFILES / 2, 30, "its first writes")
    first.signal(signal.SIGSTOP)
    second = pair.successor(first, 2 * AFTER_SIGKILL_SECONDS)
    cycles = second.log.count(CYCLE)
    wait_until(lambda: second.log.count(CYCLE) >= cycles + 3, 60, "three cycles of the second leader")
    before = versions(release)
    assert len(release.profiles()) == PROFILES

    log_length = len(first.log)
    first.signal(signal.SIGCONT)
    wait_until(lambda: LOST in first.log[log_length:], 10, "the first leader to log its loss of leadership")
    cycles = second.log.count(CYCLE)
    wait_until(lambda: second.log.count(CYCLE) >= cycles + 3, 30, "three more cycles of the second leader")

    assert versions(release) == before
    assert CYCLE not in first.log[log_length:]
    pair.running.append(first)
