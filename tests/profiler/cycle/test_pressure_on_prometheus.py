"""OOM kills in a real Prometheus, and the memory profile that a cycle derives from them.

The container uses 100,000,000 bytes all the time since 11:02:30. Without a kill it needs that times a margin
m, raised by 3 / (1 + t / 0.6)^2 while only t days are known. It is killed twice, three hours apart, each time
in the middle of a step; everything is scraped by two scrapers.

m costs 1 - 1/m + 2.1 * (.45 * m^(-1 / width) + .05 * m^(-1 / .5)) with a width of .7 * .2 / (t + 1), .1 at
most. On the first day, until t = 74 / 288, that is .1: 1.2 costs .392, 1.3 .361, 1.4 .372. Two days later, at
t = 444 / 288, it is .0551: 1.15 costs .285, 1.2 .274, 1.3 .301.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.profile_names import contract_name
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from app.profiler.cycle.cycle import CyclePolicy, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.profiler.scenario import RecordingSink, learned_by
from tests.sources.pressure_history import NAMESPACE, PressureHistory, steady, stepped

pytestmark = pytest.mark.prometheus

FIRST_KILL = datetime(2026, 3, 1, 14, 2, 30, tzinfo=UTC)
SECOND_KILL = FIRST_KILL + timedelta(hours=3)
# The end of the step in which the second kill was seen last; it is seen in two.
SEEN_LAST = datetime(2026, 3, 1, 17, 10, tzinfo=UTC)
IDENTITY = Identity(ProfileKind.MEMORY, Workload(NAMESPACE, "app"))


@pytest.fixture(scope="module")
def killed(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    first, second = (int(kill.timestamp()) for kill in (FIRST_KILL, SECOND_KILL))
    history = PressureHistory(first - 3 * 3600, second + 49 * 3600)
    history.usage("app", steady(0.1), lambda times: np.full(len(times), 1e8))
    twice = (stepped(first), stepped(second))
    history.restarts(
        "app", lambda times: twice[0](times) + twice[1](times), last_reason="OOMKilled", since=first
    )
    path = tmp_path_factory.mktemp("killed") / "killed.openmetrics"
    history.write(path)
    return prometheus_factory(path)


class Leader:
    """One term over a store that outlives it."""

    def __init__(self, prometheus: Prometheus, profiles: InMemoryProfiles) -> None:
        self.traffic = QueryCosts()
        self.source = PrometheusSource(
            prometheus.url, scope=Scope(), network_provider="none", observer=self.traffic
        )
        self.sink, self.profiles = RecordingSink(), profiles
        cluster = ClusterPorts(FixedSnapshot(), profiles, self.sink)
        policy = CyclePolicy(EstimationPolicy(), history_days=2, timeslots=4)
        self._cycle = ProfilingCycle(self.source, cluster, policy, lambda _namespace: True)

    async def value_at(self, step_end: datetime) -> int:
        """The value derived by a cycle whose newest step ends then; what is stored may differ by 5 %."""
        now = step_end + timedelta(minutes=1)
        await self._cycle.run_once(now)
        return int(learned_by(self._cycle, now)[IDENTITY].value)

    @property
    def stored(self) -> dict[str, Any]:
        """The custom resource."""
        return self.profiles.manifests[contract_name(IDENTITY) or ""]


@pytest.fixture
async def leader(killed: Prometheus) -> AsyncIterator[Leader]:
    leading = Leader(killed, InMemoryProfiles("profiling"))
    async with leading.source:
        yield leading


def at(hour: int, minute: int, day: int = 1) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def needed(steps: int, raised: float = 0.0, *, margin: float = 1.3) -> Any:
    """The value after so many steps of 5 minutes; shares of days are held with seven digits."""
    unknown = 3 / (1 + steps / 288 / 0.6) ** 2
    return pytest.approx(1e8 * margin * (1 + unknown) * (1 + raised), rel=1e-7)


async def test_a_kill_raises_memory_once_and_its_raise_decays(leader: Leader, killed: Prometheus) -> None:
    """1.2 times what it needs without, when it is seen and in the step after.

    At 17:00 the raise is down to 0.2 * 2^(-2 h 50 min / 24 h) = 0.18428574. A second kill makes it 0.2 again,
    and not 1.2 * 1.184 or 1.44 times as much. Two days after that was seen last it is 0.05, and told so; 156
    steps of the first day and 288 of the second are known by then. A new leader finds the same, and writes
    nothing.
    """
    assert await leader.value_at(at(14, 0)) == needed(36)
    assert "signals" not in leader.stored["status"]

    for minute, steps in ((5, 37), (10, 38)):
        assert await leader.value_at(at(14, minute)) == needed(steps, 0.2)
    assert int(leader.stored["spec"]["memoryProfiling"]["value"]) == needed(37, 0.2)
    assert leader.stored["status"]["signals"] == [
        {
            "container": "app",
            "reason": "OOMKilled",
            "lastSeen": "2026-03-01T14:05:00Z",
            "raisedBy": "0.20",
        }
    ]

    assert await leader.value_at(at(17, 0)) == needed(72, 0.18428574)
    for minute, steps in ((5, 73), (10, 74)):
        assert await leader.value_at(at(17, minute)) == needed(steps, 0.2)

    last = needed(156 + 288, 0.05, margin=1.2)
    assert await leader.value_at(SEEN_LAST + timedelta(days=2)) == last
    assert int(leader.stored["spec"]["memoryProfiling"]["value"]) == last
    assert leader.stored["status"]["signals"][0]["raisedBy"] == "0.05"
    assert (
        "An OOM kill of app, last seen 2026-03-01T17:10:00Z, raises its value by 5 %."
        in (leader.stored["status"]["explanation"])
    )
    before = str(leader.stored)

    successor = Leader(killed, leader.profiles)
    async with successor.source:
        assert await successor.value_at(SEEN_LAST + timedelta(days=2)) == last
    assert str(successor.stored) == before


async def test_a_quiet_cycle_without_a_mesh_asks_six_questions_at_most(leader: Leader) -> None:
    """CPU, memory and their two signs; no Pod is known here, so also twice on owners, in vain."""
    await leader.value_at(at(14, 0))
    asked = leader.traffic.queries.total()

    await leader.value_at(at(14, 5))

    assert leader.traffic.queries.total() - asked == 6
    assert leader.sink.reports[-1]["pastPodsAttributedBy"] == "names"
    assert {signal["state"] for signal in leader.sink.signals.values()} == {"Ok", "Off"}
