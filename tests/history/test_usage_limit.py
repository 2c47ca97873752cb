"""Limit of the memory of the usage history: a namespace with too much loses its own."""

import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, StepRange
from app.history.usage_history import UsageHistory
from app.history.usage_limit import drop_over_share
from tests.child_memory import run_in_child
from tests.history.flooding import FIRST_STEP, flood, fold

# Of one container with one sample: 2,048 bytes and one histogram entry of 12.
CONTAINER_BYTES = 2060


def test_everything_stays_while_it_fits() -> None:
    """Ten containers of one namespace, beside one of another, in the memory of eleven."""
    history = UsageHistory(timeslots=4, retained_days=15)
    fold(history, {("evil", "miner"): [f"c{number}" for number in range(10)], ("shop", "web"): ["main"]}, 0)

    assert drop_over_share(history.state, 11 * CONTAINER_BYTES) == set()
    assert len(history.state.series.index) == 11


def test_whole_workloads_of_the_namespace_over_its_share_are_dropped() -> None:
    """20 containers in the memory of 20 * 0.9 = 18: shop keeps its two, and evil has room for 16.

    The three workloads of evil have 6 containers each. The two that it has had for longest stay, with all
    of their containers, samples included; the third would be complete with 18.
    """
    history = UsageHistory(timeslots=4, retained_days=15)
    miners = {("evil", f"m{number}"): [f"c{index}" for index in range(6)] for number in range(3)}
    fold(history, {**miners, ("shop", "web"): ["main", "proxy"]}, 0)

    dropped = drop_over_share(history.state, 20 * CONTAINER_BYTES - 1)

    assert dropped == {Workload("evil", "m2")}
    kept = {workload.name for workload, _ in history.state.series.index}
    assert kept == {"m0", "m1", "web"}
    assert history.state.memory_bytes == 14 * CONTAINER_BYTES
    assert history.state.series_bytes().tolist() == [CONTAINER_BYTES] * 14


def test_the_oldest_days_go_before_any_workload() -> None:
    """20 days of ten containers and of one beside them: 2,048 + 20 * 12 bytes each, 25,168 together.

    One byte less is the limit, of which 90 % remain: shop keeps its one, the other namespace is over its
    share. 15 days of its ten are 2,228 bytes each, 24,568 with shop's: no workload is dropped.
    """
    history = UsageHistory(timeslots=4, retained_days=29)
    for day in range(20):
        big = {("big", f"w{number}"): ["main"] for number in range(10)}
        fold(history, {**big, ("shop", "web"): ["main"]}, day * STEPS_PER_DAY)

    assert drop_over_share(history.state, 25_167) == set()

    assert history.state.memory_bytes == 24_568
    cpu = history.state.histograms[Resource.CPU]
    days = {
        workload.name: sum(int(day.sample_counts(4, cpu.grid.size)[number]) for day in cpu.days.values())
        for (workload, _), number in history.state.series.index.items()
    }
    assert days == {"web": 20} | {f"w{number}": 15 for number in range(10)}
    _, _, seen = cpu.spans(today=FIRST_STEP // STEPS_PER_DAY + 19, window_days=29)
    assert sorted(seen.tolist()) == [15] * 10 + [20]
    assert cpu.missing(StepRange(FIRST_STEP, FIRST_STEP)) == []


@pytest.mark.parametrize("name", ["c" * 64, "Main", "a/b", "x_y"])
def test_a_container_that_no_pod_can_have_is_left_out(name: str) -> None:
    """The API server accepts labels of RFC 1123 as names of containers."""
    history = UsageHistory(timeslots=4, retained_days=15)

    fold(history, {("evil", "miner"): [name, "c" * 63]}, 0)

    assert history.state.series.containers == ["c" * 63]


def test_new_names_at_each_scrape_evict_no_other() -> None:
    """A Pod with 100 other containers in each of 50 steps, in the memory of 200: shop keeps its one."""
    assert flood(per_step=100, steps=50, max_bytes=200 * CONTAINER_BYTES)["shop"] == 1


@pytest.mark.flood
def test_a_flood_of_containers_is_bounded() -> None:
    """50,000 other containers in each of 24 steps, 1.2 million in two hours, within 64 MiB.

    One answer of Prometheus, with its keys, needs some 30 MB beside that.
    """
    outcome = run_in_child("tests.history.flooding:flood", 50_000, 24, 64 * 2**20)

    assert outcome.result["shop"] == 1
    assert outcome.grown_mb < 200
