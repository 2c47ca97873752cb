"""OOM kills in a real Prometheus, and the memory profile that a cycle derives from them.

The container uses 100,000,000 bytes from 11:02:30 on. Without a kill the value is e^.24 times that, the
margin of least cost at the width .1 of a first day, and e^.18 times that after two days, at a width of .1 / 2
(tests/profiler/emojivoto_prometheus.py has the costs). What is steady has no raise for a short past. It is
killed twice, three hours apart, in the middle of a step; two scrapers collect each series.
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
# The end of the last of the two steps in which the second kill is visible.
LAST_VISIBLE = datetime(2026, 3, 1, 17, 10, tzinfo=UTC)
IDENTITY = Identity(ProfileKind.MEMORY, Workload(NAMESPACE, "app"))


@pytest.fixture(scope="module")
def killed(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    """A Prometheus with the history above."""
    first, second = (int(kill.timestamp()) for kill in (FIRST_KILL, SECOND_KILL))
    history = PressureHistory(first - 3 * 3600, second + 49 * 3600)
    history.usage("app", steady(0.1), lambda times: np.full(len(times), 1e8))
    kills = (stepped(first), stepped(second))
    history.restarts(
        "app", lambda times: kills[0](times) + kills[1](times), last_reason="OOMKilled", since=first
    )
    path = tmp_path_factory.mktemp("killed") / "killed.openmetrics"
    history.write(path)
    return prometheus_factory(path)


class Leader:
    """One term over a store that outlives it."""

    def __init__(self, prometheus: Prometheus, profiles: InMemoryProfiles) -> None:
        self.traffic = QueryCosts()
        self.source = PrometheusSource(
            prometheus.url, scope=Scope(), network_providers=("none",), observer=self.traffic
        )
        self.sink, self.profiles = RecordingSink(), profiles
        cluster = ClusterPorts(FixedSnapshot(), profiles, self.sink)
        policy = CyclePolicy(EstimationPolicy(), history_days=2, timeslots=4)
        self._cycle = ProfilingCycle(self.source, cluster, policy, lambda _namespace: True)

    async def value_at(self, step_end: datetime) -> int:
        """The value derived when *step_end* ends the newest step; the stored one may differ by 5 %."""
        now = step_end + timedelta(minutes=1)
        await self._cycle.run_once(now)
        return int(learned_by(self._cycle, now)[IDENTITY].value)

    @property
    def stored(self) -> dict[str, Any]:
        """The custom resource."""
        return self.profiles.manifests[contract_name(IDENTITY) or ""]


@pytest.fixture
async def leader(killed: Prometheus) -> AsyncIterator[Leader]:
    """A leader over an empty store."""
    leading = Leader(killed, InMemoryProfiles("profiling"))
    async with leading.source:
        yield leading


def at(hour: int, minute: int, day: int = 1) -> datetime:
    """A time of March 2026."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def needed(raised: float = 0.0, *, margin: float = 0.24) -> Any:
    """The value, in single precision."""
    return pytest.approx(1e8 * np.exp(margin) * (1 + raised), rel=1e-7)


async def test_a_kill_raises_memory_once_and_its_raise_decays(leader: Leader, killed: Prometheus) -> None:
    """The kill raises the value by 0.2, in the step in which it is visible and in the next one.

    At 17:00 the raise is 0.2 * 2^(-2 h 50 min / 24 h) = 0.18428574. A second kill raises by 0.2 again, not
    by 1.2 * 1.184 or 1.44. Two days after it was last visible the raise is 0.05; the history has a
    part of the first day and the second. A new leader derives the same values, and writes nothing.
    """
    assert await leader.value_at(at(14, 0)) == needed()
    assert "signals" not in leader.stored["status"]

    for minute in (5, 10):
        assert await leader.value_at(at(14, minute)) == needed(0.2)
    assert int(leader.stored["spec"]["memoryProfiling"]["value"]) == needed(0.2)
    assert leader.stored["status"]["signals"] == [
        {
            "container": "app",
            "reason": "OOMKilled",
            "lastSeen": "2026-03-01T14:05:00Z",
            "raisedBy": "0.20",
        }
    ]

    assert await leader.value_at(at(17, 0)) == needed(0.18428574)
    for minute in (5, 10):
        assert await leader.value_at(at(17, minute)) == needed(0.2)

    last = needed(0.05, margin=0.18)
    assert await leader.value_at(LAST_VISIBLE + timedelta(days=2)) == last
    assert int(leader.stored["spec"]["memoryProfiling"]["value"]) == last
    assert leader.stored["status"]["signals"][0]["raisedBy"] == "0.05"
    assert (
        "An OOM kill of app, last seen 2026-03-01T17:10:00Z, raises its value by 5 %."
        in (leader.stored["status"]["explanation"])
    )
    before = str(leader.stored)

    successor = Leader(killed, leader.profiles)
    async with successor.source:
        assert await successor.value_at(LAST_VISIBLE + timedelta(days=2)) == last
    assert str(successor.stored) == before


async def test_a_quiet_cycle_without_a_mesh_has_six_queries(leader: Leader) -> None:
    """CPU, memory, pressure on both, and two on the owners of the unknown Pods, both without a result.

    The one with the kill asks for the limit of its container too.
    """
    await leader.value_at(at(13, 55))
    for minutes_after_two, queries in ((0, 6), (5, 7)):
        earlier = leader.traffic.queries.total()

        await leader.value_at(at(14, minutes_after_two))

        assert leader.traffic.queries.total() - earlier == queries
    assert leader.sink.reports[-1]["pastPodsAttributedBy"] == "names"
    assert {signal["state"] for signal in leader.sink.signals.values()} == {"Ok", "Off"}
