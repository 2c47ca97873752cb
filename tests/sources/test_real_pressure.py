"""Pressure in a real Prometheus and a real VictoriaMetrics that scrape everything twice.

The history is two hours long and ends at 14:00 UTC; kills happen at 13:02:30, in the step that ends at 13:05.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.profiles import Resource
from app.history.samples import PressureSamples, StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.sources.collecting import only
from tests.sources.pressure_history import (
    NAMESPACE,
    PressureHistory,
    between,
    pod_of,
    steady,
    stepped,
    with_gap,
)

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
BEGIN = END - 2 * 3600
KILL = END - 3600 + 150
STEP_OF_KILL = (KILL + 299) // 300
FIRST_SCRAPE = END - 1800 + 5
HOUR_AND_HALF = StepRange(END // 300 - 17, END // 300)


def burst(times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Throttled in 8 of 10 periods for the 5 minutes up to 13:00, and at no other time."""
    return 8.0 * np.clip(times - (END - 3900), 0, 300).astype(np.float64)


def described() -> PressureHistory:
    history = PressureHistory(BEGIN, END)
    history.throttling("busy", steady(3))
    history.throttling("bursty", burst)
    history.throttling("calm", steady(0.4))
    history.throttling("asleep", steady(0), periods_per_second=0)
    once = stepped(KILL)
    history.restarts("restarted", once, last_reason="OOMKilled", since=KILL)
    # Its counter rises at the first scrape of a step: no window of one step holds a scrape before that.
    history.restarts("on-the-edge", stepped(FIRST_SCRAPE), last_reason="OOMKilled", since=FIRST_SCRAPE)
    history.restarts("crashed", once, last_reason="Error", since=KILL)
    history.restarts("killed-long-ago", stepped(BEGIN), last_reason="OOMKilled", since=BEGIN)
    history.ended("ended", "OOMKilled", once)
    history.ended("completed", "Completed", once)
    history.ended("ended-long-ago", "OOMKilled", stepped(BEGIN))
    # It is not scraped for 20 minutes: afterwards it is the same termination.
    history.ended("ended-before-a-gap", "OOMKilled", with_gap(stepped(BEGIN), END - 3600, END - 2400))
    history.oom_events("child-killed", once)
    history.oom_events("well", steady(0))
    history.restarts_before_a_move("killed-before-a-move", 3, KILL)
    # A Pod that was created and killed between two scrapes of kube-state-metrics, and one that was deleted
    # and created again with its name.
    history.restarts("killed-at-once", between(stepped(KILL), KILL), last_reason="OOMKilled", since=KILL)
    again = between(stepped(KILL), KILL - 600)
    before = between(stepped(BEGIN, after=7), end=KILL - 600)
    history.restarts("created-again", before, last_reason="Error", since=BEGIN, uid="old")
    history.restarts("created-again", again, last_reason="OOMKilled", since=KILL, uid="new")
    # The kubelet's job has another name from then on; the event is an old one.
    old_event = stepped(BEGIN)
    history.oom_events("event-before-a-move", between(old_event, end=KILL))
    history.oom_events("event-before-a-move", between(old_event, KILL), job="renamed")
    # Limits: one that is raised right after the kill; one of cAdvisor alone, and its value for no limit.
    history.limit("restarted", stepped(KILL + 60, 64e6, 128e6))
    history.limit("on-the-edge", stepped(BEGIN, after=32e6))
    history.measured_limit("child-killed", stepped(BEGIN, after=256e6))
    history.measured_limit("ended", steady(0))
    # Pressure stalls: without a limit; by throttling alone; by that and by other containers; too little.
    history.waiting("squeezed", steady(0.4))
    history.throttling("limited", steady(3))
    history.waiting("limited", steady(0.3))
    history.throttling("limited-and-squeezed", steady(3))
    history.waiting("limited-and-squeezed", steady(0.5))
    history.waiting("undisturbed", steady(0.02))
    history.stalled("thrashing", steady(0.25))
    return history


@pytest.fixture(scope="module")
def needy(
    metric_server_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    path = tmp_path_factory.mktemp("need") / "need.openmetrics"
    described().write(path)
    return metric_server_factory(path)


@pytest.fixture
async def source(needy: Prometheus) -> AsyncIterator[PrometheusSource]:
    async with PrometheusSource(needy.url, scope=Scope(included=(NAMESPACE,), excluded=("x",))) as opened:
        yield opened


def shares_by_step(samples: PressureSamples) -> dict[str, dict[int, float]]:
    """For each container the steps with pressure, with its share."""
    shares: dict[str, dict[int, float]] = {}
    for row, step, share in zip(samples.rows, samples.at_steps, samples.shares, strict=True):
        container = samples.containers[row]
        assert (container.namespace, container.pod) == (NAMESPACE, pod_of(container.container))
        shares.setdefault(container.container, {})[int(step)] = float(share)
    return shares


async def pressure(source: PrometheusSource, resource: Resource, steps: StepRange) -> list[PressureSamples]:
    """The samples of each kind."""
    return await only(source.pressure_samples(resource, steps))


async def test_throttling(source: PrometheusSource) -> None:
    """`busy` is throttled in 3 of 10 periods, in each of 18 steps; `bursty` in 8 of 10 in one step.

    4 of 100 are below the limit, no period at all (0/0) is no share, and a container without a limit has no
    such metric. Duplicate scrapes count once, and the whole Pod, which is throttled all the time, does not
    count. VictoriaMetrics counts the 15 seconds between the last scrape of a step and its end, 120 of 2,400
    periods, in the next one.
    """
    shares = shares_by_step((await pressure(source, Resource.CPU, HOUR_AND_HALF))[0])

    assert set(shares) == {"busy", "bursty", "limited", "limited-and-squeezed"}
    assert list(shares["busy"]) == list(range(HOUR_AND_HALF.first, HOUR_AND_HALF.last + 1))
    assert list(shares["busy"].values()) == pytest.approx([0.3] * 18)
    assert max(shares["bursty"], key=shares["bursty"].__getitem__) == END // 300 - 12
    assert sum(shares["bursty"].values()) == pytest.approx(0.8, rel=0.05)


async def test_oom_kills(source: PrometheusSource) -> None:
    """A restarted container, a terminated one, and one with a killed child process.

    A restart or an event is in two steps, a termination in one. Another reason of the last termination, an
    old kill and an old termination do not count, not even after a gap, or after kube-state-metrics moved or
    the kubelet's job was renamed: their new series begin with old kills. A Pod that was killed before its
    first scrape counts, and so does the first kill of one whose name had seven restarts. Two
    kube-state-metrics never make the join fail.
    """
    shares = shares_by_step((await pressure(source, Resource.MEMORY, HOUR_AND_HALF))[0])

    twice = {STEP_OF_KILL: 1.0, STEP_OF_KILL + 1: 1.0}
    assert shares == {
        "restarted": twice,
        "child-killed": twice,
        "ended": {STEP_OF_KILL: 1.0},
        "on-the-edge": {END // 300 - 5: 1.0, END // 300 - 4: 1.0},
        "killed-at-once": twice,
        "created-again": twice,
    }


async def test_limits_at_oom_kills(source: PrometheusSource) -> None:
    """The limit at the kill in both steps in which it is visible; unknown ones are left out."""
    kills, _ = await pressure(source, Resource.MEMORY, HOUR_AND_HALF)

    assert kills.limits_bytes is not None
    limits: dict[str, list[float]] = {}
    for row, limit in zip(kills.rows, kills.limits_bytes, strict=True):
        if not np.isnan(limit):
            limits.setdefault(kills.containers[row].container, []).append(limit)
    assert limits == {
        "restarted": [64e6, 64e6],
        "on-the-edge": [32e6, 32e6],
        "child-killed": [256e6, 256e6],
    }


async def test_pressure_stalls(source: PrometheusSource) -> None:
    """`squeezed` waits for 40 % of the time and has no limit; of another's 50 %, 30 % are its throttling.

    `limited` waits only while it is throttled. `thrashing` stalls on memory for 25 % of the time.
    """
    waiting = shares_by_step((await pressure(source, Resource.CPU, HOUR_AND_HALF))[1])
    stalled = shares_by_step((await pressure(source, Resource.MEMORY, HOUR_AND_HALF))[1])

    assert set(waiting) == {"squeezed", "limited-and-squeezed"}
    assert list(waiting["squeezed"].values()) == pytest.approx([0.4] * 18)
    assert list(waiting["limited-and-squeezed"].values()) == pytest.approx([0.2] * 18)
    assert list(stalled) == ["thrashing"]
    assert list(stalled["thrashing"].values()) == pytest.approx([0.25] * 18)


async def test_pressure_of_one_step(source: PrometheusSource) -> None:
    """The query of a usual cycle, on one step, has the same result as the large one."""
    step = StepRange(STEP_OF_KILL, STEP_OF_KILL)
    kills, _ = await pressure(source, Resource.MEMORY, step)
    after = StepRange(STEP_OF_KILL + 1, STEP_OF_KILL + 1)
    throttling, _ = await pressure(source, Resource.CPU, after)

    killed = {"restarted", "child-killed", "ended", "killed-at-once", "created-again"}
    assert set(shares_by_step(kills)) == killed
    assert set(shares_by_step(throttling)) == {"busy", "limited", "limited-and-squeezed"}


@pytest.mark.parametrize("scope", [Scope(included=("elsewhere",)), Scope(excluded=(NAMESPACE,))])
async def test_pressure_of_other_namespaces_is_not_read(needy: Prometheus, scope: Scope) -> None:
    """No samples if another namespace is included, or if this one is excluded."""
    async with PrometheusSource(needy.url, scope=scope) as elsewhere:
        for resource in Resource:
            kinds = await pressure(elsewhere, resource, HOUR_AND_HALF)
            assert [shares_by_step(samples) for samples in kinds] == [{}, {}]


async def test_absent_metrics_are_no_fault(
    prometheus_factory: Callable[[Path | None], Prometheus],
) -> None:
    """A Prometheus without cAdvisor and kube-state-metrics has an empty result."""
    async with PrometheusSource(prometheus_factory(None).url, scope=Scope()) as empty:
        for resource in Resource:
            kinds = await pressure(empty, resource, HOUR_AND_HALF)
            assert [shares_by_step(samples) for samples in kinds] == [{}, {}]
