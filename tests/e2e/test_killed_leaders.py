"""Fifty leaders are killed at random moments; the check-points equal those of a single undisturbed leader.

Processes, SIGKILL, API server and Prometheus are real; only the profilers' clock is fast: two hours per
second. The minutes of the test are more than a week, in which each cycle reads new steps and a check-point
is due every half second.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Connection
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange
from app.history.open_steps import OPEN_STEPS
from app.history.samples import STEP_SECONDS
from app.history.usage import UsageState
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import open_cluster
from app.profiler.checkpoints import Checkpoints
from app.profiler.cycle.collector import GRACE_SECONDS
from app.profiler.cycle.cycle import RETAINED_DAYS, CyclePolicy, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.processes import free_ports
from tests.cluster.profile_crds import ensure_crds
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.conftest import PrometheusFactory
from tests.e2e.accelerated_profiler import SPEED, AcceleratedProfiler
from tests.e2e.product import REPOSITORY
from tests.histories.emojivoto.metrics import write_past
from tests.profiler.scenario import RecordingSink
from tests.recommendation.learning import facts

pytestmark = [pytest.mark.cluster, pytest.mark.prometheus, pytest.mark.timeout(600)]

NAMESPACE = "killed-leaders"
KILLS, WAITING, LEAST_DAYS = 50, 2, 7
# From the start of a leader's term to its SIGKILL; a cycle with its writes takes about half of it.
LONGEST_LIFE_SECONDS = 1.0
GAINED, LOST = "leadership_gained", "leadership_lost"
# A new leader reads `HISTORY_DAYS`, which pass in 36 s. On a busy machine many leaders die before one stores
# anything: one of them is spared where a check-point has not changed for this long.
MOST_DAYS_UNCHANGED = 1.5
DAYS, ORIGIN_DAYS, HISTORY_DAYS = 23, 21, 3
MOST_DAYS_LATE = 5
END_SECONDS = 1_774_310_400  # 2026-03-24: the history is the same in every run
SETTINGS = {
    "ROLE": "profiler",
    "OWN_NAMESPACE": NAMESPACE,
    "HISTORY_DAYS": str(HISTORY_DAYS),
    "LEASE_DURATION": "1",
    "LEASE_RENEW_DEADLINE": "0.8",
    "LEASE_RETRY_PERIOD": "0.2",
    "CERTIFICATE_PROVIDER": "cert-manager",
    "BACKFILL_ENABLED": "false",
    "PROBE_ENABLED": "false",
    "BIND_ADDRESS": "127.0.0.1",
    "PROFILE_WRITE_RATE": "1000",
}
PROFILED = NamespaceSelection(None, frozenset({"kube-system", "kube-public", "kube-node-lease", NAMESPACE}))
OBJECTS: list[dict[str, Any]] = [
    {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "job-profiler"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "job-profiler-status"}},
]


class Leaders:
    """Profilers that contend for one Lease: one leader and `WAITING` standbys."""

    def __init__(self, control_plane: ControlPlane, prometheus: Prometheus, directory: Path) -> None:
        self.origin, self.began, self.kills = END_SECONDS - ORIGIN_DAYS * 86400, time.time(), 0
        self.prometheus_url = prometheus.url
        self._running: dict[str, AcceleratedProfiler] = {}
        self._directory = directory
        self._settings = SETTINGS | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "KUBECONFIG": str(control_plane.kubeconfig),
            "PROMETHEUS_URL": prometheus.url,
        }

    @property
    def days(self) -> float:
        """The days that have passed on the profilers' clock."""
        return (time.time() - self.began) * SPEED / 86400

    def keep_full(self) -> None:
        """Starts profilers until `WAITING` + 1 run."""
        while len(self._running) < WAITING + 1:
            name = f"profiler-{self.kills}-{len(self._running)}-{random.randrange(10**6)}"
            [port] = free_ports(1)
            settings = self._settings | {"IDENTITY": name, "HEALTH_PORT": str(port)}
            log = self._directory / f"{name}.log"
            self._running[name] = AcceleratedProfiler(settings, log, self.began, self.origin)
            self._running[name].start()

    def leader(self) -> str:
        """Waits for a leader; returns its name."""

        def leading_profiler() -> str:
            logs = {name: process.log.read_text() for name, process in self._running.items()}
            leading = [name for name, log in logs.items() if log.rfind(GAINED) > log.rfind(LOST)]
            return leading[0] if leading else ""

        return wait_until(leading_profiler, 30, "a leader")

    def kill(self, name: str) -> None:
        """Sends SIGKILL to the profiler."""
        self._running.pop(name).kill()
        self.kills += 1

    def stop(self) -> None:
        """Sends SIGTERM to all profilers and waits for them."""
        for process in self._running.values():
            process.ask_to_stop()
        for process in self._running.values():
            process.stop()
        self._running.clear()

    def logs(self) -> list[str]:
        """The logs of all profilers, stopped ones included."""
        return [path.read_text() for path in sorted(self._directory.glob("profiler-*.log"))]


@pytest.fixture
def leaders(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    prometheus_factory: PrometheusFactory,
    tmp_path: Path,
) -> Iterator[Leaders]:
    """Profilers, none of which leads yet, with the chart's objects and a history of varying usage."""
    text = tmp_path / "past.txt"
    write_past(text, end=END_SECONDS, days=DAYS, scrape_seconds=150, flavour="rhythm")
    prometheus = prometheus_factory(text)
    ensure_crds(kubectl)
    kubectl.create_namespace(NAMESPACE)
    for manifest in OBJECTS:
        kubectl.apply(manifest | {"metadata": manifest["metadata"] | {"namespace": NAMESPACE}})
    contending = Leaders(control_plane, prometheus, tmp_path)
    yield contending
    contending.stop()
    kubectl.delete_namespaces(NAMESPACE)


class Stored:
    """The content of the stored check-point, restored as a new leader restores it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = str(kubeconfig)
        self.learned = LearnedState(UsageState(timeslots=4, retained_days=RETAINED_DAYS), ConnectionHistory())
        self.newest_steps: set[int] = set()
        self.shards = 0

    async def read(self) -> None:
        """Reads all shards and the newest covered step of each key range."""
        async with open_cluster(self._kubeconfig) as client:
            store = CheckpointMaps(client, NAMESPACE)
            self.shards = len(await store.versions())
            await Checkpoints(store, RecordingSink(), _unknown_retention).restore(self.learned, PROFILED)
        histories = [*self.learned.usage.histograms.values(), self.learned.connections]
        coverages = [history.coverage for history in histories]  # type: ignore[attr-defined]
        self.newest_steps = {
            coverage.within(keys).newest_step
            for coverage in coverages
            for keys in _ranges(coverage.starts.tolist())
        }


async def _unknown_retention() -> float | None:
    return None


def _ranges(starts: list[int]) -> list[KeyRange]:
    ends = [*(start - 1 for start in starts[1:]), KeyRange().last]
    return [KeyRange(start, end) for start, end in zip(starts, ends, strict=True)]


class StoredChanges:
    """When each stored check-point has changed, in days on the profilers' clock."""

    def __init__(self, store: CheckpointMaps, leaders: Leaders) -> None:
        self._store, self._leaders = store, leaders
        self._versions: dict[str, str] = {}
        self._changed: dict[str, float] = {}

    async def let_one_catch_up(self) -> None:
        """Waits until no check-point is too old."""
        for _ in range(1000):
            if await self._oldest() >= self._leaders.days - MOST_DAYS_UNCHANGED:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("a leader that lives does not write all check-points")

    async def _oldest(self) -> float:
        """The time of the check-point that has not changed for longest; that of the start without any."""
        versions = dict(await self._store.versions())
        now = self._leaders.days
        self._changed = {
            name: self._changed[name] if self._versions.get(name) == version else now
            for name, version in versions.items()
        }
        self._versions = versions
        return min(self._changed.values(), default=0)


async def undisturbed(prometheus_url: str, began: float, until: float) -> LearnedState:
    """What a single leader would store that is never killed and runs a cycle every six hours.

    Its last cycle is the one at *until*. Steps that have not settled then are in no check-point.
    """
    async with PrometheusSource(prometheus_url, scope=Scope(excluded=(NAMESPACE,))) as source:
        cluster = ClusterPorts(FixedSnapshot(), InMemoryProfiles(NAMESPACE), RecordingSink())
        policy = CyclePolicy(EstimationPolicy(), history_days=HISTORY_DAYS, timeslots=4)
        cycle = ProfilingCycle(source, cluster, policy, lambda _namespace: True)
        for now in [*range(int(began), int(until), 6 * 3600), until]:
            await cycle.run_once(datetime.fromtimestamp(now, UTC))
    learned = cycle._learned
    return LearnedState(learned.usage.within(KeyRange()), learned.connections.within(KeyRange()))


async def test_fifty_killed_leaders_learn_what_one_leader_learns(
    leaders: Leaders, control_plane: ControlPlane
) -> None:
    """Each leader is killed within a second; in the end every sample of more than a week counts exactly once.

    On a busy machine some live until the check-points have caught up. The state is compared row by row:
    histograms, maxima and steps are equal; means of connections agree to 1 / 4,000, since check-points store
    rates with 12 bits.
    """
    chance = random.Random(11)
    async with open_cluster(str(control_plane.kubeconfig)) as client:
        changes = StoredChanges(CheckpointMaps(client, NAMESPACE), leaders)
        while leaders.kills < KILLS or leaders.days < LEAST_DAYS:  # a fast machine kills more than `KILLS`
            leaders.keep_full()
            leader = leaders.leader()
            await asyncio.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
            await changes.let_one_catch_up()
            leaders.kill(leader)
    stored = await settled(leaders, control_plane.kubeconfig)

    [newest] = stored.newest_steps
    learned_facts = facts(stored.learned)
    began = began_seconds(stored.learned, leaders.origin)
    assert leaders.origin <= began <= leaders.origin + MOST_DAYS_LATE * 86400
    # The step `newest` settles in the cycle as of `OPEN_STEPS` later.
    undisturbed_state = await undisturbed(
        leaders.prometheus_url, began, (newest + OPEN_STEPS) * STEP_SECONDS + GRACE_SECONDS
    )
    expected = facts(undisturbed_state)
    assert learned_facts.keys() == expected.keys()
    for fact, value in expected.items():
        if isinstance(fact[0], Connection) and len(fact) == 1:
            assert learned_facts[fact] == pytest.approx(value, rel=2.5e-4)
        else:
            assert learned_facts[fact] == value, fact
    days = (newest * STEP_SECONDS - leaders.origin) / 86400
    assert days > LEAST_DAYS
    print(f"{leaders.kills} kills, {days:.1f} days, {stored.shards} shards, {len(expected)} facts")


def began_seconds(learned: LearnedState, origin: float) -> float:
    """A time in the day of the first leader that stored something, which read `HISTORY_DAYS` before it.

    It is *origin* if the first day of the history was read, also where more days before it were wanted.
    """
    first_day = min(
        day
        for histograms in learned.usage.histograms.values()
        for day, of_day in histograms.days.items()
        if len(of_day.keys)
    )
    is_whole = first_day == END_SECONDS // 86400 - DAYS
    return origin if is_whole else float((first_day + HISTORY_DAYS) * 86400 + 3600)


async def settled(leaders: Leaders, kubeconfig: Path) -> Stored:
    """The check-point once all shards end at the same step: a leader may have been stopped mid-write."""
    for _ in range(5):
        leaders.keep_full()
        leaders.leader()
        await asyncio.sleep(2.5)
        leaders.stop()
        stored = Stored(kubeconfig)
        await stored.read()
        if len(stored.newest_steps) == 1:
            return stored
    raise AssertionError(f"the shards still end at different steps: {stored.newest_steps}")
