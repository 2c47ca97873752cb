"""A real Prometheus that receives samples late, by remote write: it ends with what one on time ends with.

The cycles are five minutes apart; `test_late_samples_by_period` has other periods.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.command_line.status_findings import finding_lines
from app.domain.profiles import Identity, Pressure, ProfileKind, Resource
from app.domain.workloads import Workload
from app.history.samples import StepRange
from tests.cluster.prometheus import Prometheus
from tests.profiler.cycle.late_store import FIRST, LAST, READ_FIRST, Lag, LateStore, Leader
from tests.recommendation.learning import facts
from tests.sources.remote_write import RECEIVER

pytestmark = pytest.mark.prometheus


async def followed(directory: Path, lag: Lag, *, until: int = LAST) -> tuple[Leader, dict[str, Any]]:
    """The leader and the outcome of cycles on a store with *lag*, which caught up before the last two."""
    with Prometheus(directory, flags=(RECEIVER,)) as prometheus:
        store = LateStore(prometheus, lag)
        leader = Leader(store)
        async with leader.source:
            for newest in range(READ_FIRST, until + 1):
                await leader.read(newest)
            before = leader.cycle._collector._collectors[0].arrival.lag_seconds
            store.catch_up()
            for newest in (until + 1, until + 2):
                await leader.read(newest)
        return leader, leader.outcome(until + 2) | {"lag": before}


@pytest.fixture(scope="module")
def on_time(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome on a store that is on time."""
    _, outcome = asyncio.run(followed(tmp_path_factory.mktemp("on_time"), lambda _node: 0))
    return outcome


def test_the_outcome_on_time(on_time: dict[str, Any]) -> None:
    """All steps but the two that are open; half of nine steps in pressure, five of them before midnight."""
    assert on_time["lag"] == 0
    histories = len(Resource) + len(Pressure) + 1
    assert on_time["missing"] == [[StepRange(LAST + 1, LAST + 2)]] * histories
    web = on_time["samples"][Pressure.CPU_THROTTLING, (Workload("shop", "web"), "app")]
    cart = on_time["samples"][Pressure.CPU_THROTTLING, (Workload("shop", "cart"), "app")]
    before_midnight = (LAST + 1) // 288 - 1
    assert web == (FIRST + 13, {before_midnight: 25_000, before_midnight + 1: 20_000})
    assert cart[1] == {}


@pytest.mark.parametrize("seconds", [240, 420, 600])
async def test_a_whole_store_up_to_ten_minutes_behind(
    tmp_path: Path, on_time: dict[str, Any], seconds: int
) -> None:
    """The same samples, coverage and values; the lag is shown in whole steps."""
    _, outcome = await followed(tmp_path, lambda _node: seconds)

    assert outcome | {"lag": 0} == on_time
    assert outcome["lag"] == (300 if seconds > 300 else 0)


@pytest.mark.parametrize("seconds", [240, 420, 600])
async def test_one_writer_up_to_ten_minutes_behind(
    tmp_path: Path, on_time: dict[str, Any], seconds: int
) -> None:
    """The same samples, coverage and values, although each step has cart's samples only when read again."""
    _, outcome = await followed(tmp_path, lambda node: seconds if node == "node-b" else 0)

    assert outcome | {"lag": 0} == on_time
    assert outcome["lag"] == (300 if seconds > 300 else 0)


async def test_a_whole_store_25_minutes_behind(tmp_path: Path, on_time: dict[str, Any]) -> None:
    """No step settles before its samples are there: the values are the same, and the lag is shown.

    The newest sample is a minute after the end of the step five before the newest: there, a rate begins.
    """
    leader, outcome = await followed(tmp_path, lambda _node: 25 * 60)

    assert outcome["profiles"] == on_time["profiles"]
    assert outcome["lag"] == 4 * 300
    assert {signal["state"] for signal in leader.sink.signals.values()} == {"Ok"}
    (line,) = finding_lines(leader.sink.reports[-1])
    assert line.startswith("Samples reach Prometheus late: cpu up to 20 minutes, memory up to 20 minutes")


async def test_one_writer_25_minutes_behind(tmp_path: Path) -> None:
    """The review after an hour finds cart's samples, names them, and later steps wait for them.

    Those up to the step that settled last before are lost. A new leader waits too, since check-points of
    version 2 have the number of open steps. The next review finds nothing that was lost.
    """
    review = READ_FIRST + 12
    with Prometheus(tmp_path, flags=(RECEIVER,)) as prometheus:
        store = LateStore(prometheus, lambda node: 25 * 60 if node == "node-b" else 0)
        leader = Leader(store)
        async with leader.source:
            for newest in range(READ_FIRST, review + 1):
                await leader.read(newest)
            signal = leader.sink.signals["cpu"]
            assert (signal["state"], signal["reason"]) == ("Degraded", "LateSamples")
            assert signal["message"] == (
                "samples reached Prometheus too late to count, in the namespaces shop;"
                " those up to 25 minutes late count"
            )
            for newest in range(review + 1, review + 7):
                await leader.read(newest)
        [(_, stored)] = leader.checkpoints.shards.values()
        assert stored[4:6] == b"\x02\x00"
        new_leader = Leader(store, leader.checkpoints)
        async with new_leader.source:
            for newest in range(review + 7, review + 21):
                await new_leader.read(newest)

    seen = facts(new_leader.cycle._learned)[Resource.CPU, (Workload("shop", "cart"), "app"), "seen"]
    assert isinstance(seen, tuple)
    assert seen[:2] == (review - 1, review + 20 - 5)
    cart, web = (
        new_leader.outcome(review + 20)["profiles"][Identity(ProfileKind.CPU, Workload("shop", name))]
        for name in ("cart", "web")
    )
    assert web.basis.samples - cart.basis.samples == review - 1 - FIRST + 4
    assert {signal["state"] for signal in new_leader.sink.signals.values()} == {"Ok"}
