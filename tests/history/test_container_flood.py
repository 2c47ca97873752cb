"""Costs for others of containers and runs that a tenant makes up: time, memory, and what is stored."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from app.domain.custom_resources import to_status
from app.domain.namespaces import EVERY_NAMESPACE
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, StepRange
from app.history.seen_together import pod_sets
from app.history.usage_history import UsageHistory
from app.profiler.checkpoints import Checkpoints
from app.recommendation.active_containers import EVERY_CONTAINER
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from tests.profiler.memory_checkpoints import MAX_BYTES, MemoryCheckpoints
from tests.profiler.scenario import RecordingSink

FIRST_STEP = 20_000 * STEPS_PER_DAY + 1
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP, EVIL = Workload("shop", "web"), Workload("evil", "miner")
WEB = {("shop", "web-0"): ("main", "proxy")}
MEBIBYTE = 2**20


def samples(pods: Mapping[tuple[str, str], Sequence[str]], step: int = 0, steps: int = 1) -> ContainerSamples:
    """Half a core of each container, by namespace and Pod."""
    rows = tuple(PodContainer(*pod, name) for pod, names in pods.items() for name in names)
    part = StepRange(FIRST_STEP + step, FIRST_STEP + step + steps - 1)
    return ContainerSamples(Resource.CPU, part, rows, np.full((len(rows), steps), 0.5), 0)


def owner(namespace: str, _pod: str) -> Workload:
    return SHOP if namespace == "shop" else EVIL


def folded(
    history: UsageHistory, result: ContainerSamples, find: Callable[[str, str], Workload] = owner
) -> float:
    """Fold *result*; returns the seconds that it took."""
    begin = time.perf_counter()
    history.fold(result, find)
    return time.perf_counter() - begin


def empty() -> UsageHistory:
    return UsageHistory(timeslots=4, retained_days=15)


@pytest.mark.flood
def test_100_000_sets_of_containers_in_one_workload() -> None:
    """Each of 100,000 Pods has another subset of 17 containers: 32 sets are kept, and shop's one.

    Of a result, 128 sets of a workload are looked at. Before, each of 100,000 was sorted in among 32.
    """
    pods = {
        ("evil", f"miner-{number}"): [f"c{bit}" for bit in range(17) if number >> bit & 1]
        for number in range(1, 100_001)
    } | WEB
    result, history = samples(pods), empty()
    series = np.array(
        [int(row.container[1:]) if row.namespace == "evil" else 17 for row in result.containers]
    )
    keys = np.array([row.namespace == "shop" for row in result.containers], dtype=np.int64)

    assert len(pod_sets(result, series, keys).seen) == 128 + 1
    seconds = folded(history, result)

    print(f"\n100,000 sets in {len(result.containers):,} rows: {seconds:.1f} s")
    assert len(history.state.together.of(EVIL)) == 32
    assert list(history.state.together.of(SHOP)) == [("main", "proxy")]


@pytest.mark.flood
def test_100_000_pods_whose_containers_follow_one_another() -> None:
    """Steps of such Pods count one by one: those of 256 Pods of a workload, and of shop's Pod."""
    pods = {("evil", f"miner-{number}"): ("init", "main") for number in range(100_000)} | WEB
    result, history = samples(pods, steps=2), empty()
    result.values[0:-2:2, 1] = result.values[1:-2:2, 0] = np.nan

    seconds = folded(history, result)

    print(f"\n100,000 Pods without a step of all containers: {seconds:.1f} s")
    assert set(history.state.together.of(EVIL)) == {("init",), ("main",)}
    assert list(history.state.together.of(SHOP)) == [("main", "proxy")]


def test_10_000_containers_in_one_workload() -> None:
    """All of them but one in each of two Pods: no set is kept, since no Pod has as many.

    The status lists the 100 with the largest need, and their number, in less than 64 KiB. Before, it had
    3 MiB, which the API server refuses; with a third of that it kept them, and so did every webhook.
    """
    names = [f"container-{number:05d}" for number in range(10_000)]
    pods = {("evil", f"miner-{pod}"): names[:pod] + names[pod + 1 :] for pod in range(2)} | WEB
    history = empty()
    seconds = sum(folded(history, samples(pods, step)) for step in range(3))

    begin = time.perf_counter()
    recommended = Recommender(history.state).recommend(
        Resource.CPU,
        EstimationPolicy(min_samples=1),
        newest_step=FIRST_STEP + 2,
        checks=EVERY_CONTAINER,
        find_published=lambda _workload: None,
    )
    derived_seconds = time.perf_counter() - begin
    statuses = {profile.workload: to_status(profile, refreshed_at=NOW) for profile in recommended.profiles}
    size = len(json.dumps(statuses[EVIL]))

    print(
        f"\n10,000 containers: folded in {seconds:.1f} s, derived in {derived_seconds:.1f} s, {size:,} bytes"
    )
    assert history.state.together.of(EVIL) == {}
    assert [container["name"] for container in statuses[SHOP]["containers"]] == ["main", "proxy"]
    assert (len(statuses[EVIL]["containers"]), statuses[EVIL]["containersTotal"]) == (100, 10_000)
    assert size < 64 * 1024


async def test_a_workload_too_large_for_a_check_point_costs_no_other_its_own() -> None:
    """10,000 containers with other usage in each of 200 steps are more than a ConfigMap takes.

    Its check-point is left out: a new leader reads its past again. Before, the API server refused it, and
    none was written after it.
    """
    history, random = empty(), np.random.default_rng(1)
    pods = {("evil", "miner-0"): [f"c{number}" for number in range(10_000)]} | WEB
    for day in range(2):
        result = samples(pods, day * STEPS_PER_DAY, 100)
        result.values[:] = random.lognormal(0, 2, result.values.shape)
        folded(history, result)
    learned, store = LearnedState(history.state, ConnectionHistory()), MemoryCheckpoints()

    async def retention() -> None:
        return None

    checkpoints = Checkpoints(store, RecordingSink(), retention)
    written = await checkpoints.save_if_due(learned, EVERY_NAMESPACE, NOW)

    sizes = [len(data) for _, data in store.shards.values()]
    print(f"\ncheck-points: {sizes} bytes, {written} written")
    assert checkpoints.faults() == {}
    assert max(sizes) <= MAX_BYTES
    restored = LearnedState(empty().state, ConnectionHistory())
    await Checkpoints(store, RecordingSink(), retention).restore(restored, EVERY_NAMESPACE)
    assert restored.usage.series.workloads == {SHOP}


@pytest.mark.parametrize("shape", ["run-{}", "run-{}-abcde", "{}-nightly-x7k2p3ab", "r{}un"])
def test_10_000_runs_of_one_tenant(shape: str) -> None:
    """They are one group, or each its own; in three steps, no run of shop is among them."""
    history = empty()

    def find(namespace: str, pod: str) -> Workload:
        return Workload(namespace, pod, "Job")

    nightly = {("shop", f"run-{number}"): ("main",) for number in range(2)}
    seconds = [
        folded(
            history,
            samples(
                {("evil", shape.format(step * 10_000 + number)): ("main",) for number in range(10_000)}
                | nightly,
                step,
            ),
            find,
        )
        for step in range(3)
    ]

    estimated = history.state.memory_bytes / MEBIBYTE
    print(f"\n30,000 runs {shape}: {', '.join(f'{one:.1f}' for one in seconds)} s, {estimated:.0f} MiB")
    assert {workload.name for workload in history.workloads if workload.namespace == "shop"} == {
        "run-0",
        "run-1",
    }
    assert estimated < 100
