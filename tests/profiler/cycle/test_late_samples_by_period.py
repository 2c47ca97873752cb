"""Late samples in a real Prometheus, read by cycles from a minute to six hours apart."""

import asyncio
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from tests.cluster.prometheus import Prometheus
from tests.profiler.cycle.late_store import FIRST, Lag, LateStore, Leader
from tests.sources.remote_write import RECEIVER

pytestmark = pytest.mark.prometheus

BEGIN = (FIRST + 2) * 300 + 60
# The server takes samples that are half a block older than the newest one.
BLOCKS = ("--storage.tsdb.min-block-duration=4d", "--storage.tsdb.max-block-duration=4d")


def on_time(_node: str) -> float:
    return 0


def cart_late(seconds: float) -> Lag:
    """The lag where the samples of cart's node alone are late."""
    return lambda node: seconds if node == "node-b" else 0


def cycles(period: int) -> range:
    """The times of cycles over more than an hour, and of four cycles at least."""
    return range(BEGIN, BEGIN + max(4500, 4 * period), period)


async def followed(directory: Path, late: Lag, times: Iterable[int]) -> tuple[Leader, dict[str, Any], int]:
    """The leader, the outcome and the lag in seconds after cycles; the store caught up before the last ones.

    The open steps are read once more then.
    """
    times = list(times)
    with Prometheus(directory, flags=(RECEIVER, *BLOCKS)) as prometheus:
        store = LateStore(prometheus, late)
        leader = Leader(store)
        async with leader.source:
            for now in times:
                await leader.read_at(now)
            lag = lag_seconds(leader, 0)
            store.catch_up()
            # As of the first, the steps that had not settled do; as of the second, those of the first.
            for now in (times[-1] + 3600, times[-1] + 7200):
                await leader.read_at(now)
        return leader, leader.outcome((times[-1] + 7200 - 60) // 300), lag


@cache
def outcome_on_time(period: int, directory: Path) -> dict[str, Any]:
    directory.mkdir()
    _, outcome, lag = asyncio.run(followed(directory, on_time, cycles(period)))
    assert lag == 0
    return outcome


def lag_seconds(leader: Leader, signal: int) -> int:
    """The lag of CPU, memory or connections, as they are numbered."""
    return leader.cycle._collector._collectors[signal].arrival.lag_seconds


def signal_states(leader: Leader) -> set[str]:
    return {signal["state"] for signal in leader.sink.signals.values()}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the stores on time, one for each period."""
    return tmp_path_factory.mktemp("on_time")


@pytest.mark.parametrize("lag", [lambda _node: 600, cart_late(600)], ids=["store", "writer"])
@pytest.mark.parametrize("period", [60, 300, 1800, 3600, 21600])
def test_ten_minutes_behind(tmp_path: Path, directory: Path, period: int, lag: Lag) -> None:
    """The same samples, coverage and values as on time, and the lag in whole steps.

    A part of each step's samples is there when it is read six minutes after its end.
    """
    leader, outcome, seen_lag = asyncio.run(followed(tmp_path, lag, cycles(period)))

    assert outcome == outcome_on_time(period, directory / str(period))
    assert seen_lag == 300
    assert signal_states(leader) == {"Ok"}


@pytest.mark.parametrize(
    ("period", "reasons", "lost"),
    [
        pytest.param(1800, "Answered Answered" + 4 * " LateSamples" + 2 * " Answered", 5, id="1800"),
        pytest.param(3600, "Answered" + 2 * " LateSamples" + 2 * " Answered", 3, id="3600"),
        pytest.param(21600, "Answered" + 2 * " LateSamples" + 2 * " Answered", 3, id="21600"),
    ],
)
async def test_one_writer_25_minutes_behind(tmp_path: Path, period: int, reasons: str, lost: int) -> None:
    """The first review names its samples, and later steps wait for them: then none is lost any more.

    A step has some of them when it is read 21 minutes after its end, at age 4. In the first cycle, one step
    of age 2 settles; in each of the next ones, until a review has found samples, those of ages 2 and 3. The
    second review names the last of these. A review is due in each cycle, or in every second one.
    """
    with Prometheus(tmp_path, flags=(RECEIVER, *BLOCKS)) as prometheus:
        leader = Leader(LateStore(prometheus, cart_late(1500)))
        seen = []
        async with leader.source:
            for number in range(len(reasons.split())):
                await leader.read_at(BEGIN + number * period)
                seen.append({signal["reason"] for signal in leader.sink.signals.values()})
    newest = leader.cycle._learned.connections.newest_read_step
    profiles = leader.outcome(newest)["profiles"]
    web, cart = (profiles[Identity(ProfileKind.CPU, Workload("shop", name))] for name in ("web", "cart"))

    assert seen == [{reason} for reason in reasons.split()]
    assert [lag_seconds(leader, number) for number in range(3)] == 3 * [1200]
    still_to_come = 4
    assert web.basis.samples - cart.basis.samples == lost + still_to_come


async def test_one_writer_three_hours_behind(tmp_path: Path) -> None:
    """No review reads steps that old. A day later the query on loads counts one once more, and names them.

    The first cycle finds no step of an hour's age, the second one counts such a step, of which a day has
    passed in the 25th.
    """
    with Prometheus(tmp_path, flags=(RECEIVER, *BLOCKS)) as prometheus:
        leader = Leader(LateStore(prometheus, cart_late(3 * 3600)))
        states = []
        async with leader.source:
            for number in range(25):
                await leader.read_at(BEGIN + number * 3600)
                states.append({signal["state"] for signal in leader.sink.signals.values()})

    assert states == 24 * [{"Ok"}] + [{"Degraded"}]
    for signal in leader.sink.signals.values():
        assert signal["reason"] == "LateSamples"
        assert signal["message"] == (
            "samples reached Prometheus too late to count, in the namespaces shop;"
            " some came more than an hour late; those up to 10 minutes late count"
        )
