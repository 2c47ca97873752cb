"""Two profilers under the chart's own Lease: who leads ends, dies or is held up; tests run in this order.

The Lease lasts 6 s, where the chart's default is 15 s: all times that follow from it are as much shorter.
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
# What a Lease of 6 s allows that is tried every second.
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
    """The replicas that run; each start is a process of its own."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.running: list[ProductProcess] = [release.processes.pop("profiler")]
        self._number = 0

    def fill(self) -> None:
        """Two replicas, both ready."""
        while len(self.running) < 2:
            self._number += 1
            self.running.append(self.release.replica("profiler", self._number, {}))
            self.running[-1].start()

    def leader(self) -> ProductProcess:
        """The one that leads and has finished a cycle."""

        def found() -> list[ProductProcess]:
            return [each for each in self.running if CYCLE in each.log]

        return wait_until(found, 60, "a leader with a cycle")[0]

    def successor(self, of: ProductProcess, within_seconds: float) -> ProductProcess:
        """Who leads after *of*, which is out of the way."""
        self.running.remove(of)
        [other] = self.running
        wait_until(lambda: GAINED in other.log, within_seconds, "the other one to lead")
        return other

    def stop(self) -> None:
        """End all."""
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
    """A release with a cycle each second, whose profiles are there and whose check-point is stored."""
    release = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    with running(release, release.values(emojivoto_prometheus.url, EXTRA)):
        both = Pair(release)
        both.fill()
        wait_until(lambda: len(release.profiles()) == PROFILES, 60, "the profiles")
        wait_until(lambda: checkpoints(release), 90, "a check-point")
        yield both
        both.stop()


def checkpoints(release: Release) -> dict[str, str]:
    """The resourceVersion of each check-point."""
    found = release.kubectl.api.list("configmaps", NAMESPACE, labels="job-profiler.liqo.io/checkpoint")
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}


def versions(release: Release) -> dict[str, Any]:
    """The resourceVersion of all that a leader writes."""
    profiles = {name: each["metadata"]["resourceVersion"] for name, each in release.profiles().items()}
    return profiles | checkpoints(release)


def test_the_other_one_leads_soon_after_the_leader_was_told_to_end(pair: Pair) -> None:
    """SIGTERM: within 3 s, with what the first one learned; no value changes."""
    pair.fill()
    first, before = pair.leader(), pair.release.profiles()

    began = time.monotonic()
    first.signal(signal.SIGTERM)
    second = pair.successor(first, AFTER_SIGTERM_SECONDS)

    assert time.monotonic() - began <= AFTER_SIGTERM_SECONDS
    first.stop()
    wait_until(lambda: CYCLE in second.log, 30, "its first cycle")
    assert RESTORED in second.log
    assert {name: each["spec"] for name, each in pair.release.profiles().items()} == {
        name: each["spec"] for name, each in before.items()
    }


def test_the_other_one_leads_after_the_leader_died(pair: Pair) -> None:
    """SIGKILL: nobody frees the Lease, so it runs out: within 8 s, with what the first one learned."""
    pair.fill()
    first = pair.leader()

    began = time.monotonic()
    first.kill()
    second = pair.successor(first, AFTER_SIGKILL_SECONDS)

    assert time.monotonic() - began <= AFTER_SIGKILL_SECONDS
    wait_until(lambda: CYCLE in second.log, 30, "its first cycle")
    assert RESTORED in second.log


def test_a_leader_that_was_held_up_overwrites_nothing(pair: Pair) -> None:
    """SIGSTOP amid its writes, for longer than the Lease; SIGCONT when another one has written everything.

    All profiles are deleted, so that the leader has fourteen to write, two a second; it is held up after the
    first. When it goes on, its next writes have been due for long: none of them is sent.
    """
    pair.fill()
    first, release = pair.leader(), pair.release
    release.kubectl.run("delete", KINDS, "--all", f"--namespace={NAMESPACE}")
    wait_until(lambda: 0 < len(release.profiles()) < PROFILES / 2, 30, "its first writes")
    first.signal(signal.SIGSTOP)
    second = pair.successor(first, 2 * AFTER_SIGKILL_SECONDS)
    cycles = second.log.count(CYCLE)
    wait_until(lambda: second.log.count(CYCLE) >= cycles + 3, 60, "three of its cycles")
    before = versions(release)
    assert len(release.profiles()) == PROFILES

    said = len(first.log)
    first.signal(signal.SIGCONT)
    wait_until(lambda: LOST in first.log[said:], 10, "the first one to know that it leads no longer")
    cycles = second.log.count(CYCLE)
    wait_until(lambda: second.log.count(CYCLE) >= cycles + 3, 30, "three more cycles of the second one")

    assert versions(release) == before
    assert CYCLE not in first.log[said:]
    pair.running.append(first)
